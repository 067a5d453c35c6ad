"""Reads a store that is open, line by line, as a database is read as a whole: for one that no other process can reach."""

from collections.abc import Sequence
from typing import Final

import msgspec

from knownas.core.identity.record import Record
from knownas.service.identity.log_form import mpids_bytes
from knownas.store.copying import Key
from knownas.store.port import Pool, Store
from knownas.store.whole import Checked, Line, State

_ENCODE: Final = msgspec.json.Encoder().encode
_ENVIRONMENTS = ("", "production", "development")
_EVERYTHING_READ = 10_000
"""Lines that are read at once to find the end of a log."""


def _state(record: Record) -> State:
    identities, carried = _ENCODE(record.identities), _ENCODE(record.carried)
    return record.mpid, record.known, record.created_ms, record.source_mpid, identities, carried


class StoreWhole:
    """A store that is read as a whole, of one scope. Implements `store.whole.WholeReader` as far as a fold needs it."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store = store
        self._scope = scope

    async def pools(self) -> Sequence[Pool]:
        """Return the pools of the scope that have a log."""
        every = [Pool(self._scope, environment) for environment in _ENVIRONMENTS]
        return [pool for pool in every if await self._store.log(pool, 0, 1)]

    async def end_of_log(self) -> int:
        """Return the seq of the last line of the scope."""
        last = 0
        for pool in await self.pools():
            after = 0
            while page := await self._store.log(pool, after, _EVERYTHING_READ):
                after = page[-1].seq
            last = max(last, after)
        return last

    async def lines(self, pool: Pool, after_seq: int, until_seq: int, limit: int) -> Sequence[Line]:
        """Return a pool's lines in order."""
        return [
            (
                one.seq,
                one.at_ms,
                one.policy_version,
                one.created_mpid,
                mpids_bytes(one.touched),
                one.observation,
                bytes.fromhex(one.decision_id),
                None if one.touched else one.decision,
            )
            for one in await self._store.log(pool, after_seq, limit)
            if one.seq <= until_seq
        ]

    async def with_user_data(self, mpids: Sequence[int]) -> Sequence[int]:
        """Return the profiles that have sections."""
        return [mpid for mpid in mpids if await self._store.user_data.sections_of(mpid)]

    async def states_of(self, pool: Pool, mpids: Sequence[int]) -> Sequence[State]:
        """Return the states of those of some profiles that the pool has."""
        found = [await self._store.profile(mpid) for mpid in mpids]
        return [_state(one.record) for one in found if one is not None and one.pool == pool]

    async def profiles_until(self, pool: Pool, until_seq: int) -> int:
        """Count the profiles of a pool that lines up to a seq made, or that no line made."""
        count, after = 0, None
        while page := await self._store.records(pool, after, _EVERYTHING_READ):
            after = page[-1].mpid
            for record in page:
                first = await self._store.history(record.mpid, 0, 1)
                count += not first or first[0].seq <= until_seq
        return count

    async def check_profiles(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Not compared here: a store in memory has no rows."""
        raise NotImplementedError

    async def check_values(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Not compared here: a store in memory has no rows."""
        raise NotImplementedError

    async def check_log(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Not compared here: a store in memory has no rows."""
        raise NotImplementedError

    async def close(self) -> None:
        """Leave the store open: it is another one's."""
