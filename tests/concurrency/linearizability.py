"""Judges whether a concurrent history can have come about one operation at a time (Herlihy and Wing, 1990).

Each operation must seem to take effect at one moment between its beginning and its end, and its answer must be the one
that the sequential model gives at that moment. Operations that share no identity and no profile, directly or through
others, can't influence each other, so each connected component is judged by itself (as Porcupine judges each key).

Within a component this is the search of Wing and Gong with the improvement of Lowe: go forward by any operation that may
come next, go back where none can, and never go twice into the same configuration (which operations have happened, and the
state they left). An operation may come next if none that has not happened ended before it began. One that can never change
anything, such as a search, is taken as soon as it fits, since nothing is lost by that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.concurrency.history import Census, Failed, History, Operation, ScopeRules, Shown, Told
from tests.concurrency.sequential import NOTHING, BeyondModel, Sequential, State, mentioned

CONFIGURATIONS_MAX: Final = 300_000
"""Configurations of one component that are looked at; one that is not judged by then counts as wrong."""

NEVER_NS: Final = 2**63
LOOKS: Final = frozenset({"search", "profile", "census"})
"""Calls that never change anything."""


@dataclass(frozen=True)
class Wrong:
    """A component that can't have come about, or that could not be judged; `why` is for people."""

    operations: Sequence[Operation]
    why: str


@dataclass
class Verdict:
    """What became of a history."""

    wrong: list[Wrong] = field(default_factory=list[Wrong])
    components: int = 0
    largest: int = 0
    configurations: int = 0

    @property
    def holds(self) -> bool:
        """Whether every component can have come about."""
        return not self.wrong

    def __str__(self) -> str:
        said = f"{self.components} components, the largest of {self.largest} operations, {self.configurations} steps"
        return "\n\n".join([said, *(one.why for one in self.wrong[:3])])


def judge(history: History) -> Verdict:
    """Judge a history, component by component."""
    verdict = Verdict()
    components = parted(history.operations)
    verdict.components = len(components)
    for operations in components:
        verdict.largest = max(verdict.largest, len(operations))
        wrong = _judged(operations, history.rules, verdict)
        if wrong is not None:
            verdict.wrong.append(wrong)
    return verdict


def _judged(operations: Sequence[Operation], rules: Mapping[str, ScopeRules], verdict: Verdict) -> Wrong | None:
    pools = {one.call.pool for one in operations if one.call.pool}
    if len(pools) != 1:
        return Wrong(operations, f"one profile in several pools, or in none that was asked: {sorted(pools)}")
    search = Search(Sequential(rules[pools.pop().partition("/")[0]].of_model(), operations), operations)
    try:
        why = search.run()
    except BeyondModel as beyond:
        why = f"beyond the model: {beyond} is on too many profiles"
    verdict.configurations += len(search.seen)
    return None if why is None else Wrong(operations, why)


class Search:
    """The search for an order of one component's operations."""

    def __init__(self, model: Sequential, operations: Sequence[Operation]) -> None:
        """Take the operations in the order in which they began."""
        self._model = model
        self._operations = operations
        self._starts = [one.started_ns for one in operations]
        self._ends = [NEVER_NS if one.ended_ns is None else one.ended_ns for one in operations]
        self._answered = sum(1 << place for place, one in enumerate(operations) if one.answer is not None)
        self._looks = sum(
            1 << place
            for place, one in enumerate(operations)
            if one.answer is not None and (one.call.kind in LOOKS or isinstance(one.answer, Told))
        )
        self.seen: set[tuple[int, State]] = set()
        self._furthest: tuple[int, State] = (0, NOTHING)

    def run(self) -> str | None:
        """Return None if there is an order, otherwise why there is none."""
        stack = [self._open(0, NOTHING)]
        if stack[0] is None:
            return None
        while stack:
            ways = stack[-1]
            assert ways is not None
            for done, state in ways:
                if len(self.seen) > CONFIGURATIONS_MAX:
                    return f"not judged within {CONFIGURATIONS_MAX} configurations"
                opened = self._open(done, state)
                if opened is None:
                    return None
                stack.append(opened)
                break
            else:
                stack.pop()
        return self._explained()

    def _open(self, done: int, state: State) -> Iterator[tuple[int, State]] | None:
        """Go into a configuration; returns the ways that lead on, None if everything has happened."""
        done = self._with_looks(done, state)
        if done & self._answered == self._answered:
            return None
        if (done, state) in self.seen:
            return iter(())
        self.seen.add((done, state))
        if done.bit_count() > self._furthest[0].bit_count():
            self._furthest = (done, state)
        return self._ways(done, state)

    def _with_looks(self, done: int, state: State) -> int:
        """Let every mere look happen that may come next and fits."""
        went = True
        while went:
            went = False
            for place in self._next(done):
                if self._looks >> place & 1 and self._model.after(state, place) == (state,):
                    done |= 1 << place
                    went = True
        return done

    def _ways(self, done: int, state: State) -> Iterator[tuple[int, State]]:
        """Yield where to go on to, first what the log claims: without a change what has no line, then the lines in order."""
        ways: list[tuple[bool, int, int, int, State]] = []
        for place in self._next(done):
            one = self._operations[place]
            for left in self._model.after(state, place):
                if left != state or one.answer is not None:
                    is_claimed = (left != state) is (one.seq is not None)
                    order = -1 if left == state else NEVER_NS if one.seq is None else one.seq
                    ways.append((not is_claimed, order, self._ends[place], place, left))
        for *_, place, left in sorted(ways, key=lambda way: way[:3]):
            yield done | 1 << place, left

    def _next(self, done: int) -> list[int]:
        """Return the operations that may come next."""
        found: list[int] = []
        first_end = NEVER_NS
        # Everything before the first that has not happened has happened.
        place = (~done & (done + 1)).bit_length() - 1
        while place < len(self._operations) and self._starts[place] <= first_end:
            if not done >> place & 1:
                found.append(place)
                first_end = min(first_end, self._ends[place])
            place += 1
        return [one for one in found if self._starts[one] <= first_end]

    def _explained(self) -> str:
        """Say how far an order came, and what could not come next."""
        done, state = self._furthest
        lines = [
            f"no order of {len(self._operations)} operations; the longest has {done.bit_count()} of them, and then"
        ]
        lines += [f"  {kept}" for kept in state]
        lines += ["none of these can come next:"]
        lines += [f"  {self._operations[place]}" for place in self._next(done)]
        return "\n".join(lines)


def parted(operations: Iterable[Operation]) -> list[list[Operation]]:
    """Part a history into connected components, each in the order in which its operations began.

    A census is part of every component: each gets those of its profiles that belong to it, and what belongs to none
    is a component of its own. Operations that were told that nothing was done are left out, and looks without an answer.
    """
    groups = _Groups()
    taken: list[tuple[Operation, object]] = []
    censuses: list[tuple[Operation, Census]] = []
    for one in operations:
        match one.answer:
            case Failed():
                continue
            case None if one.call.kind in LOOKS:
                continue
            case Census() as census:
                censuses.append((one, census))
            case _:
                taken.append((one, groups.join(_touched(one))))
    shown = [
        (one, profile, groups.join(_held(one, profile))) for one, census in censuses for profile in census.profiles
    ]
    parts: dict[object, list[Operation]] = {}
    for one, thing in taken:
        parts.setdefault(groups.of(thing), []).append(one)
    for one, _ in censuses:
        there: dict[object, list[Shown]] = {part: [] for part, its in parts.items() if _pool_of(its) == one.call.pool}
        for census, profile, thing in shown:
            if census is one:
                there.setdefault(groups.of(thing), []).append(profile)
        for part, profiles in there.items():
            parts.setdefault(part, []).append(_with_answer(one, Census(tuple(profiles))))
    return [sorted(part, key=lambda one: one.started_ns) for part in parts.values()]


def _pool_of(operations: Sequence[Operation]) -> str:
    return operations[0].call.pool


def _with_answer(one: Operation, census: Census) -> Operation:
    return Operation(
        one.number,
        one.client,
        one.server,
        one.call,
        one.started_ns,
        one.started_ms,
        one.ended_ns,
        one.ended_ms,
        census,
    )


def _touched(one: Operation) -> Iterator[object]:
    """Yield what an operation touches: identities of its pool, and profiles."""
    call = one.call
    for kind, value in call.identities:
        yield call.pool, kind, value
    for kind, *values in call.changes:
        for value in values:
            if value is not None:
                yield call.pool, kind, value
    for mpid in (call.mpid, call.previous):
        if mpid is not None:
            yield mpid
    yield from mentioned(one.answer)
    if isinstance(one.answer, Shown):
        yield from _held(one, one.answer)


def _held(one: Operation, profile: Shown) -> Iterator[object]:
    yield profile.mpid
    for kind, values in (*profile.held, *profile.carried):
        for value in values:
            yield one.call.pool, kind, value


class _Groups:
    """Things that belong together."""

    def __init__(self) -> None:
        self._parents: dict[object, object] = {}

    def join(self, things: Iterable[object]) -> object:
        """Put things into one group; returns one of them."""
        first: object = None
        for number, thing in enumerate(things):
            if number == 0:
                first = thing
            self._parents[self.of(thing)] = self.of(first)
        return first

    def of(self, thing: object) -> object:
        """Return what stands for a thing's group."""
        parents = self._parents
        parents.setdefault(thing, thing)
        while parents[thing] != thing:
            parents[thing] = parents[parents[thing]]
            thing = parents[thing]
        return thing
