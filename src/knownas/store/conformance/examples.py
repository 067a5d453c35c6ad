"""Makes the pools, records and commits that the promises are tested with, and reads records back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import uuid4

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.store.conformance.verdicts import was_kept
from knownas.store.port import (
    Commit,
    CommitOutcome,
    Loaded,
    LogEntry,
    Pool,
    PoolWrites,
    Sieve,
    Snapshot,
    Store,
    Wanted,
)

SHOP: Final = Pool("shop", "production")
OTHER_SCOPE: Final = Pool("club", "production")
OTHER_ENVIRONMENT: Final = Pool("shop", "development")

CUSTOMER: Final = IdentityType.CUSTOMER_ID
EMAIL: Final = IdentityType.EMAIL
STAMP: Final = IdentityType.DEVICE_APPLICATION_STAMP

EXCLUSIVE: Final = frozenset({CUSTOMER})
"""The types of which a value has one holder, unless a promise says otherwise."""

START_MS: Final = 1_700_000_000_000
PAGE: Final = 10_000
"""More than any promise writes."""

EVERY_LINE: Final = Sieve((b"", b""), (b"", b""))
"""Looks for every line that changed something."""

Held = Mapping[IdentityType, Sequence[str]]


def record(mpid: int, held: Held, *, active_ms: int = START_MS, known: bool | None = None) -> Record:
    """Make a record as the core would: known if it holds a customer ID, unless told otherwise."""
    identities = {kind: tuple(values) for kind, values in held.items() if values}
    is_known = CUSTOMER in identities if known is None else known
    return Record(mpid, identities, {}, is_known, min(START_MS, active_ms), active_ms)


def plain(one: Record) -> Record:
    """Return a record without its version, which is the store's own affair."""
    return one._replace(version=0)


def entry(pool: Pool = SHOP, touched: Iterable[int] = (), decision_id: str | None = None) -> LogEntry:
    """Make a line of the log."""
    return LogEntry(
        decision_id=decision_id or uuid4().hex,
        pool=pool,
        at_ms=START_MS,
        policy_version=1,
        created_mpid=None,
        touched=tuple(touched),
        observation=b'{"asked":"who"}',
        decision=b'{"answered":"they"}',
    )


def commit_of(
    *writes: RecordWrite, pool: Pool = SHOP, exclusive: frozenset[IdentityType] = EXCLUSIVE, log: int = 1
) -> Commit:
    """Make a commit of one pool's changes with so many lines of log, the first about all of them."""
    touched = [write.after.mpid for write in writes]
    entries = [entry(pool, touched if number == 0 else ()) for number in range(log)]
    return Commit({pool: PoolWrites(writes, exclusive)} if writes else {}, entries)


def new(one: Record) -> RecordWrite:
    """Make the write of a new profile."""
    return RecordWrite(None, one._replace(version=-1))


def changed(snapshot: Snapshot, after: Record, pool: Pool = SHOP) -> RecordWrite:
    """Make the write that turns a loaded profile into another state of it."""
    before = found(snapshot, pool)[after.mpid]
    return RecordWrite(before, after._replace(version=before.version, created_ms=before.created_ms))


def wanted(*identities: Identity, mpids: Iterable[int] = (), pool: Pool = SHOP) -> Wanted:
    """Make one request's wishes."""
    return Wanted(pool, identities, tuple(mpids))


def loaded(snapshot: Snapshot, pool: Pool = SHOP) -> Loaded:
    """Return what a snapshot holds of a pool, which may be missing from it."""
    return snapshot.pools.get(pool) or Loaded((), ())


def found(snapshot: Snapshot, pool: Pool = SHOP) -> dict[int, Record]:
    """Return a snapshot's records of a pool by MPID.

    Raises:
        AssertionError: a record stands in it twice.
    """
    records = loaded(snapshot, pool).records
    by_mpid = {one.mpid: one for one in records}
    if len(by_mpid) != len(records):
        raise AssertionError(f"a snapshot names a profile twice: {sorted(one.mpid for one in records)}")
    return by_mpid


async def look_up(store: Store, *identities: Identity, pool: Pool = SHOP) -> list[int]:
    """Return the MPIDs, in order, of the considered holders of identities."""
    return sorted(found(await store.load([wanted(*identities, pool=pool)]), pool))


async def put(
    store: Store, *records: Record, pool: Pool = SHOP, exclusive: frozenset[IdentityType] = EXCLUSIVE
) -> None:
    """Keep states of profiles in one commit, new or changed.

    Raises:
        AssertionError: the store would not.
    """
    was_kept(await try_put(store, *records, pool=pool, exclusive=exclusive))


async def try_put(
    store: Store, *records: Record, pool: Pool = SHOP, exclusive: frozenset[IdentityType] = EXCLUSIVE
) -> CommitOutcome:
    """Load what states of profiles concern and commit them, whatever comes of it."""
    held = [one for after in records for one in after.lookups()]
    snapshot = await store.load([wanted(*held, mpids=[after.mpid for after in records], pool=pool)])
    there = found(snapshot, pool)
    writes = [changed(snapshot, after, pool) if after.mpid in there else new(after) for after in records]
    return await store.commit(snapshot, commit_of(*writes, pool=pool, exclusive=exclusive))


async def get(store: Store, mpid: int) -> Record:
    """Return a profile's record as the store holds it.

    Raises:
        AssertionError: there is none.
    """
    stored = await store.profile(mpid)
    if stored is None:
        raise AssertionError(f"there should be a profile {mpid}")
    return stored.record
