"""However a file is cut into chunks, every row comes to the same, and so do the profiles: as one row after the other."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from knownas.batch import import_running
from knownas.batch.import_results import ResultFile, results_of
from knownas.batch.import_running import Import
from knownas.core.profile.attributes import shown
from knownas.service.sections import Sections
from knownas.store.opening import open_store
from knownas.store.port import Pool, Store
from tests.batch.files import NOW_MS, configured, job_of, write_json_lines
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
Case = tuple[str, bool, list[dict[str, str]], int]


def cases() -> st.SearchStrategy[Case]:
    """Draw a strategy, whether profiles come over, the rows, and the rows of a chunk."""
    updating = st.tuples(
        st.sampled_from(STRATEGIES),
        st.sampled_from([False]),
        st.lists(_ROW, min_size=2, max_size=25),
        st.integers(2, 26),
    )
    seeding = st.tuples(
        st.sampled_from(STRATEGIES),
        st.sampled_from([True]),
        st.lists(_SEED_ROW, min_size=2, max_size=12),
        st.integers(2, 13),
    )
    return st.one_of(updating, updating, updating, seeding)


async def _left_by(folder: Path, case: Case, chunk: int) -> Any:
    """Import the rows in chunks, and return all that is left of them, with rows in the place of what is random."""
    strategy, seed, rows, _ = case
    store = open_store("memory://")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_running, "CHUNK_ROWS", chunk)
        # Nobody pulls the plug here, and a chunk of one row waits for the disk three times.
        patch.setattr(os, "fsync", lambda _: None)
        job = await job_of(
            store, write_json_lines(folder / "rows.jsonl", rows), configured({"strategy": strategy}), seed=seed
        )
        (folder / "r.csv").unlink(missing_ok=True)
        (folder / "r.csv.progress").unlink(missing_ok=True)
        with ResultFile(folder / "r.csv") as results:
            await Import(job, store, _RisingChance(), results).run(NOW_MS)
    assert not await fold_differs(store, POOL)
    left = await _state(store, (folder / "r.csv").read_text().partition("\n")[2])
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


async def _state(store: Store, lines: str) -> Any:
    results = results_of(lines)
    first: dict[int | None, int] = {None: 0}
    for one in results:
        first.setdefault(one.mpid, one.row)
    records: dict[int, Any] = {}
    for record in await store.records(POOL, None, 1_000):
        known = [shown(one.attributes) for one in (await Sections(store.user_data).of_profile(record.mpid)).values()]
        records[first[record.mpid]] = (record.identities, record.carried, record.known, known)
    logged = [entry.decision_id for entry in await store.log(POOL, 0, 1_000)]
    assert logged == [one.decision_id for one in results if one.decision_id]
    return [(one.row, one.outcome, first[one.mpid], one.reason) for one in results], records


def test_chunks_of_any_size_come_to_the_same_as_one_row_after_the_other(tmp_path: Path) -> None:
    """Outcomes, profiles, what is known of them; and the log has each row that changed something, in their order."""

    def fault_of(case: Case) -> str | None:
        one_by_one, in_chunks = (asyncio.run(_left_by(tmp_path, case, size)) for size in (1, case[-1]))
        return None if one_by_one == in_chunks else f"{one_by_one}\n{in_chunks}"

    seeded = seed_of_this_run()
    failing = first_failing(cases(), fault_of, examples=EXAMPLES, seeded=seeded)
    if failing is not None:
        pytest.fail(f"{fault_of(failing)}\n{json.dumps(failing)}\nKNOWNAS_TEST_SEED={seeded}", pytrace=False)
