"""Copies everything from one database into another, empty one, and proves that nothing is missing or different.

Pages of rows go over part by part. After each, the target notes how far the copy is, so that one which was stopped goes
on there; a page that went over without being noted goes over again and changes nothing. While it is unfinished, no
server opens the target. Nobody may write to the source meanwhile: its counters are compared at the end, and so
is every row. Then the target's log is folded, and must give the target's records.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from knownas.core.history.compare import differing
from knownas.core.history.fold import FoldDiverged, fold_line
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.service.copy_mark import COPY_MARK, CopyMark, copy_mark, refuse_half_copied, set_copy_mark
from knownas.service.identity.policies import policies_of
from knownas.service.identity.receipts import logged
from knownas.store.copying import CopyEnd, Key, Part, Row
from knownas.store.errors import StoreDamaged
from knownas.store.port import Pool, Store

COPY_PAGE_ROWS: Final = 5_000
"""Rows that go over at once."""

DIFFERING_NAMED_MAX: Final = 20
"""Profiles that are named where the fold differs."""

_DIGEST_BYTES: Final = 16
_DIGEST_MODULUS: Final = 1 << (8 * _DIGEST_BYTES)
_PARTS: Final = tuple(Part)
_ENCODER: Final = msgspec.msgpack.Encoder()


class NotCopied(Exception):
    """The copy can't begin, go on or be vouched for; the message says why and what to do."""


class End(NamedTuple):
    """A database of a copy: its tables, and the store over them."""

    tables: CopyEnd
    store: Store


class Step(NamedTuple):
    """What a copy is doing: copying or comparing a part, of which so many rows are through."""

    doing: str
    part: Part | None
    rows: int


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made and compared: the rows of each part. `profiles_folded` None: nobody asked for that."""

    rows: Mapping[Part, int]
    profiles_folded: int | None


Watch = Callable[[Step], None]


async def copy(
    source: End, target: End, *, folds: bool = True, watch: Watch = lambda _: None, backup: str | None = None
) -> Copied:
    """Copy everything, or what an earlier run has left to copy, and compare it.

    `folds` says whether the target's log is folded at the end, which takes memory for all its identity records. Of a `backup`, named
    by its SHA-256, the copy stays unfinished: whoever restores it finishes it (`finish_copy`).

    Raises:
        NotCopied: the target holds something else, the source changes meanwhile, or the two differ in the end.
        StoreError: one of them could not go on. Run again, the copy goes on from there.
    """
    await refuse_half_copied(source.store)
    mark = await _begun(source, target, backup)
    mark = await _go_over(source.tables, target, mark, watch)
    if await source.tables.counters() != mark.counters:
        raise _changed()
    await target.tables.advance(mark.counters)
    rows = await _compare(source.tables, target.tables, watch)
    folded = await _fold(target, watch) if folds else None
    state: Final = "finished" if backup is None else "copied"
    await set_copy_mark(target.store, mark, CopyMark(state, mark.counters, mark.part, backup=backup))
    return Copied(rows, folded)


async def finish_copy(target: Store) -> None:
    """Note that what was to be done after a copy is done: it may be served from now on.

    Raises:
        StoreDamaged: somebody else has noted something.
    """
    mark = await copy_mark(target)
    if mark is None or mark.state != "copied":
        raise StoreDamaged("there is no copy that could be finished")
    await set_copy_mark(target, mark, msgspec.structs.replace(mark, state="finished"))


def _changed() -> NotCopied:
    return NotCopied("the source has changed since the copy began: stop its servers, empty the target and copy again")


async def _begun(source: End, target: End, backup: str | None) -> CopyMark:
    """Return the mark of a copy that was stopped, or begin one."""
    counters = await source.tables.counters()
    mark = await copy_mark(target.store)
    if mark is not None and mark.state == "unfinished":
        if mark.backup != backup:
            raise NotCopied("something else is being copied into the target; copy into a new database")
        if mark.counters != counters:
            raise _changed()
        return mark
    for part in _PARTS:
        if (await target.tables.page(part, None, 1)).rows:
            raise NotCopied(f"the target is not empty: it has {part.value}; copy into a new database")
    mark = CopyMark("unfinished", counters, _PARTS[0], backup=backup)
    await set_copy_mark(target.store, None, mark)
    return mark


async def _go_over(source: CopyEnd, target: End, mark: CopyMark, watch: Watch) -> CopyMark:
    for part in _PARTS[_PARTS.index(mark.part) :]:
        after: Key | None = mark.after if part is mark.part else None
        count = 0
        while True:
            page = await source.page(part, after, COPY_PAGE_ROWS)
            await target.tables.put(part, _own(part, page.rows))
            count += len(page.rows)
            watch(Step("copying", part, count))
            after = page.after
            if after is None:
                break
            mark = await _noted(target, mark, part, after)
    return mark


async def _noted(target: End, before: CopyMark, part: Part, after: Key) -> CopyMark:
    mark = CopyMark("unfinished", before.counters, part, after, before.backup)
    await set_copy_mark(target.store, before, mark)
    return mark


def _own(part: Part, rows: Sequence[Row]) -> Sequence[Row]:
    """Leave out what a database says of copies into itself."""
    return [row for row in rows if row[0] != COPY_MARK] if part is Part.DOCUMENTS else rows


async def _compare(source: CopyEnd, target: CopyEnd, watch: Watch) -> Mapping[Part, int]:
    """Count and digest all rows of both; the order of rows, which is each adapter's own, does not count."""
    counts: dict[Part, int] = {}
    for part in _PARTS:
        there, here = [await _sum(end, part, watch) for end in (source, target)]
        if there[0] != here[0]:
            raise NotCopied(f"{part.value}: the source has {there[0]:,} rows, the target {here[0]:,}; {_AGAIN}")
        if there[1] != here[1]:
            raise NotCopied(f"{part.value}: some of {here[0]:,} rows differ between source and target; {_AGAIN}")
        counts[part] = here[0]
    return counts


_AGAIN: Final = "empty the target and copy again"


async def _sum(end: CopyEnd, part: Part, watch: Watch) -> tuple[int, int]:
    count = digest = 0
    async for rows in _pages(end, part):
        for row in rows:
            hashed = hashlib.blake2b(_ENCODER.encode(row), digest_size=_DIGEST_BYTES).digest()
            digest = (digest + int.from_bytes(hashed)) % _DIGEST_MODULUS
        count += len(rows)
        watch(Step("comparing", part, count))
    return count, digest


async def _pages(end: CopyEnd, part: Part) -> AsyncIterator[Sequence[Row]]:
    after: Key | None = None
    while True:
        page = await end.page(part, after, COPY_PAGE_ROWS)
        yield _own(part, page.rows)
        after = page.after
        if after is None:
            return


async def _fold(target: End, watch: Watch) -> int:
    """Fold the log of each pool and compare it with the pool's records."""
    count = 0
    after: Key | None = None
    while True:
        page = await target.tables.page(Part.POOLS, after, COPY_PAGE_ROWS)
        for _, scope, environment in page.rows:
            pool = Pool(str(scope), str(environment))
            folded = await _folded(target.store, pool, watch)
            kept = await _records(target.store, pool)
            wrong = list(differing(folded, kept))
            if wrong:
                named = ", ".join(map(str, wrong[:DIFFERING_NAMED_MAX]))
                raise NotCopied(
                    f"{len(wrong):,} profiles of {scope} ({environment or 'shared'}) are not what the log folds to, in "
                    f"the source as well: {named}. Copy with --no-fold to take them as they are"
                )
            count += len(kept)
        after = page.after
        if after is None:
            return count


async def _folded(store: Store, pool: Pool, watch: Watch) -> Records:
    policies, records = await policies_of(store, pool.scope), Records()
    seq = count = 0
    while entries := await store.log(pool, seq, COPY_PAGE_ROWS):
        for entry in entries:
            line = logged(entry)
            if line.changed:
                try:
                    fold_line(line, policies[line.policy_version], records)
                except FoldDiverged as error:
                    raise NotCopied(f"decision {entry.decision_id}: {error}") from error
        seq = entries[-1].seq
        count += len(entries)
        watch(Step("folding", None, count))
    return records


async def _records(store: Store, pool: Pool) -> list[Record]:
    kept: list[Record] = []
    while page := await store.records(pool, kept[-1].mpid if kept else None, COPY_PAGE_ROWS):
        kept += page
    return kept
