"""Makes the sections, batches and alias requests that the promises about user data are tested with."""

from typing import Any, Final

from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.verdicts import is_not_so, is_so, same
from knownas.store.port import Store
from knownas.store.user_data import (
    AliasRow,
    BatchReceipt,
    EventsWrite,
    MessageKey,
    RequestKey,
    SectionKey,
    SectionWrite,
    StoredEvents,
    UserDataCommit,
    UserDataSnapshot,
)

ANN: Final = SectionKey(100, "production", 7)
BOB: Final = SectionKey(100, "production", 8)
REQUEST: Final = RequestKey("web", "request")
MESSAGE: Final = MessageKey("web", 7, "message")
DOCUMENT: Final = b'{"kept": true}'

LOOKALIKES: Final = (
    "id",
    "ID",
    "id ",
    " id",
    "i",
    "i_",
    "%",
    "",
    "0",
    "00",
    "1e1",
    "10",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "cafe",
    "\N{FULLWIDTH LATIN SMALL LETTER I}d",
    "id\N{ZERO WIDTH SPACE}",
    "\N{GRINNING FACE}",
    "\ue000",
    "x" * 512,
    "x" * 511,
)
"""Ids that a careless comparison, collation, conversion or cut takes for one another."""


def section(
    key: SectionKey = ANN, document: bytes = DOCUMENT, version: int | None = None, seen_ms: int = START_MS
) -> SectionWrite:
    """Make the write of a section, a new one unless its version is given."""
    return SectionWrite(key, version, document, seen_ms)


def happened(
    key: SectionKey = ANN, first_ms: int = START_MS, last_ms: int | None = None, document: bytes = DOCUMENT
) -> EventsWrite:
    """Make the events of a batch; they came a second after the first of them."""
    return EventsWrite(key, first_ms + 1_000, first_ms, first_ms if last_ms is None else last_ms, document)


def receipt(
    receipt_id: str, named: RequestKey | None = None, at_ms: int = START_MS, *, kept: bool = True
) -> BatchReceipt:
    """Make a batch's receipt; of one that was kept and that its sender has not named, unless told otherwise."""
    input_key, request_id = named or ("web", None)
    return BatchReceipt(receipt_id, input_key, request_id, at_ms, DOCUMENT, kept)


def alias(
    request_id: str = "alias", source: int = 7, destination: int = 8, requested_ms: int = START_MS, **more: Any
) -> AliasRow:
    """Make a queued alias request, due an hour after it was made."""
    row = AliasRow(
        request_id=request_id,
        workspace=ANN.workspace,
        environment=ANN.environment,
        source_mpid=source,
        destination_mpid=destination,
        start_ms=START_MS - 1_000,
        end_ms=START_MS,
        stamp=None,
        requested_ms=requested_ms,
        due_ms=requested_ms + 3_600_000,
    )
    return row._replace(**more)


def whole(number: int = 0, key: SectionKey = ANN) -> UserDataCommit:
    """Make a commit with something new of every kind; those of different numbers have nothing in common."""
    name = f"number {number}"
    return UserDataCommit(
        sections=[section(key._replace(mpid=key.mpid + 1_000 * number))],
        events=[happened(key._replace(mpid=key.mpid + 1_000 * number))],
        receipts=[receipt(name, RequestKey("web", name))],
        messages={MessageKey("web", key.mpid, name): START_MS},
        new_aliases=[alias(name, source=key.mpid + 1_000 * number)],
    )


async def keep(store: Store, commit: UserDataCommit, what: str = "the commit") -> None:
    """Commit what must be kept.

    Raises:
        AssertionError: it was refused.
    """
    is_so(await store.user_data.commit(commit), f"{what} is kept")


async def refuse(store: Store, commit: UserDataCommit, what: str) -> None:
    """Commit what must be refused.

    Raises:
        AssertionError: it was kept.
    """
    is_not_so(await store.user_data.commit(commit), f"{what} is kept")


async def load(store: Store, commit: UserDataCommit) -> UserDataSnapshot:
    """Load all that a commit would write."""
    named = [RequestKey(one.input_key, one.request_id) for one in commit.receipts if one.request_id is not None]
    return await store.user_data.load([one.key for one in commit.sections], named, list(commit.messages))


async def version_of(store: Store, key: SectionKey = ANN) -> int:
    """Return the version of a section that must be there.

    Raises:
        AssertionError: it is not.
    """
    stored = (await store.user_data.load([key])).sections.get(key)
    if stored is None:
        raise AssertionError(f"there should be a section {key}")
    return stored.version


async def history(store: Store, key: SectionKey = ANN) -> list[StoredEvents]:
    """Return all kept events of a profile in a workspace."""
    first, last = -(2**63), 2**63 - 1
    return list(await store.user_data.events(key, from_ms=first, to_ms=last, after_seq=0, limit=PAGE))


async def shown(store: Store, commit: UserDataCommit) -> list[Any]:
    """Return all that a store shows of what a commit would write, but for versions and numbers of its own."""
    data = store.user_data
    snapshot = await load(store, commit)
    found: list[Any] = [
        {key: one.document for key, one in snapshot.sections.items()},
        set(snapshot.requests),
        set(snapshot.messages),
    ]
    for one in commit.sections:
        there = await data.sections_of(one.key.mpid)
        found.append({key: stored.document for key, stored in there.items()})
    found += [[kept[1:] for kept in await history(store, one.key)] for one in commit.events]
    found += [await data.receipt(one.receipt_id) for one in commit.receipts]
    found += [list(await data.receipts_named(one.request_id, PAGE)) for one in commit.receipts if one.request_id]
    for row in (*commit.new_aliases, *commit.settled_aliases):
        about = await data.aliases_about(row.workspace, row.environment, [row.source_mpid])
        found += [await data.alias(row.request_id), list(about)]
    return found


async def shows(store: Store, commit: UserDataCommit, what: str) -> None:
    """Check that a store shows all of a commit of new things, of which nothing else is told in the same places.

    Raises:
        AssertionError: it shows something else.
    """
    wanted: list[Any] = [
        {one.key: one.document for one in commit.sections},
        {RequestKey(one.input_key, one.request_id) for one in commit.receipts if one.request_id is not None},
        set(commit.messages),
    ]
    wanted += [{one.key: one.document} for one in commit.sections]
    wanted += [[one[1:]] for one in commit.events]
    wanted += commit.receipts
    wanted += [[one] for one in commit.receipts if one.request_id]
    for row in commit.new_aliases:
        wanted += [row, [row]]
    same(await shown(store, commit), wanted, what)
