"""Rehearses a policy: folds the log of a scope under it and under those in force when each line was decided, and compares.

Writes nothing, neither to the records nor to the log. Each pool of the scope is folded by itself, up to where its log is
settled; servers may go on writing meanwhile. Twice the same log and policy, twice the same report.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from knownas.batch.folding import FoldedLog, FoldStep, Wanted, fold_log
from knownas.batch.folding_processes import Over
from knownas.batch.folding_working import LinesWanted
from knownas.batch.rehearsing_judge import RehearseJudge, ShareRehearsed, Start
from knownas.batch.rehearsing_store import StoreWhole
from knownas.core.history.rehearsal import Cluster, Example, Found, Kind, together
from knownas.core.identity.document import Document
from knownas.service.history.folds import Differing, Stage, ToRehearse
from knownas.service.identity.policies import decode_policy, encode_policy, policy_document
from knownas.service.identity.receipts import rfc3339
from knownas.store.opening import MEMORY, open_store, open_whole
from knownas.store.port import Pool, Store, StoredPolicy

Watch = Callable[[Pool, FoldStep], None]


@dataclass(frozen=True, slots=True)
class PoolRehearsed:
    """What a policy would make of one pool, up to a seq of its log. `starts` are the components that would be others."""

    pool: Pool
    until_seq: int
    components: int
    found: Found
    starts: Sequence[Start]
    seconds: float


@dataclass(frozen=True, slots=True)
class RehearsingHow:
    """How a rehearsal works: `processes` and `niceness` as in `fold_log`; `tells_starts` lists the components that differ."""

    processes: int | None = None
    niceness: int = 0
    folder: Path | None = None
    tells_starts: bool = False
    judge: type[RehearseJudge] = RehearseJudge


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal comes to. `version` is the one that the policy has, or would have if it were published now."""

    rehearsal: ToRehearse
    version: int
    pools: Sequence[PoolRehearsed] = field(default_factory=tuple[PoolRehearsed, ...])


async def rehearse(
    database: str, rehearsal: ToRehearse, how: RehearsingHow, watch: Watch = lambda _pool, _step: None
) -> Rehearsed:
    """Rehearse a policy over a database.

    Raises:
        StoreError: it does not answer.
        OSError: there is no room for temporary files.
    """
    async with AsyncExitStack() as opened:
        store = open_store(database)
        opened.push_async_callback(store.close)
        whole = open_whole(database)
        opened.push_async_callback(whole.close)
        return await _rehearse(database, rehearsal, how, (store, whole), None, watch)


async def rehearse_store(
    store: Store, rehearsal: ToRehearse, how: RehearsingHow, watch: Watch = lambda _pool, _step: None
) -> Rehearsed:
    """Rehearse a policy over a store that no other process can reach. Takes the event loop for as long as folds take.

    Raises:
        StoreError: the store does not answer.
        OSError: there is no room for temporary files.
    """
    over = (store, StoreWhole(store, rehearsal.scope))
    return await _rehearse(MEMORY, rehearsal, how, over, over, watch)


async def _rehearse(
    database: str, rehearsal: ToRehearse, how: RehearsingHow, opened: Over, over: Over | None, watch: Watch
) -> Rehearsed:
    store, whole = opened
    versions = await store.policies(rehearsal.scope)
    policy = stored_policy(rehearsal, versions)
    judge = how.judge(policy, tells_starts=how.tells_starts)
    lines = LinesWanted(all=True, from_ms=rehearsal.from_ms, to_ms=rehearsal.to_ms)
    found: list[PoolRehearsed] = []
    for pool in sorted(pool for pool in await whole.pools() if pool.scope == rehearsal.scope):
        until = await whole.end_of_log()
        folded = await fold_log(
            Wanted(database, pool, until, versions, judge, (policy,), lines),
            processes=how.processes,
            niceness=how.niceness,
            folder=how.folder,
            watch=partial(watch, pool),
            over=over,
        )
        found.append(_pool(pool, until, folded))
    return Rehearsed(rehearsal, policy.version, found)


def _pool(pool: Pool, until: int, folded: FoldedLog[ShareRehearsed]) -> PoolRehearsed:
    return PoolRehearsed(
        pool,
        until,
        folded.components,
        together(one.found for one in folded.verdicts),
        [start for one in folded.verdicts for start in one.starts],
        folded.seconds,
    )


def stored_policy(rehearsal: ToRehearse, versions: Sequence[StoredPolicy]) -> StoredPolicy:
    """Return a policy as the version that it is, or would be if it were published now."""
    document = encode_policy(rehearsal.policy)
    if versions and decode_policy(versions[-1]).rules_equal(rehearsal.policy):
        return versions[-1]
    return StoredPolicy(rehearsal.scope, versions[-1].version + 1 if versions else 1, 0, document)


def differing(rehearsed: Rehearsed) -> Sequence[Differing]:
    """Return the components that a rehearsal found to be others, if it was asked for them."""
    return [Differing(one.pool, *start) for one in rehearsed.pools for start in one.starts]


def stage_of(pool: Pool, step: FoldStep) -> Stage:
    """Say how far a fold of a pool is."""
    return Stage(f"{pool.environment or 'shared'}: {step.doing}", step.lines, step.of)


def report_document(rehearsed: Rehearsed) -> Document:
    """Show what a rehearsal comes to; the same for the same log and policy, however long it took."""
    rehearsal = rehearsed.rehearsal
    return {
        "scope": rehearsal.scope,
        "policy": policy_document(rehearsal.policy),
        "policy_version": rehearsed.version,
        "from": None if rehearsal.from_ms is None else rfc3339(rehearsal.from_ms),
        "to": None if rehearsal.to_ms is None else rfc3339(rehearsal.to_ms),
        "pools": [_pool_document(one) for one in rehearsed.pools],
    }


def _pool_document(one: PoolRehearsed) -> Document:
    found = one.found
    return {
        "environment": one.pool.environment or None,
        "until_seq": one.until_seq,
        "observations": found.observations,
        "answered_otherwise": found.answered_otherwise,
        "unreadable": found.unreadable,
        "profiles": {
            "before": found.before,
            "after": found.after,
            "changed": found.changed,
            "joined": found.joined,
            "joined_into": found.joined_into,
            "parted": found.parted,
            "parted_into": found.parted_into,
            "appeared": found.appeared,
            "vanished": found.vanished,
        },
        "users": {"before": found.known_before, "after": found.known_after, "mpid_changed": found.moved},
        "user_data": {"profiles": found.with_user_data, "moving": found.user_data_moves},
        "largest": {
            "before": [_cluster_document(cluster) for cluster in found.largest_before],
            "after": [_cluster_document(cluster) for cluster in found.largest_after],
        },
        "examples": {
            _EXAMPLES_OF[kind]: [_example_document(example) for example in found.examples.get(kind, ())]
            for kind in Kind
        },
    }


_EXAMPLES_OF = {
    Kind.JOINED: "joined",
    Kind.PARTED: "parted",
    Kind.APPEARED: "appeared",
    Kind.VANISHED: "vanished",
    Kind.MOVED: "mpid_changed",
}


def _example_document(example: Example) -> Document:
    return {
        "before": [_cluster_document(one) for one in example.before],
        "after": [_cluster_document(one) for one in example.after],
    }


def _cluster_document(cluster: Cluster) -> Document:
    return {
        "mpid": str(cluster.mpid),
        "known": cluster.known,
        "size": cluster.size,
        "observations": cluster.observations,
        "identities": [[one.type.value, one.value] for one in cluster.identities],
    }
