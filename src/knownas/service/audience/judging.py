"""Judges profiles in the audiences of their workspaces, and writes down in one transaction what comes of it.

What is written: how each stands and until when, every change of a membership with its reason, what outputs are to be told, and which marks are done.
A standing names the version that was read. So of two who judge the same profile one starts again, and what changed is told once. What is written also names
the sections that it was made from, and the documents' watches: whoever is erased meanwhile is judged again, as somebody of whom nothing is known, and what
was judged by earlier documents is not written.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from knownas.core.delivery.message import Origin
from knownas.core.translation.telling import Cause, Standing
from knownas.core.translation.view import ProfileView
from knownas.service.audience.assessing import Assessed, Assesses, ToAssess
from knownas.service.audience.catalogue import Catalogue, KnownConnection, is_gone
from knownas.service.audience.limits import JOINED_ROUNDS_MAX, JUDGE_ATTEMPTS_MAX
from knownas.service.audience.mark_form import Followed, ToForward, followed_mark
from knownas.service.audience.standing_form import standings_from
from knownas.service.audience.subjects import Subjects
from knownas.service.audience.telling import (
    Ledger,
    Telling,
    Tellings,
    gained_values,
    ledger_of,
    standing_of,
    write_telling,
)
from knownas.service.delivery.event_forwarding import EventForwarding
from knownas.service.group.grouping import NOTHING_GROUPED, Grouped
from knownas.service.group.values import NO_VALUES, Values
from knownas.service.profile.sections import read
from knownas.service.retrying import pause_before_retry
from knownas.store.audiences import (
    AudienceCommit,
    AudienceStore,
    MembershipChange,
    StandingWrite,
    StoredMark,
    StoredSubject,
    Turn,
)
from knownas.store.deliveries import NewDelivery
from knownas.store.errors import StoreBusy
from knownas.store.user_data import SectionKey


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at of a profile: audiences by id (None: all), and connections, by id (None: all).

    `translated`: destinations are told anew also where no membership changes. `corrects`: what they have was wrong.
    `batches` are to be forwarded, in their order.
    """

    audiences: frozenset[str] | None = frozenset()
    translated: bool = False
    connections: frozenset[int] = frozenset()
    corrects: bool = False
    batches: tuple[ToForward, ...] = ()

    def __or__(self, other: "Asked") -> "Asked":
        both = None if self.audiences is None or other.audiences is None else self.audiences | other.audiences
        return Asked(
            both,
            self.translated or other.translated,
            self.connections | other.connections,
            self.corrects or other.corrects,
            (*self.batches, *other.batches),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many memberships changed, and for which outputs something waits now."""

    changes: int = 0
    outputs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A profile as it was looked at, with the connections that may be told of it, and what there is of it where that is translated or forwarded."""

    assessed: Assessed
    grouped: Values
    concerned: Collection[KnownConnection]
    stored: StoredSubject | None = None
    view: ProfileView | None = None

    def is_member(self, audience: int) -> bool:
        """Whether it is in an audience now."""
        return audience in self.assessed.members

    def changes(self, key: SectionKey, now_ms: int) -> Iterable[MembershipChange]:
        """Yield what changed."""
        for one in self.assessed.changes:
            yield MembershipChange(key, one.audience, one.is_member, now_ms, one.reasons)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at some profiles found at a time: how each stands, what groups come to, and by which versions of sections."""

    now_ms: int
    seen: Mapping[SectionKey, _Seen]
    grouped: Grouped
    placed: Mapping[SectionKey, int]


class Judging:
    """Judges over one store, as `assesses` tells, and writes who is in which group. `clock` gives Unix milliseconds; `new_id` a new id for each message."""

    def __init__(
        self,
        store: AudienceStore,
        subjects: Subjects,
        assesses: Assesses,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        forwarding: EventForwarding,
    ) -> None:
        self._store = store
        self._assesses = assesses
        self._grouping = subjects.grouping
        self._subjects = subjects
        self._forwarding = forwarding
        self._clock = clock
        self._new_id = new_id

    async def judge(
        self,
        catalogue: Catalogue,
        asked: Mapping[SectionKey, Asked],
        done: Sequence[int] = (),
        before: Sequence[NewDelivery] = (),
        marks: Sequence[StoredMark] = (),
        looked: Awaitable[Look] | None = None,
        turn: Turn | None = None,
    ) -> Outcome:
        """Judge some profiles, and write down what came of it, with the marks that are done by it, and what is told `before`.

        The `marks` are left for later, with those of the groups in which one of the profiles has changed something for the others. Whoever has
        begun to look at the profiles already gives that look; whatever has changed since then, another one takes its place. What is judged in a `turn` is written in that alone.

        Raises:
            StoreError: the store does not do it, or somebody has written a document meanwhile; nothing is written.
        """
        for attempt in range(JUDGE_ATTEMPTS_MAX):
            look = await (self.look(catalogue, asked) if looked is None or attempt else looked)
            now_ms, seen, grouped = look.now_ms, look.seen, look.grouped
            tellings, others = await self._tell(catalogue, asked, seen, now_ms)
            changes = [one for key, found in seen.items() for one in found.changes(key, now_ms)]
            forwarded = [
                decided
                for key, one in asked.items()
                if (stored := seen[key].stored) is not None
                for decided in self._forwarding.decide(catalogue, key, stored, one.batches, now_ms, seen[key].grouped)
            ]
            followed = [
                followed_mark(workspace, name.environment, Followed(name.kind, name.value))
                for workspace, name in sorted(grouped.followed)
            ]
            standings = list(_writes(seen, frozenset(one.mpid for one in tellings.deliveries)))
            deliveries = [*tellings.deliveries, *(one for _, one in forwarded if one is not None)]
            about = {one.key.mpid for one in (*standings, *changes, *grouped.writes)}
            about |= {one.mpid for one in (*deliveries, *tellings.held, *tellings.passed)}
            reads = (look.placed, _assessed_in(seen), _sections_in(others))
            commit = AudienceCommit(
                standings=standings,
                changes=changes,
                gave_up=tellings.gave_up,
                held=tellings.held,
                passed_by=tellings.passed_by,
                passed=tellings.passed,
                deliveries=[*before, *deliveries],
                marks=[*marks, *followed],
                done=done,
                places=grouped.writes,
                rests_on={key: version for key, version in _earliest(reads).items() if key.mpid in about},
                watches={one: catalogue.watches.get(one, 0) for one in sorted({key.workspace for key in asked})},
                turn=turn,
            )
            if _is_empty(commit) or await self._store.commit(commit):
                self._forwarding.note(decided for decided, _ in forwarded)
                return Outcome(len(changes), frozenset(one.output for one in commit.deliveries))
            watches = await self._store.watches()
            if any(watches.get(one) != watch for one, watch in commit.watches.items()):
                raise StoreBusy("somebody has written a document meanwhile")
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {JUDGE_ATTEMPTS_MAX} times")

    async def look(self, catalogue: Catalogue, asked: Mapping[SectionKey, Asked]) -> Look:
        """Assess profiles, and read those of which outputs may be told something; with the versions of sections that places are made of.

        Raises:
            StoreError: the store does not answer.
        """
        now_ms = self._clock()
        grouped, placed = await self._group(catalogue, asked)
        asking = [
            ToAssess(*key, None if one.audiences is None else tuple(one.audiences), grouped.values.get(key, NO_VALUES))
            for key, one in asked.items()
        ]
        assessed = await self._assesses.assess(catalogue, asking, now_ms)
        seen = {
            one.key: _Seen(found, one.grouped, _concerned(catalogue, one.key, asked[one.key], found))
            for one, found in zip(asking, assessed, strict=True)
        }
        told = [key for key, one in asked.items() if one.batches or seen[key].concerned]
        # They may have changed since they were assessed: then they have a mark, and are told anew.
        stored: Mapping[SectionKey, StoredSubject] = await self._store.subjects(told) if told else {}
        told_of = {
            key: replace(seen[key], stored=one, view=self._subjects.view(key, one)) for key, one in stored.items()
        }
        return Look(now_ms, {**seen, **told_of}, grouped, placed)

    async def _group(
        self, catalogue: Catalogue, asked: Mapping[SectionKey, Asked]
    ) -> tuple[Grouped, Mapping[SectionKey, int]]:
        """Return what groups come to of those whose workspace has any, or had, and the versions of their sections."""
        keys = [key for key in asked if catalogue.of(key.workspace).has_places]
        if not keys:
            return NOTHING_GROUPED, {}
        # A place that is read before what it is made of is either up to date, or has another version by the time it is written.
        places = await self._grouping.places(catalogue, keys)
        stored = await self._store.subjects(keys)
        sections = {key: read(one.sections[key]) if key in one.sections else None for key, one in stored.items()}
        return await self._grouping.look(catalogue, sections, places), _sections_in(stored)

    async def _tell(
        self, catalogue: Catalogue, asked: Mapping[SectionKey, Asked], seen: Mapping[SectionKey, _Seen], now_ms: int
    ) -> tuple[Tellings, Mapping[SectionKey, StoredSubject]]:
        """Write what outputs are told of profiles, and of others that came into it; these are returned, too."""
        tellings = Tellings()
        others: dict[SectionKey, StoredSubject] = {}
        by_connection: dict[tuple[int, str], list[SectionKey]] = {}
        for key, found in seen.items():
            for connection in found.concerned:
                by_connection.setdefault((connection.id, key.environment), []).append(key)
        for (number, environment), keys in by_connection.items():
            connection = catalogue.connections[number]
            audience = catalogue.audiences[connection.audience]
            is_told = not is_gone(catalogue, connection) and connection.lets(environment)
            members = frozenset(key.mpid for key in keys if is_told and seen[key].is_member(audience.id))
            now: dict[int, Standing] = {
                key.mpid: standing_of(connection, seen[key].view, is_member=key.mpid in members) for key in keys
            }
            sent = ledger_of(await self._store.held_of([connection.id], list(now)))
            joined, there = await self._with_others(connection, environment, sent, now)
            members |= joined
            others |= there
            cause = Cause.CORRECTION if any(asked[key].corrects for key in keys) else Cause.CHANGE
            origin = Origin(connection.workspace, environment)
            telling = Telling(connection, audience, origin, sent, now, members, cause)
            write_telling(telling, tellings, now_ms, self._new_id)
        return tellings, others

    async def _with_others(
        self, connection: KnownConnection, environment: str, sent: Ledger, now: dict[int, Standing]
    ) -> tuple[frozenset[int], Mapping[SectionKey, StoredSubject]]:
        """Add everybody of whom the destination has what these profiles gain, and how they stand; return who of them is a member, and all of them."""
        members: set[int] = set()
        others: dict[SectionKey, StoredSubject] = {}
        for _ in range(JOINED_ROUNDS_MAX):
            values = gained_values(sent, now)
            if not values:
                break
            holding = {one.mpid for one in await self._store.held_values(connection.id, values)} - now.keys()
            if not holding:
                break
            keys = [SectionKey(connection.workspace, environment, mpid) for mpid in sorted(holding)]
            found = await self._store.subjects(keys)
            sent |= ledger_of(await self._store.held_of([connection.id], sorted(holding)))
            others |= found
            for key, stored in found.items():
                standing = standings_from(stored.standing_document).get(str(connection.audience))
                is_member = standing is not None and standing.is_member
                now[key.mpid] = standing_of(connection, self._subjects.view(key, stored), is_member=is_member)
                if is_member:
                    members.add(key.mpid)
        return frozenset(members), others


def _concerned(catalogue: Catalogue, key: SectionKey, asked: Asked, assessed: Assessed) -> Collection[KnownConnection]:
    """Return the connections that may have something to be told of a profile."""
    own = catalogue.of(key.workspace)
    changed = {one.audience for one in assessed.changes}
    found: dict[int, KnownConnection] = {}
    for audience, connections in own.connections.items():
        if audience in changed or (asked.translated and audience in assessed.members):
            found.update((one.id, one) for one in connections)
    named = (catalogue.connections.get(one) for one in asked.connections)
    found.update((one.id, one) for one in named if one is not None)
    return found.values()


def _assessed_in(seen: Mapping[SectionKey, _Seen]) -> Mapping[SectionKey, int]:
    """Return the versions of the sections that profiles were assessed by, or else told of."""
    told = _sections_in({key: one.stored for key, one in seen.items() if one.stored is not None})
    return {**told, **{key: one.assessed.section for key, one in seen.items() if one.assessed.section is not None}}


def _sections_in(stored: Mapping[SectionKey, StoredSubject]) -> Mapping[SectionKey, int]:
    """Return the versions of the sections that were read of profiles."""
    return {key: one.sections[key].version for key, one in stored.items() if key in one.sections}


def _earliest(reads: Iterable[Mapping[SectionKey, int]]) -> Mapping[SectionKey, int]:
    """Return for each section that was read, perhaps more than once, the version that it had at first: whatever went since is missed by that."""
    found: dict[SectionKey, int] = {}
    for read_then in reads:
        for key, version in read_then.items():
            found[key] = min(version, found.get(key, version))
    return found


def _writes(seen: Mapping[SectionKey, _Seen], told: frozenset[int]) -> Iterable[StandingWrite]:
    """Yield what changes, and the standings of those of whom outputs are told: of two who would tell the same, one starts again."""
    for key, found in seen.items():
        one = found.assessed
        if one.is_as_before and (key.mpid not in told or one.version is None):
            continue
        yield StandingWrite(key, one.version, one.standings, one.due_ms)


def _is_empty(commit: AudienceCommit) -> bool:
    return not any(
        (
            commit.standings,
            commit.changes,
            commit.deliveries,
            commit.gave_up,
            commit.held,
            commit.passed_by,
            commit.marks,
            commit.done,
            commit.places,
        )
    )
