"""Notes in a database that a copy into it is under way, and how far it has come: nobody may serve half of the data.

The same holds for a restored backup on which the erasures that came after it have not been carried out again.
"""

from typing import Final, Literal

import msgspec

from knownas.store.copying import Counters, Key, Part
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store

COPY_MARK: Final = "copy"
"""The name of the document that says so."""


class CopyMark(msgspec.Struct, frozen=True):
    """How far a copy has come: the rows of a part up to a key, and all of the parts before it.

    `counters` are the source's when the copy began. One that is `copied` is whole, and erasures are to be carried out on it: of
    the `backup` with this SHA-256.
    """

    state: Literal["unfinished", "copied", "finished"]
    counters: Counters
    part: Part
    after: Key | None = None
    backup: str | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(CopyMark)


async def copy_mark(store: Store) -> CopyMark | None:
    """Return what a database says of a copy into it; None if there never was one."""
    document = await store.kept(COPY_MARK)
    return None if document is None else _DECODER.decode(document)


async def set_copy_mark(store: Store, before: CopyMark | None, after: CopyMark) -> None:
    """Note how far a copy has come.

    Raises:
        StoreDamaged: somebody else has noted something.
    """
    written = _ENCODER.encode(after)
    # Another release may have written the same with other bytes.
    kept = None if before is None else await store.kept(COPY_MARK)
    if kept is None:
        is_done = before is None and await store.keep(COPY_MARK, written)
    else:
        is_done = _DECODER.decode(kept) == before and await store.replace_kept(COPY_MARK, kept, written)
    if not is_done:
        raise StoreDamaged("another copy into this database is under way")


async def refuse_half_copied(store: Store, *, restores: bool = False) -> None:
    """Return if a database is whole; for whoever finishes a restore (`restores`), also if its copy is.

    Raises:
        StoreDamaged: a copy into it has not come to its end, or the restore that it is for.
    """
    mark = await copy_mark(store)
    if mark is not None and mark.state != "finished" and not (restores and mark.state == "copied"):
        verb = "copy" if mark.backup is None else "restore"
        raise StoreDamaged(f"a {verb} into this database is not finished; run the same `knownas {verb}` again")
