"""Which profiles of a log are put together, and into which shares."""

from array import array
from random import Random

import numpy as np
import pytest

from knownas.batch import folding_groups
from knownas.batch.folding_groups import Groups, Noted, Numbers, groups_of, joined_by, shares_of
from knownas.core.history.components import join, names, root_of
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
)
from knownas.service.identity.log_form import observation_bytes
from knownas.store.whole import Line

TYPES = frozenset({IdentityType.EMAIL, IdentityType.CUSTOMER_ID})
KINDS = (IdentityType.EMAIL, IdentityType.CUSTOMER_ID, IdentityType.GOOGLE)
PARTS = 3
Logged = tuple[Observation, int | None, tuple[int, ...]]


def drawn(chance: Random) -> Logged:
    """Draw a line about few enough profiles and values that some belong together, and not all."""
    mpid = chance.randrange(1, 60)
    touched = (mpid,) if chance.random() < 0.95 else (mpid, chance.randrange(1, 60))
    value = str(chance.randrange(120))
    if chance.random() < 0.2:
        change = IdentityChange(chance.choice(KINDS), value, str(chance.randrange(120)))
        return ModifyRequest(1, Environment.PRODUCTION, "web", mpid, (change,)), None, touched
    kinds = chance.sample(KINDS, chance.randrange(3))
    asked = tuple(Identity(kind, str(chance.randrange(120))) for kind in kinds)
    previous = chance.randrange(1, 60) if chance.random() < 0.03 else None
    request = IdentityRequest(Endpoint.IDENTIFY, 1, Environment.PRODUCTION, "web", asked, previous)
    return request, mpid if chance.random() < 0.5 else None, touched


def noted(log: list[Logged]) -> Noted:
    """Note what the lines of a range share."""
    lines: list[Line] = [
        (seq, 1, 1, made, str(list(touched)).encode(), observation_bytes(observation), bytes(16), None)
        for seq, (observation, made, touched) in enumerate(log)
    ]
    found = Noted(TYPES)
    for start in range(0, len(lines), 7):
        found.add(lines[start : start + 7], [touched for _, _, touched in log[start : start + 7]])
    return found


def together(log: list[Logged]) -> list[int]:
    """Put lines together as a log is, in two ranges and several parts; return the root of each."""
    ranges = [noted(log[: len(log) // 3]), noted(log[len(log) // 3 :])]
    named = [one.named(PARTS) for one in ranges]
    pairs = [one.pairs() for one in ranges] + [joined_by([one[part] for one in named]) for part in range(PARTS)]
    roots: list[int] = groups_of(pairs).roots_of(np.concatenate([one.owners() for one in ranges])).tolist()
    return roots


def expected(log: list[Logged]) -> list[int]:
    """Put lines together one by one, by what the core says that they share; return the first line of each component."""
    parents, first = array("q", range(len(log))), dict[Identity | int, int]()
    for place, (observation, made, touched) in enumerate(log):
        for name in names(observation, made, touched, TYPES):
            join(parents, first.setdefault(name, place), place)
    return [root_of(parents, place) for place in range(len(log))]


def are_alike(one: list[int], other: list[int]) -> bool:
    """Whether two lists of roots put the same lines together."""
    return len(set(one)) == len(set(other)) == len(set(zip(one, other, strict=True)))


def first_unlike(seeds: range) -> int | None:
    """Return the first seed whose lines are put together otherwise than they share something."""
    for seed in seeds:
        chance = Random(seed)
        log = [drawn(chance) for _ in range(chance.randrange(3, 60))]
        if not are_alike(together(log), expected(log)):
            return seed
    return None


def test_lines_are_put_together_as_they_share_something() -> None:
    """Whatever is shared, in whatever range and part: neither more components nor fewer than the core says."""
    assert first_unlike(range(300)) is None


@pytest.mark.parametrize("twin", ["parts apart", "previous forgotten"])
def test_pairs_that_are_overlooked_are_caught(twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: twins that look at each range's identities alone, or forget the previous MPID, are noticed."""
    if twin == "parts apart":

        def alone(named: list[tuple[Numbers, Numbers]]) -> Numbers:
            return np.concatenate([folding_groups.joined_by([one]) for one in named])

        monkeypatch.setitem(globals(), "joined_by", alone)
    else:
        monkeypatch.setattr(folding_groups, "_PREVIOUS", lambda _: None)
    assert first_unlike(range(300)) is not None


def test_a_chain_of_pairs_makes_one_group() -> None:
    """However long it is, and in whatever order its pairs come."""
    chance = Random(1)
    pairs = [(one, one + 1) for one in range(-5_000, 5_000)]
    chance.shuffle(pairs)
    groups = groups_of([np.array(pairs, np.int64).ravel(), np.array([20_000, 30_000], np.int64)])
    assert set(groups.roots_of(np.arange(-5_000, 5_001)).tolist()) == {-5_000}
    assert groups.roots_of(np.array([30_000, 25_000], np.int64)).tolist() == [20_000, 25_000]


def test_profiles_without_a_pair_stand_for_themselves() -> None:
    """Also where there is no pair at all."""
    nobody = groups_of([np.empty(0, np.int64)])
    assert nobody.roots_of(np.array([7, -7], np.int64)).tolist() == [7, -7]
    assert isinstance(nobody, Groups)


def test_shares_are_about_equal_however_profiles_are_numbered() -> None:
    """Consecutive, far apart, or below zero: no share gets more than a fifth above its part."""
    for numbers in (np.arange(1, 40_001), np.arange(1, 40_001) * 64, -np.arange(1, 40_001) * 2**33):
        counts = np.bincount(shares_of(numbers, 64), minlength=64)
        assert counts.max() < 40_000 / 64 * 1.2
