"""Puts what came out of the folding into a database, part by part, from wherever an earlier load was stopped.

Nothing of it is seen before all is there: the pools get their names last. How far the load is stands in a document of
the database, which is replaced in the same transaction that keeps rows. So each row is kept once, however often the load is
stopped, and the rows come in an order that is always the same.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from knownas.batch.backfill.duck import Duck, quoted
from knownas.batch.backfill.kinds import ENVIRONMENTS, Kind
from knownas.batch.backfill.limits import LOAD_ROWS
from knownas.batch.backfill.statements import filled
from knownas.batch.import_garbage import collected_afterwards
from knownas.core.identity.policy import EnvironmentPools, Policy
from knownas.service.identity.question import Rules
from knownas.store.bulk import BULK_PARTS, BulkEnd, Mark, Reserved
from knownas.store.copying import Part
from knownas.store.errors import StoreDamaged
from knownas.store.port import Pool, Store

_KEPT_AS: Final = "backfill/"
_KINDS: Final = {part: Kind(part.value) for part in BULK_PARTS}


class NotLoadable(Exception):
    """The history can't go into this database; the message says why and what to do."""


class LoadMark(msgspec.Struct, frozen=True):
    """How far a load is: so many rows of a part, and all of the parts before it."""

    state: Literal["loading", "finished"]
    reserved: Reserved
    part: Part
    rows: int


class Folded(Protocol):
    """What was folded."""

    def files(self, kind: Kind) -> Sequence[Path]:
        """Return the Parquet files with what came out of a kind."""
        ...


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(LoadMark)


def pools_of(rules: Rules, environments: Sequence[int]) -> Mapping[int, Pool]:
    """Return the pools of a history by the numbers that its rows have of them."""
    if rules.policy.settings.environment_pools is EnvironmentPools.SHARED:
        return {0: rules.pool(ENVIRONMENTS[0])} if environments else {}
    return {place: rules.pool(ENVIRONMENTS[place]) for place in environments}


async def refuse_taken(database: BulkEnd, pools: Sequence[Pool]) -> None:
    """Return if nobody was asked for in the pools.

    Raises:
        NotLoadable: somebody was.
    """
    taken = await database.taken(pools)
    if taken:
        named = ", ".join(f"{pool.scope} ({pool.environment or 'shared'})" for pool in taken)
        raise NotLoadable(
            f"the scope has been used: {named}. A history comes before everything else that its scope hears of: give the "
            "scope another name, or take a new database; `knownas import` adds to a scope that is in use"
        )


class Loading:
    """One load of a folded history, known by a name that no other has."""

    def __init__(self, name: str, store: Store, database: BulkEnd, folded: Folded) -> None:
        self._name = _KEPT_AS + name
        self._store = store
        self._database = database
        self._folded = folded

    async def is_finished(self) -> bool:
        """Whether an earlier run has brought it to its end."""
        mark = await self._mark()
        return mark is not None and mark.state == "finished"

    async def load(
        self, pools: Mapping[int, Pool], rows: int, policy: Policy, duck: Duck, watch: Callable[[Part, int], None]
    ) -> None:
        """Put everything into the database and name its pools. `rows` is the number of the history's last row.

        Raises:
            NotLoadable: the pools are taken by now.
            StoreError: the database could not go on. Run again, the load goes on from there.
        """
        mark = await self._mark()
        if mark is None:
            await refuse_taken(self._database, list(pools.values()))
            reserved = await self._database.reserve(len(pools), rows)
            mark = LoadMark("loading", reserved, BULK_PARTS[0], 0)
            if not await self._store.keep(self._name, _ENCODE(mark)):
                raise StoreDamaged("another process loads the same history into this database")
        if mark.state == "finished":
            return
        numbers = dict(zip(pools, mark.reserved.pools, strict=True))
        for part in BULK_PARTS[BULK_PARTS.index(mark.part) :]:
            if part is not mark.part:
                after = LoadMark("loading", mark.reserved, part, 0)
                await self._database.put(part, 0, (), self._moved(mark, after))
                mark = after
            with collected_afterwards():
                mark = await self._load_part(part, mark, numbers, policy, duck, watch)
        after = msgspec.structs.replace(mark, state="finished")
        named = [(numbers[place], pool) for place, pool in pools.items()]
        if not await self._database.publish(named, self._moved(mark, after)):
            await refuse_taken(self._database, list(pools.values()))

    async def _load_part(
        self,
        part: Part,
        mark: LoadMark,
        numbers: Mapping[int, int],
        policy: Policy,
        duck: Duck,
        watch: Callable[[Part, int], None],
    ) -> LoadMark:
        files = self._folded.files(_KINDS[part])
        if not files:
            return mark
        passed = 0
        for rows in duck.stream(_query(part, files, mark.reserved, numbers, policy), LOAD_ROWS):
            # What an earlier run has loaded comes first, in whole pieces.
            passed += len(rows)
            if passed <= mark.rows:
                continue
            after = msgspec.structs.replace(mark, rows=passed)
            await self._database.put(part, mark.rows, rows, self._moved(mark, after))
            mark = after
            watch(part, passed)
        return mark

    def _moved(self, before: LoadMark, after: LoadMark) -> Mark:
        return Mark(self._name, _ENCODE(before), _ENCODE(after))

    async def _mark(self) -> LoadMark | None:
        document = await self._store.kept(self._name)
        return None if document is None else _DECODER.decode(document)


def _query(part: Part, files: Sequence[Path], reserved: Reserved, numbers: Mapping[int, int], policy: Policy) -> str:
    pool = " ".join(f"WHEN {place} THEN {number}" for place, number in numbers.items())
    marks = {
        "files": file_list(files),
        "pool": f"CASE pool {pool} END",
        "log": str(reserved.log),
        "version": str(reserved.version),
        "section_version": str(reserved.section_version),
        "policy": str(policy.version),
    }
    return filled(f"load_{part}", marks)


def file_list(files: Sequence[Path]) -> str:
    """Return files as DuckDB takes several."""
    return "[" + ", ".join(f"'{quoted(one)}'" for one in files) + "]"
