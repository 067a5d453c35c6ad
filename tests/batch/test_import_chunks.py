"""However a file is arranged and in whatever order its pieces are taken, its rows come to the same: as one by one."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st

from knownas.batch import import_arranging, import_working
from knownas.batch.import_arranging import Arranger
from knownas.batch.import_grouping import RowNames
from knownas.batch.import_results import RowResult
from knownas.batch.import_staging import Staging
from knownas.batch.import_working import Worker
from knownas.core.profile.attributes import shown
from knownas.service.profile.sections import Sections
from knownas.store.opening import open_store
from knownas.store.port import Pool, Store
from tests.batch.files import NOW_MS, configured, job_of, section_results, write_json_lines
from tests.properties.trials import first_failing, seed_of_this_run
from tests.store.world import RepeatingChance, fold_differs

POOL = Pool("shop", "production")
EXAMPLES = 40
STRATEGIES = ("default", "profile_conversion", "profile_link", "profile_isolation", "best_match")

_VALUE = st.sampled_from(["", "1", "2", "3"])
_ROW = st.fixed_dictionaries(
    {
        "customer_id": _VALUE,
        "email": _VALUE,
        "other": _VALUE,
        "mp_deviceid": _VALUE,
        "plan": st.sampled_from(["", "a", "b"]),
    }
)
_SEED_ROW = st.fixed_dictionaries(
    {
        "mpid": st.sampled_from(["", "7", "8"]),
        "customer_id": _VALUE,
        "email": _VALUE,
        "plan": st.sampled_from(["a", "b"]),
    }
)
SABOTEUR_EXAMPLES = 200
Case = tuple[str, bool, list[dict[str, str]], int, int]


def cases() -> st.SearchStrategy[Case]:
    """Draw a strategy, whether profiles come over, the rows, the rows of a chunk, and an order of the pieces."""
    updating = st.tuples(
        st.sampled_from(STRATEGIES),
        st.sampled_from([False]),
        st.lists(_ROW, min_size=2, max_size=25),
        st.integers(1, 26),
        st.integers(0, 2**32),
    )
    seeding = st.tuples(
        st.sampled_from(STRATEGIES),
        st.sampled_from([True]),
        st.lists(_SEED_ROW, min_size=2, max_size=12),
        st.integers(1, 13),
        st.integers(0, 2**32),
    )
    return st.one_of(updating, updating, updating, seeding)


async def _left_by(folder: Path, case: Case, *, one_by_one: bool) -> Any:
    """Import the rows, and return all that is left of them, with rows in the place of what is random."""
    strategy, seed, rows, chunk, order = case
    store = open_store("memory://")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_arranging, "SECTION_ROWS", 1 if one_by_one else len(rows))
        for module in (import_arranging, import_working):
            patch.setattr(module, "CHUNK_ROWS", 1 if one_by_one else chunk)
        # Nobody pulls the plug here, and a section of one row waits for the disk many times.
        patch.setattr(os, "fsync", lambda _: None)
        job = await job_of(
            store, write_json_lines(folder / "rows.jsonl", rows), configured({"strategy": strategy}), seed=seed
        )
        staging = Staging(folder / "work")
        staging.open(0)
        arranger = Arranger(job.file, job.reading, job.door.rules, staging)
        worker = Worker(job.source(NOW_MS), store, _RisingChance(), staging)
        results: list[RowResult] = []
        while (section := arranger.section(results[-1].row if results else 0)) is not None:
            pieces = list(range(len(section.pieces)))
            Random(order).shuffle(pieces)
            for piece in pieces:
                await worker.take(section, piece)
            results += section_results(staging, section)
        staging.close()
    assert not await fold_differs(store, POOL)
    left = await _state(store, results)
    await store.close()
    return left


class _RisingChance(RepeatingChance):
    """Gives out MPIDs that ascend, so that ties end alike even where some were drawn for nothing."""

    def __init__(self) -> None:
        super().__init__(1)
        self._last = 1_000

    def fresh_mpid(self) -> int:
        self._last += 1
        return self._last


async def _state(store: Store, results: Sequence[RowResult]) -> Any:
    first: dict[int | None, int] = {None: 0}
    for one in results:
        first.setdefault(one.mpid, one.row)
    row_of = {one.decision_id: one.row for one in results}
    records: dict[int, Any] = {}
    for record in await store.records(POOL, None, 1_000):
        known = [shown(one.attributes) for one in (await Sections(store.user_data).of_profile(record.mpid)).values()]
        history = [row_of[entry.decision_id] for entry in await store.history(record.mpid, 0, 1_000)]
        records[first[record.mpid]] = (record.identities, record.carried, record.known, known, history)
    logged = [entry.decision_id for entry in await store.log(POOL, 0, 1_000)]
    assert sorted(logged) == sorted(one.decision_id for one in results if one.decision_id)
    return [(one.row, one.outcome, first[one.mpid], one.reason) for one in results], records


def _fault_in(folder: Path) -> Callable[[Case], str | None]:
    def fault_of(case: Case) -> str | None:
        one_by_one, arranged = (asyncio.run(_left_by(folder, case, one_by_one=one)) for one in (True, False))
        return None if one_by_one == arranged else f"{one_by_one}\n{arranged}"

    return fault_of


def test_pieces_in_any_order_come_to_the_same_as_one_row_after_the_other(tmp_path: Path) -> None:
    """Outcomes, profiles, what is known of them, and each profile's history; the log has all that changed something."""
    fault_of, seeded = _fault_in(tmp_path), seed_of_this_run()
    failing = first_failing(cases(), fault_of, examples=EXAMPLES, seeded=seeded)
    if failing is not None:
        pytest.fail(f"{fault_of(failing)}\n{json.dumps(failing)}\nKNOWNAS_TEST_SEED={seeded}", pytrace=False)


def test_rows_put_apart_that_share_an_identity_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saboteur: the same trial finds out that e-mails were forgotten where rows were put side by side."""
    whole = RowNames.of
    monkeypatch.setattr(
        RowNames, "of", lambda self, content: [one for one in whole(self, content) if "email" not in str(one)]
    )
    assert first_failing(cases(), _fault_in(tmp_path), examples=SABOTEUR_EXAMPLES, seeded=seed_of_this_run())
