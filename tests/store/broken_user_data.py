"""Memory stores whose second half is broken in one way each, to show that the conformance suite notices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from knownas.store.memory.user_data import MemoryUserData
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    BatchReceipt,
    MessageKey,
    Rearrangement,
    RequestKey,
    SectionKey,
    StoredEvents,
    StoredSection,
    UserDataCommit,
    UserDataSnapshot,
)


class Unchecked(MemoryUserData):
    """Writes sections whatever their version."""

    def _sections_stand(self, commit: UserDataCommit) -> bool:
        return super()._sections_stand(replace(commit, sections=()))


class NewOverOld(MemoryUserData):
    """Checks versions, but makes a section anew that is there already."""

    def _sections_stand(self, commit: UserDataCommit) -> bool:
        return all(write.version in (None, self._version(write.key)) for write in commit.sections)


class NothingOverOld(MemoryUserData):
    """Makes a section that is not there, whatever version is named."""

    def _sections_stand(self, commit: UserDataCommit) -> bool:
        return all(self._version(write.key) in (None, write.version) for write in commit.sections)


class CountingUp(MemoryUserData):
    """Counts versions by section, from one on, again after the section was removed."""

    def _apply(self, commit: UserDataCommit) -> None:
        before = {write.key: self._version(write.key) or 0 for write in commit.sections}
        super()._apply(commit)
        for key, version in before.items():
            self._sections[key] = self._sections[key]._replace(version=version + 1)


class ByContent(MemoryUserData):
    """Takes a section for unchanged when its document is."""

    def _apply(self, commit: UserDataCommit) -> None:
        before = dict(self._sections)
        super()._apply(commit)
        for write in commit.sections:
            was = before.get(write.key)
            if was is not None and was.document == write.document:
                self._sections[write.key] = was


class OneVersionForAll(MemoryUserData):
    """Refuses a change of a section when any other was written since."""

    def _apply(self, commit: UserDataCommit) -> None:
        super()._apply(commit)
        if commit.sections:
            version = next(self._versions)
            self._sections = {key: StoredSection(one.document, version) for key, one in self._sections.items()}


class ReceiptsUnchecked(MemoryUserData):
    """Replaces a receipt by another with the same id."""

    def _receipts_are_new(self, receipts: Sequence[BatchReceipt]) -> bool:
        return super()._receipts_are_new([one for one in receipts if one.receipt_id not in self._receipts])


class RequestsUnchecked(MemoryUserData):
    """Keeps any number of batches under one request id."""

    def _receipts_are_new(self, receipts: Sequence[BatchReceipt]) -> bool:
        return super()._receipts_are_new([one._replace(request_id=None) for one in receipts])


class RefusedTakes(MemoryUserData):
    """Lets a batch take its id that was not kept."""

    def _is_taken(self, key: RequestKey) -> bool:
        return key in self._requests


class RefusedStay(MemoryUserData):
    """Shows every batch that had an id, not the one that has it."""

    def _apply(self, commit: UserDataCommit) -> None:
        before = dict(self._receipts)
        super()._apply(commit)
        self._receipts.update(before)


class BlindToItself(MemoryUserData):
    """Does not notice that a commit keeps one request id twice."""

    def _receipts_are_new(self, receipts: Sequence[BatchReceipt]) -> bool:
        return all(super(BlindToItself, self)._receipts_are_new([one]) for one in receipts)


class NamelessCollide(MemoryUserData):
    """Takes the absence of a request id for one."""

    def _receipts_are_new(self, receipts: Sequence[BatchReceipt]) -> bool:
        return super()._receipts_are_new([one._replace(request_id=one.request_id or "") for one in receipts])

    def _apply(self, commit: UserDataCommit) -> None:
        super()._apply(commit)
        for one in commit.receipts:
            self._requests[RequestKey(one.input_key, one.request_id or "")] = one.receipt_id


class MessagesUnchecked(MemoryUserData):
    """Keeps a message id twice."""

    def _messages_are_new(self, messages: Mapping[MessageKey, int]) -> bool:
        return super()._messages_are_new(dict.fromkeys(messages.keys() - self._messages.keys(), 0))


class MessagesOfEverybody(MemoryUserData):
    """Takes a message id for seen whoever's it is."""

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        snapshot = await super().load(sections, requests, messages)
        seen = {(key.input_key, key.message_id) for key in self._messages}
        return replace(snapshot, messages={key for key in messages if (key.input_key, key.message_id) in seen})


class RequestsOfEverybody(MemoryUserData):
    """Takes a request id for seen whichever input's it is."""

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        snapshot = await super().load(sections, requests, messages)
        seen = {key.request_id for key in self._requests}
        return replace(snapshot, requests={key for key in requests if key.request_id in seen})


class Folding(MemoryUserData):
    """Looks receipts up without regard to case."""

    async def receipt(self, receipt_id: str) -> BatchReceipt | None:
        folded = {key.casefold(): one for key, one in self._receipts.items()}
        return await super().receipt(receipt_id) or folded.get(receipt_id.casefold())


class Trimming(MemoryUserData):
    """Cuts the spaces off environments."""

    async def events(self, key: SectionKey, **range_and_page: Any) -> Sequence[StoredEvents]:
        kept = [
            one
            for other in list(self._events)
            if other.environment.strip() == key.environment.strip()
            and other._replace(environment=key.environment) == key
            for one in await super().events(other, **range_and_page)
        ]
        return sorted(kept)


class HalfDone(MemoryUserData):
    """Keeps the events of a commit that it refuses."""

    async def commit(self, commit: UserDataCommit) -> bool:
        kept = await super().commit(commit)
        if not kept:
            self._apply(UserDataCommit(events=commit.events))
        return kept


class OneWorkspace(MemoryUserData):
    """Shows a profile's section to every workspace."""

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        snapshot = await super().load(sections, requests, messages)
        anybodys = {key.mpid: stored for key, stored in self._sections.items()}
        return replace(snapshot, sections={key: anybodys[key.mpid] for key in sections if key.mpid in anybodys})


class Rewriting(MemoryUserData):
    """Tidies documents up."""

    def _apply(self, commit: UserDataCommit) -> None:
        super()._apply(replace(commit, events=[one._replace(document=one.document.strip()) for one in commit.events]))


class ByTime(MemoryUserData):
    """Shows events by the time they happened."""

    async def events(self, key: SectionKey, **range_and_page: Any) -> Sequence[StoredEvents]:
        return sorted(await super().events(key, **range_and_page), key=lambda one: one.first_ms)


class FirstOnly(MemoryUserData):
    """Finds a batch by its first event alone."""

    async def events(self, key: SectionKey, *, from_ms: int, to_ms: int, **page: int) -> Sequence[StoredEvents]:
        found = await super().events(key, from_ms=from_ms, to_ms=to_ms, **page)
        return [one for one in found if from_ms <= one.first_ms]


class OpenEnded(MemoryUserData):
    """Leaves the end of a range out."""

    async def events(self, key: SectionKey, *, to_ms: int, **more: int) -> Sequence[StoredEvents]:
        return await super().events(key, to_ms=to_ms - 1, **more)


class Overlapping(MemoryUserData):
    """Shows the last batch of a page on the next one again."""

    async def events(self, key: SectionKey, *, after_seq: int, **more: int) -> Sequence[StoredEvents]:
        return await super().events(key, after_seq=max(0, after_seq - 1), **more)


class CutThenFiltered(MemoryUserData):
    """Cuts a page before it leaves out what is not in the range."""

    async def events(
        self, key: SectionKey, *, from_ms: int, to_ms: int, after_seq: int, limit: int
    ) -> Sequence[StoredEvents]:
        page = await super().events(key, from_ms=-(2**63), to_ms=2**63, after_seq=after_seq, limit=limit)
        return [one for one in page if one.last_ms >= from_ms and one.first_ms <= to_ms]


class OldestFirst(MemoryUserData):
    """Shows the oldest batches with a name first."""

    async def receipts_named(self, request_id: str, limit: int) -> Sequence[BatchReceipt]:
        return sorted(await super().receipts_named(request_id, limit), key=lambda one: one.at_ms)


class SettledTwice(MemoryUserData):
    """Settles what is settled."""

    def _is_queued(self, request_id: str) -> bool:
        return request_id in self._aliases


class SettledAgain(MemoryUserData):
    """Makes an alias request anew that is settled."""

    def _aliases_stand(self, commit: UserDataCommit) -> bool:
        settled = {key for key, row in self._aliases.items() if row.state is not AliasState.QUEUED}
        return super()._aliases_stand(
            replace(commit, new_aliases=[row for row in commit.new_aliases if row.request_id not in settled])
        )


class Reasonless(MemoryUserData):
    """Forgets why an alias request was rejected."""

    def _apply(self, commit: UserDataCommit) -> None:
        super()._apply(replace(commit, settled_aliases=[row._replace(reason=None) for row in commit.settled_aliases]))


class AlwaysDue(MemoryUserData):
    """Takes settled alias requests for due."""

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        due = [row for row in self._aliases.values() if row.due_ms <= now_ms]
        return sorted(due, key=lambda row: row.due_ms)[:limit]


class LatestFirst(MemoryUserData):
    """Shows those that are due latest before the others."""

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        return (await super().aliases_due(now_ms, 1_000_000))[::-1][:limit]


class SourceOnly(MemoryUserData):
    """Finds alias requests by their source alone."""

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        return [row for row in await super().aliases_about(workspace, environment, mpids) if row.source_mpid in mpids]


class Twice(MemoryUserData):
    """Shows an alias request for each of the profiles that it names."""

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        found = [
            row for mpid in mpids for row in await super(Twice, self).aliases_about(workspace, environment, [mpid])
        ]
        return sorted(found, key=lambda row: row.requested_ms)


class Inclusive(MemoryUserData):
    """Forgets what is of the very time."""

    def _old_messages(self, before_ms: int) -> list[MessageKey]:
        return super()._old_messages(before_ms + 1)


class ByArrival(MemoryUserData):
    """Forgets events by when they began."""

    def _old_events(self, before_ms: int) -> list[tuple[SectionKey, StoredEvents]]:
        return [(key, one) for key, kept in self._events.items() for one in kept if one.first_ms < before_ms - 1]


class NeverSeenAgain(MemoryUserData):
    """Remembers only when a section was made, not when it was last seen."""

    def _apply(self, commit: UserDataCommit) -> None:
        before = dict(self._last_seen)
        super()._apply(commit)
        self._last_seen.update({key: seen_ms for key, seen_ms in before.items() if key in self._last_seen})


class Insatiable(MemoryUserData):
    """Forgets more than it was asked to."""

    async def forget_older(self, *, limit: int, **times: int) -> int:
        return await super().forget_older(limit=limit + 1, **times)


class Thorough(MemoryUserData):
    """Forgets alias requests together with the sections."""

    async def forget_older(self, *, sections_ms: int, **more: int) -> int:
        self._aliases = {key: row for key, row in self._aliases.items() if row.due_ms >= sections_ms}
        return await super().forget_older(sections_ms=sections_ms, **more)


class Uncounted(MemoryUserData):
    """Leaves message ids out of the count."""

    async def count_older(self, *, requests_ms: int, **more: int) -> tuple[int, int, int]:
        events, requests, sections = await super().count_older(requests_ms=requests_ms, **more)
        return events, requests - len(self._old_messages(requests_ms)), sections


class Reusing(MemoryUserData):
    """Gives the numbers of forgotten events out again."""

    def _apply(self, commit: UserDataCommit) -> None:
        super()._apply(replace(commit, events=()))
        for key, *rest in commit.events:
            last = max((one.seq for kept in self._events.values() for one in kept), default=0)
            self._events.setdefault(key, []).append(StoredEvents._make((last + 1, *rest)))


class Undead(MemoryUserData):
    """Answers after it was closed."""

    def _check_open(self) -> None:
        return


class RearrangedUnchecked(MemoryUserData):
    """Corrects sections whatever their version."""

    def stands(self, change: Rearrangement) -> bool:
        return super().stands(replace(change, sections=()))


class RemovedUnchecked(MemoryUserData):
    """Removes sections whatever their version."""

    def stands(self, change: Rearrangement) -> bool:
        return super().stands(replace(change, removed=()))


class AliasesUnchecked(MemoryUserData):
    """Turns alias requests whatever has become of them."""

    def stands(self, change: Rearrangement) -> bool:
        there = [one for one in change.aliases if one.request_id in self._aliases]
        return super().stands(replace(change, aliases=())) and len(there) == len(change.aliases)


class Renumbering(MemoryUserData):
    """Gives moved events new numbers, and so another place in the order in which they were kept."""

    def rearrange(self, change: Rearrangement) -> None:
        super().rearrange(change)
        for move in change.moved:
            there = self._events[move.key._replace(mpid=move.mpid)]
            place = next(number for number, one in enumerate(there) if one.seq == move.seq)
            there.append(there.pop(place)._replace(seq=next(self._seqs)))


class HalfRearranged(MemoryUserData):
    """Writes the sections of a correction, and leaves the events where they were."""

    def rearrange(self, change: Rearrangement) -> None:
        super().rearrange(replace(change, moved=()))


class ProductionOnly(MemoryUserData):
    """Finds the events about a profile in production only."""

    async def events_about(
        self, mpids: Sequence[int], after_seq: int, limit: int
    ) -> Sequence[tuple[SectionKey, StoredEvents]]:
        found = await super().events_about(mpids, after_seq, limit)
        return [one for one in found if one[0].environment == "production"]


class LookingForwards(MemoryUserData):
    """Looks back at events from the first of them on."""

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        return (await super().events_back(key, before_seq, 1_000))[::-1][:limit]


class BeforeIncluded(MemoryUserData):
    """Shows the last batch of a page on the next one again."""

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        return await super().events_back(key, None if before_seq is None else before_seq + 1, limit)


BROKEN = [
    LookingForwards,
    BeforeIncluded,
    RearrangedUnchecked,
    RemovedUnchecked,
    AliasesUnchecked,
    Renumbering,
    HalfRearranged,
    ProductionOnly,
    Unchecked,
    NewOverOld,
    NothingOverOld,
    CountingUp,
    ByContent,
    OneVersionForAll,
    ReceiptsUnchecked,
    RequestsUnchecked,
    RefusedTakes,
    RefusedStay,
    BlindToItself,
    NamelessCollide,
    MessagesUnchecked,
    MessagesOfEverybody,
    RequestsOfEverybody,
    Folding,
    Trimming,
    HalfDone,
    OneWorkspace,
    Rewriting,
    ByTime,
    FirstOnly,
    OpenEnded,
    Overlapping,
    CutThenFiltered,
    OldestFirst,
    SettledTwice,
    SettledAgain,
    Reasonless,
    AlwaysDue,
    LatestFirst,
    SourceOnly,
    Twice,
    Inclusive,
    ByArrival,
    NeverSeenAgain,
    Insatiable,
    Thorough,
    Uncounted,
    Reusing,
    Undead,
]
