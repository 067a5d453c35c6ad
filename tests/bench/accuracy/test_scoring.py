"""Counting pairs by tables gives what listing every pair gives."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from bench.accuracy.contenders import CONTENDERS, Contender
from bench.accuracy.playing import Sent, play
from bench.accuracy.scoring import Pairs, pairs, score
from bench.accuracy.world import Standing, Step, World, world
from knownas.core.identity.observation import Endpoint
from tests.bench.accuracy.worlds import TROUBLED
from tests.bench.accuracy.worlds import TROUBLED as ANY


def listed(events: Sequence[tuple[int, int]]) -> Pairs:
    """Count pairs of events, each a person and a profile, one by one."""
    both = together = one_person = 0
    for (person, profile), (other_person, other_profile) in combinations(events, 2):
        together += profile == other_profile
        one_person += person == other_person
        both += profile == other_profile and person == other_person
    return Pairs(both, together, one_person)


@pytest.mark.parametrize("seed", range(60))
def test_pairs_are_counted_as_if_listed(seed: int) -> None:
    """Random cells, repeated ones too, give the numbers of pairs that a list of all pairs has."""
    random = Random(seed)
    size = random.randint(1, 6)
    cells = [(random.randrange(size), random.randrange(size), random.randrange(5)) for _ in range(random.randrange(15))]
    events = [(person, profile) for person, profile, count in cells for _ in range(count)]
    assert pairs(cells) == listed(events)


def test_one_profile_for_all_recalls_everything() -> None:
    """Two people with two events each on one profile: a third of the pairs belongs together, and none is missed."""
    found = pairs([(1, 7, 2), (2, 7, 2)])
    assert (found.precision, found.recall, found.f1) == (2 / 6, 1.0, 0.5)


def test_a_profile_for_each_event_joins_nothing_wrong() -> None:
    """What joins nothing has joined nothing wrong, and has missed everything."""
    found = pairs([(1, 1, 1), (1, 2, 1), (2, 3, 1)])
    assert (found.precision, found.recall, found.f1) == (1.0, 0.0, 0.0)


def test_nothing_at_all_is_perfect() -> None:
    """Where there are no pairs, none is wrong and none is missed."""
    found = pairs([])
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda one: one.name)
def test_a_world_is_scored_as_if_listed(contender: Contender) -> None:
    """All scores of a small world, in every reading, are what going through its events one by one gives."""
    lived = world(replace(TROUBLED, people=12, days=20), 5)
    played = play(lived.steps, contender.policy)
    for reading in contender.readings:
        profiles = reading.profiles(played)
        found = score(lived, played.sent, profiles)
        events = [(one, profile) for one, profile in zip(played.sent, profiles, strict=True) for _ in range(one.events)]
        assert found.of_people == listed([(one.person, profile) for one, profile in events])
        assert found.of_households == listed([(lived.households[one.person], profile) for one, profile in events])
        assert found.profiles == len({profile for _, profile in events})
        mixed = [{one.person for one, at in events if at == profile} for _, profile in events]
        assert found.most_people == max(map(len, mixed))
        assert found.largest == max(sum(at == profile for _, at in events) for _, profile in events)
        on = {(one.person, profile) for one, profile in events}
        assert found.profiles_a_person == len(on) / len({person for person, _ in on})


def test_history_is_recovered_where_the_person_is_logged_in() -> None:
    """Recovered is what lies on the profile that has most of a person's logged-in events, before and after that."""

    def step(at_ms: int, person: int, standing: Standing) -> Step:
        return Step(at_ms, person, 1, "stamp", Endpoint.IDENTIFY, (), (), standing)

    def sent(at_ms: int, person: int, standing: Standing, events: int) -> Sent:
        return Sent(person, 0, at_ms, "stamp", standing, events)

    anonymous, own, others = Standing.ANONYMOUS, Standing.OWN, Standing.OTHERS
    told = [
        (1, 0, anonymous, 3, 10),  # before the first login, on the profile
        (2, 0, anonymous, 2, 11),  # before it, elsewhere
        (3, 0, own, 4, 10),
        (4, 0, own, 1, 11),
        (5, 0, anonymous, 5, 12),  # after it, elsewhere
        (6, 0, anonymous, 1, 10),  # after it, on the profile
        (7, 0, others, 9, 13),  # somebody else was logged in: no anonymous history
        (8, 1, anonymous, 7, 10),  # somebody who never logs in has no profile to come to
    ]
    lived = World(ANY, [step(at_ms, person, standing) for at_ms, person, standing, _, _ in told], [0, 1])
    rows = [sent(at_ms, person, standing, events) for at_ms, person, standing, events, _ in told]
    found = score(lived, rows, [profile for *_, profile in told])
    assert found.before_sign_in == (3, 5)
    assert found.signed_out == (4, 11)
