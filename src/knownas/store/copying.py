"""Says how everything that a store keeps goes from one database into another, part by part and page by page.

A part is a kind of rows, whose members are the same in every adapter. Its rows come in an order of the adapter's
own, and a page says after which key the next one begins, so a copy can stop anywhere and go on.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, cast

Member = int | str | bytes | None
Row = tuple[Member, ...]
Key = tuple[int | str, ...]


class Part(StrEnum):
    """The kinds of rows, in the order in which they are copied: whatever another one refers to comes first."""

    POOLS = "pools"
    POLICIES = "policies"
    DOCUMENTS = "documents"
    PROFILES = "profiles"
    VALUES = "values"
    HOLDINGS = "holdings"
    LOG = "log"
    TOUCHED = "touched"
    SECTIONS = "sections"
    EVENTS = "events"
    RECEIPTS = "receipts"
    MESSAGES = "messages"
    ALIASES = "aliases"
    SUBJECT_REQUESTS = "subject_requests"
    EVIDENCE = "evidence"
    TOMBSTONES = "tombstones"
    SUPPRESSIONS = "suppressions"
    DELIVERIES = "deliveries"
    AUDIT = "audit"
    WATCHES = "watches"
    AUDIENCE_DOCUMENTS = "audience_documents"
    MARKS = "marks"
    STANDINGS = "standings"
    MEMBERS = "members"
    MEMBERSHIP_CHANGES = "membership_changes"
    HELD = "held"
    PASSED = "passed"
    GROUP_PLACES = "group_places"
    OUTPUT_DELIVERIES = "output_deliveries"


MEMBERS: Final = {
    Part.POOLS: "pool scope environment",
    Part.POLICIES: "scope version since_ms document",
    Part.DOCUMENTS: "name document",
    Part.PROFILES: "mpid pool known created_ms active_ms source_mpid version first_seq identities carried",
    Part.VALUES: "pool type value version holders holder exclusive",
    Part.HOLDINGS: "pool type value mpid known active_ms",
    Part.LOG: "seq decision_id pool at_ms policy_version created_mpid touched observation decision",
    Part.TOUCHED: "mpid seq",
    Part.SECTIONS: "mpid workspace environment version last_seen_ms document",
    Part.EVENTS: "seq mpid workspace environment at_ms first_ms last_ms document",
    Part.RECEIPTS: "made receipt_id input_key request_id at_ms kept document",
    Part.MESSAGES: "mpid input_key message_id at_ms",
    Part.ALIASES: "made request_id workspace environment source_mpid destination_mpid start_ms end_ms stamp"
    " requested_ms due_ms state reason settled_ms",
    Part.SUBJECT_REQUESTS: "request_id workspace group received_ms due_ms ended_ms open_key document",
    Part.EVIDENCE: "number request_id document",
    Part.TOMBSTONES: "mpid request_id at_ms",
    Part.SUPPRESSIONS: "digest request_id at_ms",
    Part.DELIVERIES: "delivery_id request_id due_ms document",
    Part.AUDIT: "seq mpid at_ms document",
    Part.WATCHES: "workspace version",
    Part.AUDIENCE_DOCUMENTS: "kind number workspace version document",
    Part.MARKS: "seq workspace environment mpid document",
    Part.STANDINGS: "mpid workspace environment version due_ms document",
    Part.MEMBERS: "audience workspace environment mpid since_ms",
    Part.MEMBERSHIP_CHANGES: "seq mpid workspace environment audience is_member at_ms document",
    Part.HELD: "connection mpid slot target encoding value device platform",
    Part.PASSED: "passed connection mpid reason about",
    Part.GROUP_PLACES: "mpid workspace environment kind version value document",
    Part.OUTPUT_DELIVERIES: "seq delivery_id output connection workspace environment mpid at_ms state settled_ms why written"
    " document",
}
"""The members of each part's rows. Flags are 0 or 1, what is JSON is bytes, types are the numbers that stores keep, and
`made` tells what came first. A digest is written in hexadecimal. A receipt has the `request_id` that stands for it now, if any does."""

SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1
"""Above and below no number that a database keeps."""

Order = Mapping[str, int | str]
"""The members by which an adapter orders a part, each with a value that comes after no other; together they are a key."""


class Page(NamedTuple):
    """Some rows of a part, and the key after which the next page begins; None after the last one."""

    rows: Sequence[Row]
    after: Key | None


def page_of(part: Part, order: Order, rows: Sequence[Row], after: Key | None, limit: int) -> Page:
    """Make a page of the rows from a key on: at most `limit` and one more, the one with the key included.

    Reading from a key on, that one included, lets the first page be asked for like any other.
    """
    names = MEMBERS[part].split()
    places = [names.index(name) for name in order]
    if rows and after is not None and _key(rows[0], places) == after:
        rows = rows[1:]
    is_last = len(rows) < limit
    rows = rows[:limit]
    return Page(rows, None if is_last else _key(rows[-1], places))


def _key(row: Row, places: Sequence[int]) -> Key:
    return tuple(cast("int | str", row[place]) for place in places)


class Counters(NamedTuple):
    """The numbers that were given out last. None of them, nor a smaller one, may be given out again.

    Those with a default are of tables that earlier releases, which have written such numbers down, did not have. `standing` is 0
    where sections and standings have their versions from the same clock.
    """

    log: int
    version: int
    section: int
    events: int
    standing: int = 0
    mark: int = 0
    membership_change: int = 0
    output_delivery: int = 0


class CopyEnd(Protocol):
    """A database that is copied from or into. Nobody else may be writing to it. Raises only `store.errors`."""

    async def page(self, part: Part, after: Key | None, limit: int) -> Page:
        """Return the rows of a part after a key, or from the beginning on, at most `limit`."""
        ...

    async def put(self, part: Part, rows: Sequence[Row]) -> None:
        """Keep rows durably, all or none; those that are there already stay as they are."""
        ...

    async def counters(self) -> Counters:
        """Return the numbers that were given out last."""
        ...

    async def advance(self, counters: Counters) -> None:
        """Give out no number any more that is not above these."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
