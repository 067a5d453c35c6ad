"""Rows are in one group if a chain of common names leads from one to the other, and only then."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from knownas.batch.import_grouping import Grouping, Lanes, RowNames
from knownas.batch.import_rows import Content, Reading
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy, policy
from knownas.core.profile.event import Channel
from knownas.service.identity.question import Rules
from tests.batch.files import mapped

ROWS = st.lists(st.lists(st.integers(0, 15), max_size=4), max_size=25)


def grouped(rows: list[list[int]]) -> list[list[int]]:
    """Return the groups of rows with these names."""
    grouping = Grouping()
    for names in rows:
        grouping.add(names)
    return [list(group) for group in grouping.groups()]


def reached(rows: list[list[int]], start: int) -> set[int]:
    """Return the rows that are reached from one, the slow and plain way."""
    found, left = {start}, [start]
    while left:
        names = set(rows[left.pop()])
        for place, other in enumerate(rows):
            if place not in found and names & set(other):
                found.add(place)
                left.append(place)
    return found


@given(ROWS)
def test_a_group_is_what_can_be_reached(rows: list[list[int]]) -> None:
    """By common names, from each of its rows; rows and groups stand in the order of the file."""
    groups = grouped(rows)
    assert sorted(place for group in groups for place in group) == list(range(len(rows)))
    for group in groups:
        assert group == sorted(reached(rows, group[0]))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_a_long_chain_is_one_group() -> None:
    """A hundred thousand rows of which each knows only the next, in both directions."""
    chain = [[number, number + 1] for number in range(100_000)]
    assert [len(group) for group in grouped(chain)] == [100_000]
    assert [len(group) for group in grouped(chain[::-1])] == [100_000]


def test_a_row_is_named_by_what_it_looks_for() -> None:
    """Its identities that are ranked, and its MPID; of a profile that comes over only what is unique, which it claims."""
    best_match = policy(Strategy.PROFILE_LINK, priority=[IdentityType.EMAIL, IdentityType.OTHER])
    email, other, google = (
        Identity(kind, "a") for kind in (IdentityType.EMAIL, IdentityType.OTHER, IdentityType.GOOGLE)
    )
    row = Content(Environment.PRODUCTION, 7, (email, other, google), {})

    def names(*, brings_over: bool) -> list[object]:
        reading = Reading(mapped("columns: {a: ignore}"), Environment.PRODUCTION, Channel.FEED, brings_over)
        return RowNames(reading, Rules("shop", best_match)).of(row)

    assert names(brings_over=False) == [email, other, 7]
    assert names(brings_over=True) == [email, 7]


@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(1, 3))
def test_nobody_is_in_two_lanes_of_a_section(sections: list[list[list[int]]], count: int) -> None:
    """Groups that a chain of names joins, through rows of whatever section so far, are taken by the same process."""
    lanes, so_far = Lanes(count), list[list[int]]()
    for rows in sections:
        grouping = Grouping()
        for names in rows:
            grouping.add(names)
        start = len(so_far)
        so_far += rows
        lane_of = {start + place: lane for lane, group in lanes.of_groups(grouping) for place in group}
        assert sorted(lane_of) == list(range(start, len(so_far)))
        assert set(lane_of.values()) <= set(range(count))
        for place, lane in lane_of.items():
            assert {lane_of[one] for one in reached(so_far, place) if one >= start} == {lane}


def test_lanes_are_loaded_alike() -> None:
    """A thousand users of two rows each, for three processes."""
    grouping = Grouping()
    for number in range(2_000):
        grouping.add([number % 1_000])
    loads = Counter(lane for lane, group in Lanes(3).of_groups(grouping) for _ in group)
    assert max(loads.values()) - min(loads.values()) <= 2
