"""A correction that comes while a check is under way raises no alarm: an undo, a block and a release say what they wrote."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

import pytest

from knownas.batch import verifying_judge
from knownas.batch.folding import THIS_PROCESS
from knownas.batch.verifying import How, pool_document, verify
from knownas.service.history.undoing import UndoRefused
from knownas.store.sqlite.whole import SqliteWhole
from tests.service.history.test_undoing import logs
from tests.service.toxic.test_deciding import Judging, named_by
from tests.store.histories import draw_history
from tests.store.places import PLACES, Place

STEPS = 40
MOVES_FROM_SEVERAL = 1_031
"""A history in which a modify takes one value from several profiles, after a check has read the log."""


async def lived(place: Place, seed: int) -> list[int]:
    """Lead a server through a history in which something is taken back, blocked or released again and again.

    Returns the ends of the log before each correction, which a check may have read to.
    """
    random, store = Random(seed), place.open()
    policies, history = draw_history(seed, STEPS)
    player = Judging(store, seed)
    await player.start(policies)
    ends: list[int] = []
    for part in range(0, len(history), 8):
        await player.go_on(history[part : part + 8])
        entries = await logs(store)
        changing = [entry for entry in entries if entry.touched]
        if not changing:
            continue
        ends.append(max(entry.seq for entry in entries))
        named = [one for entry in entries for one in named_by(entry)]
        if named and random.random() < 0.4:
            judge = player.toxic.block if random.random() < 0.6 else player.toxic.release
            await judge(*random.choice(named))
        else:
            done = await player.undoing.undo(random.choice(changing).decision_id)
            assert isinstance(done, UndoRefused) or done.decision_id
    await player.resolver.close()
    await store.close()
    return ends


def alarms(folder: Path, seeds: Iterable[int], monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """Check databases as if each correction, and all after it, had come after the log was read; return what is named."""
    found: list[Mapping[str, object]] = []
    for seed in seeds:
        there = folder / str(seed)
        there.mkdir()
        with PLACES["sqlite"](there) as place:
            for end in asyncio.run(lived(place, seed)):

                async def earlier(_: object, end: int = end) -> int:
                    return end

                monkeypatch.setattr(SqliteWhole, "end_of_log", earlier)
                checked = asyncio.run(verify(place.url, How(processes=THIS_PROCESS)))
                found += [{"seed": seed, **pool_document(pool, 2)} for pool in checked if pool.wrong]
    return found


def test_a_correction_that_comes_meanwhile_raises_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is taken back, blocked or released after the log was read, nothing is named."""
    assert alarms(tmp_path, (1, 2, MOVES_FROM_SEVERAL), monkeypatch) == []


@pytest.mark.soak
def test_many_corrections_that_come_meanwhile_raise_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for many histories."""
    assert alarms(tmp_path, range(1_000, 1_150), monkeypatch) == []


def test_a_check_that_reads_corrections_like_requests_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: where only the identities that came and went are carried out, there are false alarms."""
    monkeypatch.setattr(verifying_judge, "_corrected", lambda *_: None)
    assert alarms(tmp_path, range(1, 2), monkeypatch)
