"""What came of users is sorted with the profiles: a decision taken back leaves events and attributes where they belong."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from knownas.core.identity.kinds import Identity
from knownas.service.history import rearranging
from knownas.service.history.correcting import HistoryCorrected
from knownas.service.history.subjects import named_in
from knownas.service.history.undoing import UndoRefused
from knownas.service.identity.log_form import observation_from
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry
from tests.service.sorting_stage import SortingStage, Truth

STEPS = 24
HISTORIES = 40
HISTORIES_SOAKED = 10_000


def difference(found: Truth, wanted: Truth) -> str | None:
    """Say where what a service knows is not what it should be; None if nowhere."""
    for what, is_there, should_be in (
        ("sections", found.sections, wanted.sections),
        ("events", found.events, wanted.events),
    ):
        for key in {**is_there, **should_be}:
            if is_there.get(key) != should_be.get(key):
                return f"{what} of {key}: {is_there.get(key)}, wanted {should_be.get(key)}"
    return None


async def fault_of(seed: int) -> tuple[str | None, int]:
    """Play a history in two parts, take steps of it back after each, and back again.

    Returns where that parts from the truth, and how many corrections were made.
    """
    random = Random(seed)
    stage = await SortingStage(seed, MemoryStore()).open()
    undone, without, unaliased = set[int](), dict[int, set[Identity]](), set[str]()
    made = 0

    async def compared(where: str) -> str | None:
        wanted = await stage.truth(undone, without, unaliased)
        told = difference(await stage.found(wanted.profiles), wanted)
        return None if told is None else f"history {seed}, {where}: {told}"

    try:
        for part in range(2):
            await stage.play(STEPS // 2)
            await stage.service.resolver.between_batches(_nothing)
            fault = await compared(f"part {part}")
            taken = _choice(random, await stage.log(), list(stage.aliased.values()))
            if fault is not None or taken is None:
                return fault, made
            stage.now_ms += 5
            before = await stage.everything()
            preview = await stage.service.undoing.undo(*taken[:2], preview=True)
            done = await stage.service.undoing.undo(*taken[:2])
            if isinstance(done, UndoRefused):
                assert done.reason == "already_undone", f"history {seed}: {done}"
                continue
            assert isinstance(preview, HistoryCorrected)
            assert (preview.changed, preview.moved, preview.left) == (done.changed, done.moved, done.left)
            assert not done.left, f"history {seed}: {done.left}"
            made += 1
            if random.random() < 0.4 and done.decision_id is not None:
                stage.now_ms += 5
                again = await stage.service.undoing.undo(done.decision_id)
                assert isinstance(again, HistoryCorrected), f"history {seed}: {again}"
                fault = _unlike(await stage.everything(), before)
                if fault is not None:
                    return f"history {seed}, part {part}, undone twice: {fault}", made
                continue
            _, identity, entry = taken
            if entry is None:
                unaliased.add(taken[0])
            elif identity is None:
                undone.add(entry.seq)
            else:
                without.setdefault(entry.seq, set()).add(identity)
            fault = await compared(f"part {part}, without {taken[:2]} at {entry and entry.seq}")
            if fault is not None:
                return fault, made
    finally:
        await stage.close()
    return None, made


def _choice(
    random: Random, log: Sequence[LogEntry], aliases: Sequence[str]
) -> tuple[str, Identity | None, LogEntry | None] | None:
    """Choose a decision that changed something, an identity of one, or an alias request."""
    if aliases and random.random() < 0.2:
        return random.choice(aliases), None, None
    changing = [one for one in log if one.touched and b'"correct"' not in one.observation[:12]]
    if not changing:
        return None
    entry = random.choice(changing)
    named = list(named_in(observation_from(entry.observation)))
    if random.random() < 0.15 and len(named) > 1:
        return entry.decision_id, random.choice(named), entry
    return entry.decision_id, None, entry


def _unlike(after: dict[str, Any], before: dict[str, Any]) -> str | None:
    """Say what is not as it was before; None if everything is."""
    for what, held in before.items():
        then, now = _items(held), _items(after[what])
        others = [one for one in then if one not in now] + [one for one in now if one not in then]
        if others:
            return f"{what}: {others}"
    return None


def _items(held: Any) -> list[Any]:
    return list(held.items()) if isinstance(held, dict) else held


async def _nothing() -> None:
    """Wait for what was captured."""


def first_fault(seeds: Sequence[int]) -> tuple[str | None, int]:
    """Return the first fault of some histories, and the corrections made up to it."""
    made = 0
    for seed in seeds:
        fault, corrections = asyncio.run(fault_of(seed))
        made += corrections
        if fault is not None:
            return fault, made
    return None, made


def test_what_came_goes_where_it_would_have_come() -> None:
    """Whatever is taken back, the sections and events of all profiles are those of a server that never heard it."""
    fault, made = first_fault(range(HISTORIES))
    assert fault is None, fault
    assert made > HISTORIES


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, HISTORIES_SOAKED, 500))
def test_what_came_goes_where_it_would_have_come_at_length(first: int) -> None:
    """The same for ten thousand histories."""
    fault, _ = first_fault(range(first + 1_000_000, first + 1_000_500))
    assert fault is None, fault


def test_events_that_are_forgotten_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a service that corrects identities alone is found out."""
    monkeypatch.setattr(rearranging, "_sort", lambda *_: None)
    fault, _ = first_fault(range(HISTORIES))
    assert fault is not None
