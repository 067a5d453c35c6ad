"""Memory stores whose fourth part is broken in one way each, to show that the conformance suite notices."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from knownas.store.audiences import (
    AudienceCommit,
    ChangeCount,
    DocumentKind,
    Held,
    Member,
    MembershipChange,
    Passed,
    StandingWrite,
    StoredChange,
    StoredDocument,
    StoredMark,
    StoredStanding,
    StoredSubject,
)
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.user_data import SectionKey, StoredEvents


class NumbersAgain(MemoryAudiences):
    """Keeps a new document in the place of another."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        was = self._documents.get((document.kind.value, document.number))
        return await super().write_document(document, was.version if was is not None and before is None else before)


class LastWriterWins(MemoryAudiences):
    """Keeps a change of a document whatever it was made of."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        was = self._documents.get((document.kind.value, document.number))
        return await super().write_document(document, before if was is None or before is None else was.version)


class OneKind(MemoryAudiences):
    """Counts all kinds of documents together."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        taken = any(one.number == document.number for one in self._documents.values())
        return not (before is None and taken) and await super().write_document(document, before)


class Unwatched(MemoryAudiences):
    """Does not count a document, so that nobody marks anything for it."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        watches = dict(self._marks.watches)
        is_kept = await super().write_document(document, before)
        self._marks.watches = watches
        return is_kept


class WatchedOnce(MemoryAudiences):
    """Counts the first document of a workspace only."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        watches = dict(self._marks.watches)
        is_kept = await super().write_document(document, before)
        self._marks.watches = {**self._marks.watches, **watches}
        return is_kept


class Waiting(MemoryAudiences):
    """Looks whether a document is as it was, and writes it when others had their turn."""

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        was = self._documents.get((document.kind.value, document.number))
        await asyncio.sleep(0)
        if (None if was is None else was.version) != before:
            return False
        now = self._documents.get((document.kind.value, document.number))
        return await super().write_document(document, None if now is None else now.version)


class EveryMark(MemoryAudiences):
    """Gives marks from the first one on."""

    async def marks(self, after_seq: int, limit: int) -> Sequence[StoredMark]:
        del after_seq
        return await super().marks(0, limit)


class LateDue(MemoryAudiences):
    """Judges nobody at the moment they are due."""

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        return await super().due(now_ms - 1, limit)


class AnyDue(MemoryAudiences):
    """Gives those who are due in the order of their MPIDs."""

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        return sorted(await super().due(now_ms, limit), key=lambda key: key.mpid)


class OwnSectionAlone(MemoryAudiences):
    """Does not tell what other workspaces know of somebody."""

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        found = await super().subjects(keys)
        return {
            key: one._replace(sections={of: section for of, section in one.sections.items() if of == key})
            for key, one in found.items()
        }


class NobodyMissing(MemoryAudiences):
    """Says nothing of whom there is nothing."""

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        return {key: one for key, one in (await super().subjects(keys)).items() if one.record is not None}


class Recordless(MemoryAudiences):
    """Tells of nobody who they are."""

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        return {key: one._replace(record=None) for key, one in (await super().subjects(keys)).items()}


class OldestEvents(MemoryAudiences):
    """Gives the oldest events where there are more than asked for."""

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        oldest = {key: self._user_data.kept_events(key)[:limit] for key in keys}
        lately = {key: [one for one in kept if one.last_ms >= (since_ms or 0)] for key, kept in oldest.items()}
        return {key: kept for key, kept in lately.items() if kept}


class EventsBackwards(MemoryAudiences):
    """Gives the newest events first."""

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        return {key: kept[::-1] for key, kept in (await super().newest_events(keys, limit, since_ms)).items()}


class EventsByTheirBeginning(MemoryAudiences):
    """Leaves out events that began before a time, whenever they ended."""

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        found = await super().newest_events(keys, limit, since_ms)
        begun = {key: [one for one in kept if one.first_ms >= (since_ms or 0)] for key, kept in found.items()}
        return {key: kept for key, kept in begun.items() if kept}


class NewestOfTheLate(MemoryAudiences):
    """Counts the newest among those events only that ended late enough."""

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        found = await super().newest_events(keys, 1_000_000, since_ms)
        return {key: kept[-limit:] for key, kept in found.items()}


class EverybodyStands(MemoryAudiences):
    """Tells how somebody stands of whom there is no record."""

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        return {key: self._standings[key][0] if key in self._standings else None for key in keys}


class StandingsAlone(MemoryAudiences):
    """Tells of those who stand, and not of those who are there and do not."""

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        return {key: one for key, one in (await super().standings(keys)).items() if one is not None}


class StaleStandings(MemoryAudiences):
    """Writes how somebody stands whatever it was judged by."""

    def _stands(self, commit: AudienceCommit) -> bool:
        return super()._stands(replace(commit, standings=()))


class HalfRefused(MemoryAudiences):
    """Refuses standings that are stale, and keeps the rest of what comes with them."""

    async def commit(self, commit: AudienceCommit) -> bool:
        is_kept = await super().commit(commit)
        if not is_kept:
            await super().commit(AudienceCommit(changes=commit.changes, held=commit.held, deliveries=commit.deliveries))
        return is_kept


class Restless(MemoryAudiences):
    """Writes verdicts on what has been removed meanwhile."""

    def _stands(self, commit: AudienceCommit) -> bool:
        return super()._stands(replace(commit, rests_on={}))


class AnyTurn(MemoryAudiences):
    """Keeps what was judged in whatever turn."""

    def _stands(self, commit: AudienceCommit) -> bool:
        return super()._stands(replace(commit, turn=None))


class OldDefinitions(MemoryAudiences):
    """Writes verdicts by definitions that are others now."""

    def _stands(self, commit: AudienceCommit) -> bool:
        return super()._stands(replace(commit, watches={}))


class OneVersion(MemoryAudiences):
    """Gives a standing that is written again the version that it had."""

    def _write_standing(self, write: StandingWrite) -> None:
        super()._write_standing(write)
        if write.document is not None and write.version is not None:
            kept, due_ms = self._standings[write.key]
            self._standings[write.key] = kept._replace(version=write.version), due_ms


class StandsForEver(MemoryAudiences):
    """Does not forget how somebody stood."""

    def _write_standing(self, write: StandingWrite) -> None:
        if write.document is not None:
            super()._write_standing(write)


class NeverLeaves(MemoryAudiences):
    """Keeps members who have left."""

    def _write_change(self, change: MembershipChange) -> None:
        before = dict(self._members)
        super()._write_change(change)
        self._members = {**before, **self._members}


class FirstJoined(MemoryAudiences):
    """Says of members who joined again since when they were there first."""

    def _write_change(self, change: MembershipChange) -> None:
        first = next(
            (one.at_ms for one in self._changes.values() if one._replace(at_ms=0) == change._replace(at_ms=0)), None
        )
        super()._write_change(change if first is None else change._replace(at_ms=first))


class OneEnvironment(MemoryAudiences):
    """Lists members of all environments."""

    def _members_of(self, workspace: int, environment: str, audience: int) -> list[Member]:
        others = {environment, "development", "production"}
        return [one for which in others for one in super(OneEnvironment, self)._members_of(workspace, which, audience)]


class MembersAgain(MemoryAudiences):
    """Begins a page of members with the last of the page before."""

    async def members(
        self, workspace: int, environment: str, audience: int, after_mpid: int | None, limit: int
    ) -> Sequence[Member]:
        after = None if after_mpid is None else after_mpid - 1
        return await super().members(workspace, environment, audience, after, limit)


class PagesCounted(MemoryAudiences):
    """Counts one member of an audience, however many there are."""

    async def count_members(self, workspace: int, environment: str, audience: int) -> int:
        return min(1, await super().count_members(workspace, environment, audience))


class OldestChanges(MemoryAudiences):
    """Gives changes of membership in the order in which they came."""

    async def changes_of(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredChange]:
        return (await super().changes_of(key, before_seq, limit))[::-1]


class ChangesOfAll(MemoryAudiences):
    """Counts the changes of all audiences together."""

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        changes = self._changes
        self._changes = {seq: one._replace(audience=audience) for seq, one in changes.items()}
        found = await super().count_changes(workspace, environment, audience, from_ms, until_ms, every_ms)
        self._changes = changes
        return found


class EndCounted(MemoryAudiences):
    """Counts what changed when a time was over."""

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        return await super().count_changes(workspace, environment, audience, from_ms, until_ms + 1, every_ms)


class JoinsAlone(MemoryAudiences):
    """Counts who joined, and nobody who left."""

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        found = await super().count_changes(workspace, environment, audience, from_ms, until_ms, every_ms)
        return [one._replace(left=0) for one in found]


class HeldByAll(MemoryAudiences):
    """Tells what any connection has of somebody."""

    async def held_of(self, connections: Sequence[int], mpids: Sequence[int]) -> Sequence[Held]:
        del connections
        return await super().held_of(sorted({one.connection for one in self._held.values()}), mpids)


class AnyCase(MemoryAudiences):
    """Finds values that differ in capitals only."""

    async def held_values(self, connection: int, values: Sequence[str]) -> Sequence[Held]:
        wanted = {one.lower() for one in values}
        return [one for one in self._held.values() if one.connection == connection and one.value.lower() in wanted]


class NeverGivenUp(MemoryAudiences):
    """Keeps for held what was given up."""

    async def commit(self, commit: AudienceCommit) -> bool:
        return await super().commit(replace(commit, gave_up=()))


class UnknownWhoIsPassedOver(MemoryAudiences):
    """Does not count those as known to a connection whom it passes over."""

    async def holders_of(self, connection: int, after_mpid: int | None, limit: int) -> Sequence[int]:
        held = {one.mpid for one in self._held.values() if one.connection == connection}
        return [one for one in await super().holders_of(connection, after_mpid, limit) if one in held]


class PassedForEver(MemoryAudiences):
    """Adds why somebody is passed over to what was said before."""

    async def commit(self, commit: AudienceCommit) -> bool:
        return await super().commit(replace(commit, passed_by=()))


class AnyReason(MemoryAudiences):
    """Lists who is passed over for whatever reason."""

    async def passed_over(
        self, connection: int, reason: str | None, after_mpid: int | None, limit: int
    ) -> Sequence[Passed]:
        del reason
        return await super().passed_over(connection, None, after_mpid, limit)


class MarksStay(MemoryAudiences):
    """Keeps marks that were worked off."""

    async def commit(self, commit: AudienceCommit) -> bool:
        return await super().commit(replace(commit, done=()))


class ForgetsAll(MemoryAudiences):
    """Forgets what every workspace has of somebody."""

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        others = {key.workspace for key in self._standings if key.mpid == mpid}
        others |= {one.workspace for one in self._documents.values() if one.kind is DocumentKind.CONNECTION}
        return sum([await super(ForgetsAll, self).forget_profile(one, mpid, limit) for one in {workspace, *others}])


class ForgetsAtOnce(MemoryAudiences):
    """Forgets all of somebody in one step, however much it is."""

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        return await super().forget_profile(workspace, mpid, limit * 1_000)


class RemembersChanges(MemoryAudiences):
    """Forgets somebody, and not what they joined and left."""

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        changes, self._changes = self._changes, {}
        gone = await super().forget_profile(workspace, mpid, limit)
        self._changes = changes
        return gone


class RemembersWhatIsHeld(MemoryAudiences):
    """Forgets somebody, and not what outputs have of them."""

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        held, self._held = self._held, {}
        gone = await super().forget_profile(workspace, mpid, limit)
        self._held = held
        return gone


class OpenForEver(MemoryAudiences):
    """Answers after it was closed."""

    def _check_open(self) -> None:
        pass


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryAudiences) and one is not MemoryAudiences
]
