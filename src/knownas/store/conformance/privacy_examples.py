"""Makes the requests, entries and commits that the promises about data subjects are tested with."""

from typing import Any, Final

from knownas.store.conformance.examples import START_MS
from knownas.store.conformance.user_data_examples import ANN
from knownas.store.conformance.verdicts import is_not_so, is_so
from knownas.store.port import Store
from knownas.store.privacy import (
    Audited,
    Delivery,
    Holding,
    PrivacyCommit,
    RequestWrite,
    StoredEntry,
    StoredRequest,
    Suppression,
    Tombstone,
)

MENTION: Final = b'"mpid":"7"'
ANNS: Final = Holding(ANN.workspace, ANN.mpid, ("web", "crm"), MENTION)
"""What Ann's workspace has of her."""


def asked(request_id: str = "request", document: bytes = b"{}", **more: Any) -> StoredRequest:
    """Make a request that is under way, due a day after it came."""
    row = StoredRequest(
        request_id=request_id,
        workspace=100,
        group=None,
        received_ms=START_MS,
        due_ms=START_MS + 86_400_000,
        ended_ms=None,
        open_key=f"open {request_id}",
        document=document,
    )
    return row._replace(**more)


def new(*requests: StoredRequest) -> PrivacyCommit:
    """Make the commit of new requests."""
    return PrivacyCommit(requests=[RequestWrite(one, None) for one in requests])


def changed(before: StoredRequest, after: StoredRequest) -> PrivacyCommit:
    """Make the commit of a request that says something else now."""
    return PrivacyCommit(requests=[RequestWrite(after, before.document)])


def entry(number: int, request_id: str = "request", document: bytes = b"entry") -> StoredEntry:
    """Make an entry of the evidence."""
    return StoredEntry(number, request_id, document)


def everything(number: int = 0) -> PrivacyCommit:
    """Make a commit with something new of every kind, the second entry of the evidence included."""
    name = f"number {number}"
    return PrivacyCommit(
        requests=[RequestWrite(asked(name), None)],
        entries=[entry(1, name), entry(2, "")],
        tombstones=[Tombstone(1_000 + number, name, START_MS)],
        suppressed=[Suppression(bytes([number, 0, 255]), name, START_MS)],
        deliveries=[Delivery(name, name, START_MS, b"told")],
    )


def audited(mpid: int = ANN.mpid, at_ms: int = START_MS, document: bytes = b"read") -> Audited:
    """Make what is kept of a read."""
    return Audited(at_ms, mpid, document)


async def keep(store: Store, commit: PrivacyCommit, what: str = "the commit") -> None:
    """Commit what must be kept.

    Raises:
        AssertionError: it was refused.
    """
    is_so(await store.privacy.commit(commit), f"{what} is kept")


async def refuse(store: Store, commit: PrivacyCommit, what: str) -> None:
    """Commit what must be refused.

    Raises:
        AssertionError: it was kept.
    """
    is_not_so(await store.privacy.commit(commit), f"{what} is kept")
