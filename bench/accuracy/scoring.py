"""Scores a clustering of events: how far profiles are persons, counted over pairs of events without listing any.

Precision is the share of the pairs on one profile that are one person's; recall is the share of the pairs of one
person that are on one profile; F1 is their harmonic mean. All three follow from how many events of each person each
profile has.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.accuracy.playing import Sent
from bench.accuracy.world import Standing, World


class Pairs(NamedTuple):
    """Numbers of pairs of events: on one profile and of one person, on one profile, of one person."""

    both: int
    together: int
    one_person: int

    @property
    def precision(self) -> float:
        """The share of joined pairs that belong together; 1 if nothing was joined."""
        return self.both / self.together if self.together else 1.0

    @property
    def recall(self) -> float:
        """The share of pairs that belong together which were joined; 1 if nothing belongs together."""
        return self.both / self.one_person if self.one_person else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        pairs = self.together + self.one_person
        return 2 * self.both / pairs if pairs else 1.0


def pairs(cells: Iterable[tuple[int, int, int]]) -> Pairs:
    """Count pairs of events from cells of (person, profile, events); a pair of person and profile may come again."""
    both: Counter[tuple[int, int]] = Counter()
    persons: Counter[int] = Counter()
    profiles: Counter[int] = Counter()
    for person, profile, events in cells:
        both[person, profile] += events
        persons[person] += events
        profiles[profile] += events
    return Pairs(_pairs_in(both.values()), _pairs_in(profiles.values()), _pairs_in(persons.values()))


def _pairs_in(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


class Recovered(NamedTuple):
    """Anonymous events that could have come to a person's profile, and those that did."""

    came: int
    of: int

    @property
    def share(self) -> float:
        """The share that came; 1 if there were none."""
        return self.came / self.of if self.of else 1.0


class Scores(NamedTuple):
    """How one strategy did in one world.

    `before_sign_in` counts the anonymous events before a person's first login, `signed_out` all of their anonymous
    events, also the later ones on another device. `profiles_a_person` is the mean number of profiles that a person's
    events are on. `largest` is the number of events of the largest profile, `most_people` the most persons whose
    events are on one profile. `of_households` counts pairs as if a household were one person.
    """

    of_people: Pairs
    of_households: Pairs
    before_sign_in: Recovered
    signed_out: Recovered
    profiles: int
    profiles_a_person: float
    largest: int
    most_people: int

    def document(self) -> dict[str, float]:
        """Return the scores for the report."""
        return {
            "precision": round(self.of_people.precision, 4),
            "recall": round(self.of_people.recall, 4),
            "f1": round(self.of_people.f1, 4),
            "household_precision": round(self.of_households.precision, 4),
            "household_recall": round(self.of_households.recall, 4),
            "household_f1": round(self.of_households.f1, 4),
            "recovered_before_first_login": round(self.before_sign_in.share, 4),
            "recovered_signed_out": round(self.signed_out.share, 4),
            "profiles": self.profiles,
            "profiles_a_person": round(self.profiles_a_person, 3),
            "largest_profile_events": self.largest,
            "most_people_on_a_profile": self.most_people,
        }


def score(lived: World, sent: Sequence[Sent], profiles: Sequence[int]) -> Scores:
    """Score where the events are: `profiles` names the profile of each entry of `sent`."""
    households = lived.households
    rows = list(zip(sent, profiles, strict=True))
    sizes: Counter[int] = Counter()
    people_on: defaultdict[int, set[int]] = defaultdict(set)
    for one, profile in rows:
        sizes[profile] += one.events
        people_on[profile].add(one.person)
    before_sign_in, signed_out = _recovered(lived, rows)
    return Scores(
        pairs((one.person, profile, one.events) for one, profile in rows),
        pairs((households[one.person], profile, one.events) for one, profile in rows),
        before_sign_in,
        signed_out,
        len(sizes),
        sum(map(len, people_on.values())) / len({one.person for one in sent}) if sent else 0.0,
        max(sizes.values(), default=0),
        max(map(len, people_on.values()), default=0),
    )


def _recovered(lived: World, rows: Sequence[tuple[Sent, int]]) -> tuple[Recovered, Recovered]:
    """Count the anonymous events of those who ever logged in that ended on their profile: before that, and in all.

    A person's profile is the one that has most of the events of their logged-in visits, the smaller one of two.
    """
    first_login: dict[int, int] = {}
    for step in lived.steps:
        if step.standing is Standing.OWN:
            first_login.setdefault(step.person, step.at_ms)
    at_home: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for one, profile in rows:
        if one.standing is Standing.OWN:
            at_home[one.person][profile] += one.events
    home = {person: min(seen, key=lambda mpid: (-seen[mpid], mpid)) for person, seen in at_home.items()}
    before, later = Counter[bool](), Counter[bool]()
    for one, profile in rows:
        if one.standing is Standing.ANONYMOUS and one.person in home:
            came = profile == home[one.person]
            counts = before if one.at_ms < first_login[one.person] else later
            counts[came] += one.events
    both = before + later
    return Recovered(before[True], before.total()), Recovered(both[True], both.total())
