"""Checks that a database holds what its log folds to, and names each profile that it does not.

The log of each pool is folded again (`folding`) and compared with the records, profile by profile (`verifying_judge`).
Profiles that no line made are looked for. What rows promise of each other, such as which profile is found by which value,
the database compares by itself. Servers may go on writing meanwhile: lines that come later are not considered.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from knownas.batch.folding import FoldedLog, FoldStep, Wanted, fold_log
from knownas.batch.folding_limits import DIFFERENCES_MAX, DIFFERENCES_TOLD_MAX, READ_LINES
from knownas.batch.folding_processes import Over
from knownas.batch.rehearsing_store import StoreWhole
from knownas.batch.verifying_judge import Difference, Verdict, VerifyJudge, Why, line_name
from knownas.core.identity.document import Document, values_document
from knownas.core.identity.record import Record
from knownas.service.identity.receipts import rfc3339
from knownas.store.opening import MEMORY, open_store, open_whole
from knownas.store.port import Pool, Store
from knownas.store.whole import Contradiction, WholeReader

Watch = Callable[[Pool, FoldStep], None]


@dataclass(frozen=True, slots=True)
class PoolVerified:
    """What was found in one pool, up to a seq of the log.

    `differences` and `contradictions` are named up to `DIFFERENCES_MAX` each; `further` is how many more there are.
    """

    pool: Pool
    until_seq: int
    observations: int
    profiles: int
    components: int
    differences: Sequence[Difference]
    contradictions: Sequence[Contradiction]
    further: int
    seconds: float
    rows_seconds: float

    @property
    def wrong(self) -> int:
        """How much is not as it should be."""
        return len(self.differences) + len(self.contradictions) + self.further


@dataclass(frozen=True, slots=True)
class How:
    """How a check works: `processes` and `niceness` as in `fold_log`; `scope` None checks all scopes.

    `rows` says whether the database compares its rows as well.
    """

    processes: int | None = None
    niceness: int = 0
    scope: str | None = None
    rows: bool = True
    folder: Path | None = None


async def verify(database: str, how: How, watch: Watch = lambda _pool, _step: None) -> list[PoolVerified]:
    """Check a database.

    Raises:
        StoreError: it does not answer.
        OSError: there is no room for temporary files.
    """
    async with AsyncExitStack() as opened:
        store = open_store(database)
        opened.push_async_callback(store.close)
        whole = open_whole(database)
        opened.push_async_callback(whole.close)
        pools = [pool for pool in await whole.pools() if how.scope in (None, pool.scope)]
        return [await _verify(database, pool, how, (store, whole), watch) for pool in sorted(pools)]


async def verify_store(store: Store, scopes: Sequence[str], watch: Watch) -> list[PoolVerified]:
    """Check a store that no other process can reach, scope by scope. Takes the event loop for as long as folds take.

    Raises:
        StoreError: it does not answer.
        OSError: there is no room for temporary files.
    """
    how, verified = How(rows=False), list[PoolVerified]()
    for scope in scopes:
        whole = StoreWhole(store, scope)
        for pool in sorted(await whole.pools()):
            verified.append(await _verify(MEMORY, pool, how, (store, whole), watch, is_over=True))
    return verified


async def _verify(
    database: str, pool: Pool, how: How, opened: Over, watch: Watch, *, is_over: bool = False
) -> PoolVerified:
    store, whole = opened
    until = await whole.end_of_log()
    wanted = Wanted(database, pool, until, await store.policies(pool.scope), VerifyJudge(), checks_rows=how.rows)
    folded = await fold_log(
        wanted,
        processes=how.processes,
        niceness=how.niceness,
        folder=how.folder,
        watch=lambda step: watch(pool, step),
        over=opened if is_over else None,
    )
    differences = [one for verdict in folded.verdicts for one in verdict.differences]
    further = sum(verdict.further for verdict in folded.verdicts) + sum(one.further for one in folded.rows)
    differences += await _not_in_log(folded, differences, pool, until, store, whole)
    contradictions = [one for checked in folded.rows for one in checked.wrong]
    further += len(differences[DIFFERENCES_MAX:]) + len(contradictions[DIFFERENCES_MAX:])
    return PoolVerified(
        pool,
        until,
        folded.lines,
        sum(len(verdict.mpids) for verdict in folded.verdicts),
        folded.components,
        sorted(differences, key=lambda one: (one.first is None, one.first))[:DIFFERENCES_MAX],
        contradictions[:DIFFERENCES_MAX],
        further,
        folded.seconds,
        folded.rows_seconds,
    )


async def _not_in_log(
    folded: FoldedLog[Verdict],
    known: Sequence[Difference],
    pool: Pool,
    until: int,
    store: Store,
    whole: WholeReader,
) -> list[Difference]:
    """Find profiles that are stored and that the log does not fold to; they are only looked for if there are too many."""
    missing = sum(one.stored is None and one.folded is not None for one in known)
    count = sum(len(verdict.mpids) for verdict in folded.verdicts)
    if await whole.profiles_until(pool, until) == count - missing:
        return []
    folds = sorted(mpid for verdict in folded.verdicts for mpid in verdict.mpids)
    named = {one.mpid for one in known}
    found: list[Difference] = []
    after: int | None = None
    while records := await store.records(pool, after, READ_LINES):
        after = records[-1].mpid
        for record in records:
            at = bisect_left(folds, record.mpid)
            if (at == len(folds) or folds[at] != record.mpid) and record.mpid not in named:
                entries = await store.history(record.mpid, 0, 1)
                if not entries or entries[0].seq <= until:
                    first = line_name(entries[0]) if entries else None
                    found.append(Difference(record.mpid, Why.NOT_IN_LOG, record, None, first))
        if len(found) > DIFFERENCES_MAX:
            break
    return found


def check_document(verified: Sequence[PoolVerified]) -> Document:
    """Show what was found in all pools: the first things that differ, and how many there are."""
    return {
        "observations": sum(one.observations for one in verified),
        "profiles": sum(one.profiles for one in verified),
        "differing": sum(one.wrong for one in verified),
        "seconds": round(sum(one.seconds + one.rows_seconds for one in verified), 3),
        "pools": [pool_document(one, DIFFERENCES_TOLD_MAX) for one in verified],
    }


def pool_document(verified: PoolVerified, most: int = DIFFERENCES_MAX) -> Document:
    """Show what was found in a pool, naming at most so many differences of each kind."""
    return {
        "scope": verified.pool.scope,
        "environment": verified.pool.environment or None,
        "until_seq": verified.until_seq,
        "observations": verified.observations,
        "profiles": verified.profiles,
        "components": verified.components,
        "seconds": round(verified.seconds, 3),
        "rows_seconds": round(verified.rows_seconds, 3),
        "wrong": verified.wrong,
        "differences": [_difference_document(one) for one in verified.differences[:most]],
        "contradictions": [
            {"what": one.what, "mpid": None if one.mpid is None else str(one.mpid)}
            for one in verified.contradictions[:most]
        ],
    }


def _difference_document(one: Difference) -> Document:
    first = one.first
    return {
        "mpid": str(one.mpid),
        "why": one.why,
        "more": one.more or None,
        "stored": _record_document(one.stored),
        "folded": _record_document(one.folded),
        "first_observation": None
        if first is None
        else {
            "seq": first.seq,
            "decision_id": first.decision_id,
            "at": rfc3339(first.at_ms),
            "endpoint": first.endpoint,
        },
    }


def _record_document(record: Record | None) -> Document | None:
    if record is None:
        return None
    return {
        "known": record.known,
        "created_at": rfc3339(record.created_ms),
        "source_mpid": None if record.source_mpid is None else str(record.source_mpid),
        "identities": values_document(record.identities),
        "carried": values_document(record.carried),
    }
