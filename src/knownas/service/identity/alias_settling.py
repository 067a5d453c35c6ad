"""Decides what settles an alias request that is due, as one commit: rejected, or carried out whole (idsync §4.7)."""

from typing import Final, assert_never

from knownas.core.profile.alias import (
    AliasClaim,
    AliasDone,
    AliasRejected,
    AliasRejection,
    AliasWaits,
    Window,
    destination_after,
    is_of_device,
    settle,
    source_after,
)
from knownas.core.profile.section import Section
from knownas.service.history.successors import somebody_named
from knownas.service.profile.kept_batches import AliasMark, KeptBatch, kept_document, kept_from
from knownas.service.profile.sections import read, written
from knownas.store.port import Store, StoredProfile
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    EventsWrite,
    SectionKey,
    SectionWrite,
    StoredEvents,
    UserDataCommit,
    UserDataSnapshot,
    UserDataStore,
)

EVENT_BATCHES_A_PAGE: Final = 200
EVENT_BATCHES_MAX: Final = 20_000
EVENT_BYTES_MAX: Final = 32 * 1024 * 1024
"""Kept batches of events read at once, and looked through and copied by one alias; beyond that it is rejected."""


def claim_of(row: AliasRow) -> AliasClaim:
    """Return what others see of a kept request."""
    window = Window(row.start_ms, row.end_ms)
    return AliasClaim(row.request_id, row.requested_ms, row.source_mpid, row.destination_mpid, window)


async def settlement(store: Store, row: AliasRow, now_ms: int) -> UserDataCommit | None:
    """Return what settles a request; None if it has to wait."""
    mpids = (row.source_mpid, row.destination_mpid)
    others = await store.user_data.aliases_about(row.workspace, row.environment, mpids)
    done = [claim_of(one) for one in others if one.state is AliasState.DONE]
    queued = [claim_of(one) for one in others if one.state is AliasState.QUEUED]
    verdict = settle(claim_of(row), done, queued)
    match verdict:
        case AliasWaits():
            return None
        case AliasRejected(reason):
            return _rejected(row, reason, now_ms)
        case AliasDone():
            return await _carried_out(store, row, now_ms)
        case _:
            assert_never(verdict)


async def _carried_out(store: Store, asked: AliasRow, now_ms: int) -> UserDataCommit:
    # A correction may have made one of them go since the request was taken.
    source = await somebody_named(store, asked.source_mpid)
    destination = await somebody_named(store, asked.destination_mpid)
    if source is None or destination is None or source.record.mpid == destination.record.mpid:
        return _rejected(asked, AliasRejection.PROFILE_GONE, now_ms)
    row = asked._replace(source_mpid=source.record.mpid, destination_mpid=destination.record.mpid)
    keys = _keys(row)
    # The sections come first: an event that arrives after this changes the source's, and the commit is refused.
    snapshot = await store.user_data.load(keys)
    copies = await _copies(store.user_data, row)
    if copies is None:
        return _rejected(asked, AliasRejection.TOO_MANY_EVENTS, now_ms)
    claim = claim_of(row)
    before = _section(snapshot, keys[0], source)
    taken_over = destination_after(_section(snapshot, keys[1], destination), before, claim)
    # What was copied ages from the time of the alias (platform §13).
    copies += _marks(row, source, destination, now_ms)
    writes = [
        _write(snapshot, keys[0], source_after(before, claim), before.last_seen_ms),
        _write(snapshot, keys[1], taken_over, max(taken_over.last_seen_ms, now_ms)),
    ]
    settled = asked._replace(state=AliasState.DONE, settled_ms=now_ms)
    return UserDataCommit(sections=writes, events=copies, settled_aliases=[settled])


async def _copies(data: UserDataStore, row: AliasRow) -> list[EventsWrite] | None:
    """Return the copies of the source's events that a request is about; None if they are too many."""
    source, destination = _keys(row)
    copies: list[EventsWrite] = []
    after_seq = seen = size = 0
    while True:
        page = await data.events(
            source, from_ms=row.start_ms, to_ms=row.end_ms, after_seq=after_seq, limit=EVENT_BATCHES_A_PAGE
        )
        for kept in page:
            copy = _copy(kept, row, destination)
            if copy is not None:
                copies.append(copy)
                size += len(copy.document)
        seen += len(page)
        if seen > EVENT_BATCHES_MAX or size > EVENT_BYTES_MAX:
            return None
        if len(page) < EVENT_BATCHES_A_PAGE:
            return copies
        after_seq = page[-1].seq


def _keys(row: AliasRow) -> tuple[SectionKey, SectionKey]:
    return (
        SectionKey(row.workspace, row.environment, row.source_mpid),
        SectionKey(row.workspace, row.environment, row.destination_mpid),
    )


def _section(snapshot: UserDataSnapshot, key: SectionKey, profile: StoredProfile) -> Section:
    """Return a section; of a profile that only identity resolution has seen yet, one that says when."""
    stored = snapshot.sections.get(key)
    return Section(profile.record.created_ms, profile.record.active_ms) if stored is None else read(stored)


def _write(snapshot: UserDataSnapshot, key: SectionKey, section: Section, last_seen_ms: int) -> SectionWrite:
    stored = snapshot.sections.get(key)
    return SectionWrite(key, None if stored is None else stored.version, written(section), last_seen_ms)


def _copy(kept: StoredEvents, row: AliasRow, destination: SectionKey) -> EventsWrite | None:
    """Copy those of a batch's events that a request is about, if any are."""
    held = kept_from(kept.document)
    copied = None if held.is_aside else copy_of(held, kept.seq, claim_of(row), row.stamp)
    if copied is None:
        return None
    times = [one.at_ms for one in copied.events]
    return EventsWrite(destination, kept.at_ms, min(times), max(times), kept_document(copied))


def copy_of(kept: KeptBatch, seq: int, claim: AliasClaim, stamp: str | None) -> KeptBatch | None:
    """Return the copy of a kept batch that an alias request makes; None if it is about none of its events."""
    events = [one for one in kept.events if claim.window.covers(one.at_ms)]
    if not events or not is_of_device(stamp, kept.stamp):
        return None
    return KeptBatch(
        kept.stamp,
        kept.platform,
        kept.input,
        events,
        alias_of=str(claim.source_mpid),
        alias=claim.request_id,
        of=seq,
    )


def _marks(row: AliasRow, source: StoredProfile, destination: StoredProfile, now_ms: int) -> list[EventsWrite]:
    """Note among the batches of both that the request was carried out here."""
    first, second = [(one.record.created_ms, one.record.active_ms) for one in (source, destination)]
    mark = KeptBatch(None, None, "", [], mark=AliasMark(row.request_id, row.source_mpid, first, second))
    sign = KeptBatch(None, None, "", [], alias=row.request_id)
    return [
        EventsWrite(key, now_ms, now_ms, now_ms, kept_document(one))
        for key, one in zip(_keys(row), (sign, mark), strict=True)
    ]


def _rejected(row: AliasRow, reason: AliasRejection, now_ms: int) -> UserDataCommit:
    settled = row._replace(state=AliasState.REJECTED, reason=reason.value, settled_ms=now_ms)
    return UserDataCommit(settled_aliases=[settled])
