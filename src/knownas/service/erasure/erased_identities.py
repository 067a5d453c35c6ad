"""Says which identities are only one person's: those by which nobody else can be looked up."""

from knownas.core.identity.kinds import Identity
from knownas.core.identity.records import Records
from knownas.store.port import Pool, Snapshot


def records_of(snapshot: Snapshot, pool: Pool) -> Records:
    """Return what was loaded of a pool."""
    records, loaded = Records(), snapshot.pools.get(pool)
    if loaded is not None:
        records.load(loaded.records, loaded.crowded)
    return records


def is_others(records: Records, one: Identity, mpid: int) -> bool:
    """Whether another profile can be looked up by an identity."""
    holders = records.holders(one)
    return holders.more or any(other != mpid for other in holders.mpids)
