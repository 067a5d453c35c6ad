"""Compares two worlds of the same lines: whom other rules would join and part, and who would be called otherwise.

Profiles are compared by the observations that they answer. A profile *parts* if its observations are answered by several
afterwards, and is *joined* if observations of others are answered by the same profile as its own. One *appears* or
*vanishes* with its MPID. A known user *moves* whose profile vanishes, or whose login ID leads to other profiles only.

All is told of whole components, so what several say of their own adds up to what there is to say of all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from typing import Final, NamedTuple

from knownas.core.history.world import World
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record, lasts_as

CLUSTERS_SHOWN: Final = 20
"""The largest profiles of a world that are named."""

EXAMPLES_SHOWN: Final = 10
"""Examples of each kind that are named."""

IDENTITIES_SHOWN: Final = 5
"""Identities of a profile that are named."""

PROFILES_SHOWN: Final = 5
"""Profiles on either side of one example."""


class Kind(StrEnum):
    """What other rules can do to a profile."""

    JOINED = "joined"
    PARTED = "parted"
    APPEARED = "appeared"
    VANISHED = "vanished"
    MOVED = "moved"


class Cluster(NamedTuple):
    """A profile in one of the worlds: how many identities it has and how many observations it answers.

    `identities` are at most `IDENTITIES_SHOWN` of them.
    """

    mpid: int
    known: bool
    size: int
    observations: int
    identities: tuple[Identity, ...]


class Example(NamedTuple):
    """Profiles before, and those that answer for them after; of each side at most `PROFILES_SHOWN`, the largest first.

    `subject` is the profile of which it is an example, and `observations` how many that one answers: the most come first.
    """

    subject: int
    observations: int
    before: tuple[Cluster, ...]
    after: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison comes to. Numbers are of profiles, unless their name says otherwise.

    `joined` profiles of before become `joined_into` profiles, `parted` ones become `parted_into`. `known` are those of each
    world that are. `answered_otherwise` are observations that another profile answers, or that one side does not answer.
    `with_user_data` are profiles before that are joined, parted or gone and of which a workspace knows something;
    `user_data_moves` those of them that part or vanish.
    """

    observations: int = 0
    answered_otherwise: int = 0
    unreadable: int = 0
    before: int = 0
    after: int = 0
    known_before: int = 0
    known_after: int = 0
    changed: int = 0
    joined: int = 0
    joined_into: int = 0
    parted: int = 0
    parted_into: int = 0
    appeared: int = 0
    vanished: int = 0
    moved: int = 0
    with_user_data: int = 0
    user_data_moves: int = 0
    largest_before: tuple[Cluster, ...] = ()
    largest_after: tuple[Cluster, ...] = ()
    examples: Mapping[Kind, tuple[Example, ...]] = field(default_factory=dict[Kind, tuple[Example, ...]])


_ADDED: Final = tuple(
    name for name in Found.__dataclass_fields__ if name not in ("largest_before", "largest_after", "examples")
)


def together(all_found: Iterable[Found]) -> Found:
    """Add up what was found of components that have nothing in common."""
    every = list(all_found)
    numbers: dict[str, int] = {name: sum(getattr(one, name) for one in every) for name in _ADDED}
    return Found(
        **numbers,
        largest_before=_largest(cluster for one in every for cluster in one.largest_before),
        largest_after=_largest(cluster for one in every for cluster in one.largest_after),
        examples={kind: _chosen(example for one in every for example in one.examples.get(kind, ())) for kind in Kind},
    )


class Comparison:
    """A comparison of two worlds under way: who answers each of their lines is noted as they are folded."""

    def __init__(self, before: World, after: World, login_types: frozenset[IdentityType]) -> None:
        """`login_types` are those whose values make a user known before or after."""
        self.before: Final = before
        self.after: Final = after
        self._login_types = login_types
        self._flows: defaultdict[tuple[int | None, int | None], int] = defaultdict(int)

    def note(self, before: int | None, after: int | None) -> None:
        """Note who answers the next line in each world."""
        self._flows[before, after] += 1

    def found(self, unreadable: int) -> tuple[Found, "Concerned"]:
        """Return what the worlds come to, and which profiles of before it concerns."""
        reading = _Reading(self.before, self.after, self._login_types, self._flows)
        return reading.found(unreadable), reading.concerned


class Concerned(NamedTuple):
    """Profiles of before: those that part or vanish, and those that are only joined by others."""

    moving: frozenset[int]
    joined: frozenset[int]


class _Reading:
    """What there is to be read of two worlds and the answers of their lines."""

    def __init__(
        self,
        before: World,
        after: World,
        login_types: frozenset[IdentityType],
        flows: Mapping[tuple[int | None, int | None], int],
    ) -> None:
        self._before, self._after = before.records, after.records
        self._flows = flows
        self._lines_before: Counter[int] = Counter()
        self._lines_after: Counter[int] = Counter()
        self._into: defaultdict[int, set[int]] = defaultdict(set)
        self._from: defaultdict[int, set[int]] = defaultdict(set)
        for (one, other), count in flows.items():
            if one is not None:
                self._lines_before[one] += count
            if other is not None:
                self._lines_after[other] += count
            if one is not None and other is not None:
                self._into[one].add(other)
                self._from[other].add(one)
        self._parted = {one for one, others in self._into.items() if len(others) > 1}
        self._joined_into = {other for other, ones in self._from.items() if len(ones) > 1}
        self._joined = {one for other in self._joined_into for one in self._from[other]}
        self._vanished = {one.mpid for one in self._before if self._after.record(one.mpid) is None}
        self._appeared = {one.mpid for one in self._after if self._before.record(one.mpid) is None}
        self._moved = {one.mpid for one in self._before if one.known and self._moves(one, login_types)}

    @property
    def concerned(self) -> Concerned:
        moving = frozenset(self._parted | self._vanished)
        return Concerned(moving, frozenset(self._joined) - moving)

    def _moves(self, user: Record, login_types: frozenset[IdentityType]) -> bool:
        if user.mpid in self._vanished:
            return True
        for kind in login_types & user.identities.keys():
            for value in user.identities[kind]:
                holders = self._after.holding.get((kind, value), user.mpid)
                if user.mpid not in (holders if isinstance(holders, set) else (holders,)):
                    return True
        return False

    def found(self, unreadable: int) -> Found:
        return Found(
            observations=sum(self._flows.values()),
            answered_otherwise=sum(count for (one, other), count in self._flows.items() if one != other),
            unreadable=unreadable,
            before=len(self._before),
            after=len(self._after),
            known_before=sum(one.known for one in self._before),
            known_after=sum(one.known for one in self._after),
            changed=sum(1 for _ in self._changed()),
            joined=len(self._joined),
            joined_into=len(self._joined_into),
            parted=len(self._parted),
            parted_into=len({other for one in self._parted for other in self._into[one]}),
            appeared=len(self._appeared),
            vanished=len(self._vanished),
            moved=len(self._moved),
            largest_before=_largest(map(self._cluster_before, _candidates(self._before, self._lines_before))),
            largest_after=_largest(map(self._cluster_after, _candidates(self._after, self._lines_after))),
            examples=self._examples(),
        )

    def _changed(self) -> Iterable[int]:
        """Yield the profiles that are there before and after, and not the same."""
        for one in self._before:
            other = self._after.record(one.mpid)
            if other is not None and not lasts_as(one, other):
                yield one.mpid

    def _examples(self) -> Mapping[Kind, tuple[Example, ...]]:
        return {
            Kind.JOINED: self._after_examples(self._joined_into),
            Kind.PARTED: self._before_examples(self._parted),
            Kind.APPEARED: self._after_examples(self._appeared),
            Kind.VANISHED: self._before_examples(self._vanished),
            Kind.MOVED: self._before_examples(self._moved),
        }

    def _before_examples(self, mpids: Iterable[int]) -> tuple[Example, ...]:
        lines = self._lines_before
        return tuple(
            Example(one, lines[one], (self._cluster_before(one),), _some(map(self._cluster_after, self._into[one])))
            for one in _most(mpids, lines)
        )

    def _after_examples(self, mpids: Iterable[int]) -> tuple[Example, ...]:
        lines = self._lines_after
        return tuple(
            Example(one, lines[one], _some(map(self._cluster_before, self._from[one])), (self._cluster_after(one),))
            for one in _most(mpids, lines)
        )

    def _cluster_before(self, mpid: int) -> Cluster:
        return _cluster(mpid, self._before.record(mpid), self._lines_before[mpid])

    def _cluster_after(self, mpid: int) -> Cluster:
        return _cluster(mpid, self._after.record(mpid), self._lines_after[mpid])


def _cluster(mpid: int, record: Record | None, lines: int) -> Cluster:
    if record is None:
        return Cluster(mpid, known=False, size=0, observations=lines, identities=())
    shown = tuple(one for one, _ in zip(record.lookups(), range(IDENTITIES_SHOWN), strict=False))
    return Cluster(mpid, record.known, record.size, lines, shown)


def _rank(cluster: Cluster) -> tuple[int, int, int]:
    return -cluster.size, -cluster.observations, cluster.mpid


def _largest(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    return tuple(nsmallest(CLUSTERS_SHOWN, clusters, key=_rank))


def _candidates(records: Iterable[Record], lines: Mapping[int, int]) -> Iterable[int]:
    """Return the profiles that can be among the largest, without looking at what is shown of the others."""
    best = nsmallest(CLUSTERS_SHOWN, records, key=lambda one: (-one.size, -lines.get(one.mpid, 0), one.mpid))
    return [one.mpid for one in best]


def _some(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    return tuple(nsmallest(PROFILES_SHOWN, clusters, key=_rank))


def _most(mpids: Iterable[int], lines: Mapping[int, int]) -> Sequence[int]:
    """Return the profiles that answer most, as many as are shown."""
    return nsmallest(EXAMPLES_SHOWN, mpids, key=lambda mpid: (-lines.get(mpid, 0), mpid))


def _chosen(examples: Iterable[Example]) -> tuple[Example, ...]:
    """Return the examples that are shown of those of several components, in an order that all agree on."""
    return tuple(nsmallest(EXAMPLES_SHOWN, examples, key=lambda one: (-one.observations, one.subject)))
