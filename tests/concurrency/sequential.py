"""Says what one operation may answer, and what it leaves behind, when operations happen one at a time.

The rules are those of the naive reference model (`tests.properties.reference`), which shares nothing with the product.
Two things are not determined by the order of operations alone, and are left open here exactly as far as the product
leaves them open:

- **MPIDs** of new profiles are random: whatever MPID an answer gives is the new profile's name from there on, unless it
  is somebody's already. One that was made by an operation whose answer never came has a name that nobody knows yet.
- **When a profile was active** decides between several profiles that fit equally well. An operation takes the server's
  clock somewhere between its beginning and its end. Changes are known to every server, visits that changed nothing to the
  server that was visited. So an activity is an interval, and the answer may be any profile that can have been the latest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import TieBreak
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from tests.concurrency.history import Answer, Census, Modified, Named, Operation, Shown, Told, Values, values_of
from tests.properties.reference import Model, Profile, Rules, Wanted

FOREVER_MS = 2**62
VISITS = frozenset({"identify", "login", "logout"})
"""Calls after which the profile that they are answered with was active. A search only looks."""


class Kept(NamedTuple):
    """A profile in a state. `changed_ms` is the earliest that its last change can have been; `made_by` is an operation."""

    mpid: int
    held: Values
    carried: Values
    source: int | None
    changed_ms: int
    made_by: int


State = tuple[Kept, ...]
"""All profiles, by ascending MPID. Names that nobody knows yet are negative."""

NOTHING: State = ()


class BeyondModel(Exception):
    """A value is on more profiles than a lookup considers, which the model does not know."""


@dataclass
class Choices:
    """Leads through all ways in which open questions can be answered, one way a run."""

    path: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    place: int = 0

    def choose(self, options: Sequence[int]) -> int:
        """Answer one open question."""
        if self.place == len(self.path):
            self.path.append(0)
            self.widths.append(len(options))
        self.place += 1
        return options[self.path[self.place - 1]]

    def move_on(self) -> bool:
        """Go to the next way; False if there is none."""
        while self.path and self.path[-1] + 1 == self.widths[-1]:
            self.path.pop()
            self.widths.pop()
        if not self.path:
            return False
        self.path[-1] += 1
        self.place = 0
        return True


class OpenModel(Model):
    """The reference model, but for ties: those are decided by what can be known of activities."""

    choices: Choices
    earliest: Mapping[int, int]
    latest: Mapping[int, int]

    def pick(self, left: list[int], previous: int | None) -> int:
        """Pick one of several profiles, as far as that is determined."""
        for rule in self.rules.tie_break:
            if rule is TieBreak.PREVIOUS_MPID and previous in left:
                return previous
            if rule is TieBreak.MOST_RECENT:
                surely = max(self._earliest(mpid) for mpid in left)
                left = [mpid for mpid in left if self._latest(mpid) >= surely]
                return self.choices.choose(left)
            if rule is TieBreak.SMALLEST_MPID:
                nameless = [mpid for mpid in left if mpid < 0]
                named = sorted(mpid for mpid in left if mpid >= 0)
                return self.choices.choose([*named[:1], *nameless])
        raise AssertionError("smallest_mpid always decides")

    def _earliest(self, mpid: int) -> int:
        return max(self.profiles[mpid].active, self.earliest.get(mpid, 0))

    def _latest(self, mpid: int) -> int:
        return max(self.profiles[mpid].active, self.latest.get(mpid, FOREVER_MS))


class Sequential:
    """The states that an operation can lead to, over one component of a history."""

    def __init__(self, rules: Rules, operations: Sequence[Operation]) -> None:
        self._rules = rules
        self._operations = operations
        self._by_number = {one.number: one for one in operations}
        self._activity = Activity(operations)
        self._known: dict[tuple[State, int], tuple[State, ...]] = {}

    def after(self, state: State, place: int) -> tuple[State, ...]:
        """Return the states in which the operation at a place can leave things, if it comes next; none if it can't."""
        key = (state, place)
        found = self._known.get(key)
        if found is None:
            operation = self._operations[place]
            found = self._known[key] = tuple(dict.fromkeys(self._after(state, operation)))
        return found

    def _after(self, state: State, operation: Operation) -> Iterator[State]:
        answer = operation.answer
        asked = [mpid for mpid in (operation.call.mpid, operation.call.previous) if mpid is not None]
        for named in _namings(state, [*asked, *mentioned(answer)]):
            match answer:
                case None:
                    yield from (left for _, left in self._run(named, operation, -operation.number - 1))
                case Census(profiles):
                    if len(profiles) == len(named) and self._all_shown(named, profiles, operation):
                        yield named
                case Shown():
                    if self._is_shown(named, answer, operation):
                        yield named
                case _:
                    yield from self._answering(named, operation, answer)

    def _answering(self, state: State, operation: Operation, answer: Answer) -> Iterator[State]:
        if operation.call.kind == "profile":
            if isinstance(answer, Told) and all(kept.mpid != operation.call.mpid for kept in state):
                yield state
            return
        fresh = answer.mpid if isinstance(answer, Named) else -operation.number - 1
        for said, left in self._run(state, operation, fresh):
            if said == answer:
                yield left

    def _run(self, state: State, operation: Operation, fresh: int) -> Iterator[tuple[Answer, State]]:
        """Yield all answers that an operation can have, each with the state after it."""
        if operation.call.kind == "profile":
            return
        if any(kept.mpid == fresh for kept in state):
            fresh = -operation.number - 1
        choices = Choices()
        while True:
            model = OpenModel(self._rules, {kept.mpid: _profile(kept) for kept in state})
            model.choices = choices
            model.earliest, model.latest = self._activity.of(operation)
            said = ask_model(model, operation, operation.started_ms, fresh)
            yield said, _state(model, state, operation)
            if not choices.move_on():
                return

    def _all_shown(self, state: State, profiles: Iterable[Shown], operation: Operation) -> bool:
        return all(self._is_shown(state, shown, operation, whole=True) for shown in profiles)

    def _is_shown(self, state: State, shown: Shown, operation: Operation, *, whole: bool = False) -> bool:
        """Whether a profile can look like this. `whole`: as it is stored, so that visits need not show."""
        kept = next((kept for kept in state if kept.mpid == shown.mpid), None)
        if kept is None or (kept.held, kept.carried, kept.source) != (shown.held, shown.carried, shown.source):
            return False
        model = OpenModel(self._rules, {})
        if model.known(_profile(kept)) != shown.known:
            return False
        maker = self._by_number[kept.made_by]
        if not maker.started_ms <= shown.created_ms <= (FOREVER_MS if maker.ended_ms is None else maker.ended_ms):
            return False
        earliest, latest = self._activity.of(operation)
        surely = kept.changed_ms if whole else max(kept.changed_ms, earliest.get(kept.mpid, 0))
        return surely <= shown.active_ms <= latest.get(kept.mpid, FOREVER_MS)


class Activity:
    """What can be known of when profiles were active: what histories say, whatever the order of their operations.

    A server knows a visit that ended before a request began, if it was the one that was visited. What a server knows of
    a profile at all is the time of another operation that was answered with it, and that began before the request ended.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._visits: dict[int, list[Operation]] = {}
        self._answers = [one for one in operations if isinstance(one.answer, Named | Modified)]
        self._unanswered = [one for one in operations if one.answer is None]
        for one in operations:
            if isinstance(one.answer, Named) and one.call.kind in VISITS:
                self._visits.setdefault(one.server, []).append(one)
        self._known: dict[int, tuple[Mapping[int, int], Mapping[int, int]]] = {}

    def of(self, operation: Operation) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Return by MPID how early visits at least, and how late activities at most are for an operation's server."""
        found = self._known.get(operation.number)
        if found is None:
            found = self._known[operation.number] = (self._earliest(operation), self._latest(operation))
        return found

    def _earliest(self, operation: Operation) -> Mapping[int, int]:
        found: dict[int, int] = {}
        for one in self._visits.get(operation.server, ()):
            if one.ended_ns is not None and one.ended_ns < operation.started_ns and isinstance(one.answer, Named):
                found[one.answer.mpid] = max(found.get(one.answer.mpid, 0), one.started_ms)
        return found

    def _latest(self, operation: Operation) -> Mapping[int, int]:
        if operation.ended_ns is None or any(one.started_ns < operation.ended_ns for one in self._unanswered):
            return {}
        found: dict[int, int] = {}
        for one in self._answers:
            if (
                one is not operation
                and one.started_ns <= operation.ended_ns
                and isinstance(one.answer, Named | Modified)
            ):
                assert one.ended_ms is not None
                found[one.answer.mpid] = max(found.get(one.answer.mpid, 0), one.ended_ms)
        return found


def mentioned(answer: Answer | None) -> list[int]:
    """Return the MPIDs that an answer mentions."""
    match answer:
        case Named(mpid):
            return [mpid]
        case Modified(mpid, _, results):
            return list({mpid, *(other for _, other in results)})
        case Shown(mpid, _, source):
            return [mpid] if source is None else [mpid, source]
        case Census(profiles):
            return [shown.mpid for shown in profiles]
        case _:
            return []


def _namings(state: State, mpids: Iterable[int]) -> Iterator[State]:
    """Yield the state, and the ways in which profiles whose names nobody knew can have the MPIDs that are new."""
    yield state
    nameless = [kept.mpid for kept in state if kept.mpid < 0]
    if not nameless:
        return
    there = {kept.mpid for kept in state}
    new = [mpid for mpid in dict.fromkeys(mpids) if mpid not in there]
    for count in range(1, min(len(new), len(nameless)) + 1):
        for chosen in permutations(nameless, count):
            for names in permutations(new, count) if len(new) > count else [new]:
                yield _renamed(state, dict(zip(chosen, names, strict=True)))


def _renamed(state: State, names: Mapping[int, int]) -> State:
    return tuple(
        sorted(
            kept._replace(
                mpid=names.get(kept.mpid, kept.mpid),
                source=None if kept.source is None else names.get(kept.source, kept.source),
            )
            for kept in state
        )
    )


def _profile(kept: Kept) -> Profile:
    held = {kind: list(values) for kind, values in kept.held}
    carried = {kind: list(values) for kind, values in kept.carried}
    return Profile(held, carried, kept.made_by, kept.changed_ms, kept.source)


def _state(model: Model, before: State, operation: Operation) -> State:
    """Return the state that a model is in after an operation. A visit alone leaves nothing behind."""
    was = {kept.mpid: kept for kept in before}
    left: list[Kept] = []
    holders: dict[tuple[IdentityType, str], int] = {}
    for mpid, profile in model.profiles.items():
        held, carried = values_of(profile.held), values_of(profile.carried)
        old = was.get(mpid)
        if old is None:
            old = Kept(mpid, held, carried, profile.source, profile.active, operation.number)
        elif (old.held, old.carried) != (held, carried):
            old = old._replace(held=held, carried=carried, changed_ms=profile.active)
        left.append(old)
        for kind, values in held:
            for value in values:
                holders[kind, value] = holders.get((kind, value), 0) + 1
    if max(holders.values(), default=0) > HOLDERS_CONSIDERED_MAX:
        raise BeyondModel(str(max(holders, key=lambda one: holders[one])))
    left.sort()
    return tuple(left)


def ask_model(model: Model, operation: Operation, at_ms: int, fresh: int) -> Answer:
    """Ask the model, and write its answer as a client sees it."""
    call = operation.call
    if call.kind == "modify":
        assert call.mpid is not None
        match model.modify(call.mpid, call.changes, at_ms):
            case ("modified", int(mpid), bool(known), frozenset() as results):
                return Modified(mpid, known, results)
            case ("refused", str(reason)):
                return Told(reason)
    wanted: Wanted = dict(call.identities)
    match model.ask(Endpoint(call.kind), wanted, at_ms, call.previous, fresh):
        case ("returned" | "created", int(mpid), bool(known), _):
            return Named(mpid, known, matched(call.identities, model.profiles[mpid].held))
        case ("refused", str(reason)):
            return Told(reason)
        case ("not_found",):
            return Told("not_found")
        case other:
            raise AssertionError(other)


def matched(
    asked: Iterable[tuple[IdentityType, str]], held: Mapping[IdentityType, Iterable[str]]
) -> tuple[tuple[IdentityType, str], ...]:
    """Return the identities of a request that are on a profile: devices only if nothing else is; idsync §4.2."""
    on_it = sorted((kind, value) for kind, value in asked if value in held.get(kind, ()))
    users = tuple(one for one in on_it if one[0] not in DEVICE_TYPES)
    return users or tuple(on_it)
