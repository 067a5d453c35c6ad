"""Folds the lines of a component into the world as it would be under some conditions.

A *component* is all of a history that could have influenced each other: lines that share an identity or a profile,
directly or through others. Its world is the fold of those of its lines that count (`conditions.Conditions`), decided by the
same rules, each over what those before it have left. Comparing two worlds of one component tells what a correction changes.

Three things have to be told that no line says.

**What a new profile is called.** A line that makes a profile here gives it the first of these names that is free: the one
it has been given by an earlier correction; the one that it was logged with; the MPID that it was answered with when it was
logged, whose maker does not count here, so that whoever goes on keeps the name they know; a fresh one.

**Whom a line means that names a profile which is not in this world.** Who was told that MPID comes to whoever answers
now: the profile that answers the last line before it which was answered with that MPID when it was logged. Where there is no
such line, nobody is meant.

**What is left of somebody who was erased.** An erasure counts in every world: the profile is empty from there on, nobody is
led to it, and nothing of what led to it before may change (`touches_erased`): what it knew is no longer kept.

**Who was active when.** Where the log keeps every observation, activity is what this world's own lines make it. Where it
keeps changes only, visits in between are not known: then what the line tells (`recency`) stands, of the profiles it names.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, assert_never

from knownas.core.history.conditions import Conditions
from knownas.core.history.fold import Logged
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, RecordWrite, Returned, Seeded
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    Recency,
    SeedRequest,
)
from knownas.core.identity.policy import Capture, Policy
from knownas.core.identity.record import Record, emptied, held_by, lasts_as
from knownas.core.identity.records import Records

FreshMpid = Callable[[int], int]
"""Gives the line with a seq an MPID that nobody has; the same whenever it is asked."""


class Line(NamedTuple):
    """A line of the log: its number, what is logged, and the profile it was answered with when it was."""

    seq: int
    logged: Logged
    answered: int | None


def corrections_in(lines: Iterable[Line]) -> Iterator[tuple[int, Correction]]:
    """Yield the corrections among lines, with their seqs."""
    for line in lines:
        if isinstance(line.logged.observation, Correction):
            yield line.seq, line.logged.observation


@dataclass(slots=True)
class World:
    """What the lines that count come to.

    `answers` are the profiles that lines are answered with here, by seq. `led_to` tells for an MPID who answers here
    to the last line that was answered with it when it was logged. `names` are given by this world to profiles which were
    not made, or not under that name, when their line was logged. `given` are all MPIDs that have been given out so far,
    here or in another world.
    """

    records: Records = field(default_factory=Records)
    answers: dict[int, int] = field(default_factory=dict[int, int])
    led_to: dict[int, int] = field(default_factory=dict[int, int])
    names: dict[int, int] = field(default_factory=dict[int, int])
    given: set[int] = field(default_factory=set[int])
    erased: dict[int, Record | None] = field(default_factory=dict[int, Record | None])
    """The profiles that were erased, each as it was before; None for one that this world has not made."""
    seen: dict[int, int] = field(default_factory=dict[int, int])
    """When each profile was last answered here, in Unix milliseconds."""
    _recalls: bool = False

    def recall(self, told: Recency, *, captured_all: bool) -> None:
        """Know of visits what a line rests on: what it tells, or where all were captured, what was seen here."""
        if not captured_all:
            self._recalls = True
            self.records.recall(told)
        elif self._recalls:
            self._recalls = False
            self.records.recall(self.seen.items())

    def saw(self, mpid: int, at_ms: int) -> None:
        """Note that a profile was answered."""
        if at_ms > self.seen.get(mpid, 0):
            self.seen[mpid] = at_ms
        self.records.saw(mpid, at_ms)

    def erase(self, mpid: int) -> None:
        """Empty a profile for good, if it is there."""
        record = self.records.record(mpid)
        self.erased.setdefault(mpid, record)
        if record is not None:
            self.records.apply((RecordWrite(record, emptied(record)),))

    def means(self, mpid: int) -> int | None:
        """Return the profile that somebody means who was told this MPID; None for nobody in this world."""
        if mpid in self.erased:
            return None
        return mpid if self.records.record(mpid) is not None else self.led_to.get(mpid)


Listen = Callable[[int, World], None]
"""Is told a world as it is before the line at a place, and as it is at the end, which is the place after the last line."""


class FoldStopped(Exception):
    """A line can't be decided: it names a policy version that is not there."""


def world_of(
    lines: Sequence[Line],
    conditions: Conditions,
    policies: Mapping[int, Policy],
    fresh_mpid: FreshMpid,
    listen: Listen | None = None,
) -> World:
    """Fold a component's lines, in the log's order, from nothing. `listen` is told each step.

    Raises:
        FoldStopped: a line's policy is not among those given.
    """
    world = World(given=set(conditions.names.values()))
    for place, line in enumerate(lines):
        if listen is not None:
            listen(place, world)
        if line.logged.created_mpid is not None:
            world.given.add(line.logged.created_mpid)
        if isinstance(line.logged.observation, Erasure):
            world.erase(line.logged.observation.mpid)
            continue
        is_out = line.seq in conditions.undone or is_left_over(line, world)
        if is_out or isinstance(line.logged.observation, Correction):
            continue
        policy = policies.get(conditions.version(line.seq, line.logged.policy_version))
        if policy is None:
            raise FoldStopped(f"line {line.seq} was decided under a policy version that is not kept")
        logged = policies.get(line.logged.policy_version, policy)
        observation = observation_that_counts(line, conditions, world)
        if observation is not None:
            captured_all = logged.settings.capture is Capture.ALL
            fold_line(line, observation, policy, conditions, world, fresh_mpid, captured_all=captured_all)
    if listen is not None:
        listen(len(lines), world)
    return world


def is_left_over(line: Line, world: World) -> bool:
    """Whether a line is a visit of somebody who was erased: captured before, and written only after the erasure."""
    return not line.logged.changed and line.answered in world.erased


def observation_that_counts(line: Line, conditions: Conditions, world: World) -> Observation | None:
    """Return what a line observed as far as it counts here; None if what was taken back leaves nothing of it.

    A request whose identities are all quarantined is one that names nobody, as it would be if it came now.
    """
    observation = line.logged.observation
    left_out = conditions.without.get(line.seq, frozenset[Identity]())
    match observation:
        case IdentityRequest(previous_mpid=previous):
            counted = _counted(line.seq, observation, conditions)
            if left_out:
                named, counted = counted, tuple(one for one in counted if one not in left_out)
                if named and not counted:
                    return None
            meant = None if previous is None else world.means(previous)
            return observation._replace(identities=counted, previous_mpid=meant)
        case ModifyRequest():
            meant = world.means(observation.mpid)
            changes = tuple(_changes(line.seq, observation, conditions, left_out))
            return None if meant is None or not changes else replace(observation, mpid=meant, changes=changes)
        case SeedRequest():
            named = observation.mpid
            if named in world.given and named != line.logged.created_mpid and world.records.record(named) is None:
                # It was there when this came, and nobody else may ever have its name.
                return None
            counted = _counted(line.seq, observation, conditions)
            return replace(observation, identities=tuple(one for one in counted if one not in left_out))
        case Correction() | Erasure():
            return None
        case _:
            assert_never(observation)


def _counted(seq: int, observation: IdentityRequest | SeedRequest, conditions: Conditions) -> tuple[Identity, ...]:
    """Return the identities that a request names, without those that are quarantined; in canonical order."""
    named, aside = observation.identities, observation.set_aside
    if not conditions.quarantine:
        return named
    counted = [one for one in named if conditions.counts(seq, one, named=True)]
    back = [one for one in aside if conditions.counts(seq, one, named=False)]
    return tuple(sorted(counted + back)) if back else tuple(counted)


def _changes(
    seq: int, request: ModifyRequest, conditions: Conditions, left_out: Collection[Identity]
) -> Iterator[IdentityChange]:
    """Yield the changes that a modify asks for, without those to a value that is taken back or quarantined."""
    for changes, named in ((request.changes, True), (request.set_aside, False)):
        for one in changes:
            new = None if one.new_value is None else Identity(one.type, one.new_value)
            if new is None or (new not in left_out and conditions.counts(seq, new, named=named)):
                yield one


def fold_line(
    line: Line,
    observation: Observation,
    policy: Policy,
    conditions: Conditions,
    world: World,
    fresh_mpid: FreshMpid,
    *,
    captured_all: bool,
) -> int | None:
    """Decide what counts of a line and apply that to the world; return the profile that it is answered with here.

    `captured_all` says whether every observation was kept when the line was logged, under whichever policy it counts.
    """
    records, may_create = world.records, True
    if isinstance(observation, IdentityRequest):
        may_create = observation.may_create
        world.recall(observation.recency, captured_all=captured_all)
    name = free_name(line, conditions, records)
    given = fresh_mpid(line.seq) if name is None else name
    decision = decide(observation, policy, records, given, may_create=may_create)
    if isinstance(decision.outcome, Created) and records.record(given) is not None:
        raise AssertionError("two profiles of a world have one name")
    records.apply(decision.writes)
    answered = decision.answered
    if answered is None:
        return None
    if isinstance(decision.outcome, Created | Seeded) and answered != line.logged.created_mpid:
        world.names[line.seq] = answered
    world.answers[line.seq] = answered
    if line.answered is not None:
        world.led_to[line.answered] = answered
    if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
        world.saw(answered, observation.at_ms)
    return answered


def free_name(line: Line, conditions: Conditions, records: Records) -> int | None:
    """Return the first name that is free for a profile which a line may make; None if it takes a fresh one."""
    for name in (conditions.names.get(line.seq), line.logged.created_mpid, line.answered):
        if name is not None and records.record(name) is None:
            return name
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """What one world has that another has not: profiles as they are there, and those that are gone."""

    records: tuple[Record, ...]
    gone: tuple[tuple[int, int | None], ...]
    names: tuple[tuple[int, int], ...]


def difference(before: World, after: World, kept: Mapping[int, Record], *, captured_all: bool = False) -> Difference:
    """Say what has to be written to turn one world into another.

    `kept` are the profiles of the component as the store has them, by MPID: also those that an earlier correction has
    made go. A profile that goes keeps its MPID, with nothing on it, and leads to whoever answers now. One that comes back
    is written although it may be as empty as what was left of it: it answers for itself again. Where all visits are
    captured, one that only has its last visit at another time is written as well: the most recent of several may win.
    """
    records: list[Record] = []
    gone: list[tuple[int, int | None]] = []
    for record in after.records:
        was, earlier = kept.get(record.mpid), before.records.record(record.mpid)
        seen_ms = after.records.active_ms(record)
        if was is None:
            records.append(record._replace(active_ms=seen_ms))
            continue
        seen_before_ms = None if earlier is None else before.records.active_ms(earlier)
        if seen_before_ms is None or was.active_ms > seen_before_ms:
            # Visits that nobody logged stay where they were noted.
            seen_ms = max(seen_ms, was.active_ms)
        is_seen_otherwise = record.mpid not in after.erased and seen_ms not in (was.active_ms, seen_before_ms)
        if seen_before_ms is None or (captured_all and is_seen_otherwise) or not lasts_as(was, record):
            records.append(record._replace(version=was.version, active_ms=seen_ms))
    for mpid, was in kept.items():
        if after.records.record(mpid) is not None:
            continue
        gone.append((mpid, after.led_to.get(mpid)))
        if before.records.record(mpid) is not None:
            records.append(emptied(was))
    return Difference(tuple(records), tuple(gone), tuple(after.names.items()))


def drift(world: World, kept: Mapping[int, Record]) -> tuple[int, ...]:
    """Return the profiles that are not kept as the lines fold, by ascending MPID; empty when history explains all."""
    return tuple(
        sorted(
            mpid
            for mpid in {*kept, *(record.mpid for record in world.records)}
            if not _explained(world.records.record(mpid), kept.get(mpid))
        )
    )


def _explained(folded: Record | None, was: Record | None) -> bool:
    if folded is None:
        # A profile that an earlier correction has made go.
        return was is not None and not was.size
    return lasts_as(was, folded)


def touches_erased(before: World, after: World) -> bool:
    """Whether something of an erased profile would be otherwise in another world of the same lines.

    That is so if a line would be answered with it that was not, or the other way round, if it would have held more when it
    was erased, or if somebody else would get what it held. It may well have held less: a device that many share.
    """
    erased = before.erased.keys() | after.erased.keys()
    if not erased:
        return False
    for seq in before.answers.keys() | after.answers.keys():
        was, now = before.answers.get(seq), after.answers.get(seq)
        if was != now and (was in erased or now in erased):
            return True
    for mpid in erased:
        held, holds = held_by(before.erased.get(mpid)), held_by(after.erased.get(mpid))
        if not holds <= held or any(_gets(after.records, before.records, one) for one in held):
            return True
    return False


def _gets(after: Records, before: Records, one: Identity) -> bool:
    """Whether somebody has an identity who had it not."""
    mpids = after.holding.get(one, ())
    holders = (mpids,) if isinstance(mpids, int) else mpids
    return any((was := before.record(mpid)) is None or not was.holds(one) for mpid in holders)
