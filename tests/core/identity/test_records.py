"""Who holds an identity, also where it is on ten thousand profiles (design §9)."""

import pytest

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.core.identity.records import NOBODY, Holders, Records, considered
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, HOLDERS_SHOWN_MAX
from tests.core.pool import Pool, rules

T = IdentityType
DEVICE = Identity(T.IOS_IDFV, "d")


def record(mpid: int, active_ms: int = 0, *, known: bool = False) -> Record:
    """Return a record that holds the device."""
    return Record(mpid, {T.IOS_IDFV: ("d",)}, {}, known=known, created_ms=0, active_ms=active_ms)


def records_of(*held: Record) -> Records:
    """Return records."""
    records = Records()
    records.load(held)
    return records


def test_nobody_holds_what_nobody_has() -> None:
    """An identity that no profile has is held by nobody."""
    assert Records().holders(DEVICE) == NOBODY
    assert records_of(record(1)).holders(Identity(T.IOS_IDFV, "D")) == NOBODY


def test_up_to_sixteen_holders_are_all_considered() -> None:
    """Below the limit everybody counts, known or not, by ascending MPID."""
    held = [record(mpid, known=mpid % 3 == 0) for mpid in range(HOLDERS_CONSIDERED_MAX, 0, -1)]
    assert records_of(*held).holders(DEVICE) == Holders(tuple(range(1, 17)), more=False)


def test_of_a_crowd_the_most_recent_anonymous_profiles_are_considered() -> None:
    """Beyond the limit the sixteen most recently active anonymous profiles count, and four known ones are shown."""
    anonymous = [record(mpid, active_ms=mpid) for mpid in range(1, 101)]
    known = [record(mpid, active_ms=1_000, known=True) for mpid in range(101, 111)]
    holders = records_of(*known, *anonymous).holders(DEVICE)
    assert holders.more
    assert holders.mpids == (*range(85, 101), *range(101, 101 + HOLDERS_SHOWN_MAX))


def test_the_smaller_mpid_is_considered_where_activity_is_the_same() -> None:
    """Of equally recent profiles the smaller MPIDs count, so that no store can choose."""
    holders = considered([record(mpid) for mpid in range(-50, 0)], lambda held: held.active_ms)
    assert holders == Holders(tuple(range(-50, -34)), more=True)


def test_a_value_known_to_be_crowded_stays_so() -> None:
    """What a store loaded of a crowd is told as a part of it."""
    records = Records()
    records.load([record(1)], crowded=[DEVICE])
    assert records.holders(DEVICE) == Holders((1,), more=True)


def test_a_visit_moves_a_profile_into_consideration() -> None:
    """Activity counts without a change of the record, and never runs backwards."""
    records = records_of(*(record(mpid, active_ms=mpid) for mpid in range(1, 101)))
    records.saw(1, 1_000)
    records.saw(1, 500)
    first = records.record(1)
    assert first is not None
    assert (first.active_ms, records.active_ms(first)) == (1, 1_000)
    assert 1 in records.holders(DEVICE).mpids
    assert 85 not in records.holders(DEVICE).mpids


def test_applying_a_write_moves_holders() -> None:
    """A value that left a profile no longer leads to it, one that came does."""
    before = record(1)
    records = records_of(before)
    after = Record(1, {T.EMAIL: ("e",)}, {}, known=False, created_ms=0, active_ms=1)
    records.apply([RecordWrite(before, after)])
    assert records.holders(DEVICE) == NOBODY
    assert records.holders(Identity(T.EMAIL, "e")) == Holders((1,), more=False)
    assert records.record(1) == after
    assert len(records) == 1


def test_loading_never_overwrites_what_is_there() -> None:
    """A batch's own changes win over what a store loads later."""
    records = records_of(record(1, active_ms=5))
    records.load([record(1, active_ms=1), record(2)])
    assert [(one.mpid, one.active_ms) for one in records] == [(1, 5), (2, 0)]


@pytest.mark.parametrize("calls", [1, 3])
def test_a_profile_made_a_moment_ago_is_visited_without_a_write(calls: int) -> None:
    """Within one batch, too, a visit that changes nothing writes nothing: no version of a store is needed for that."""
    pool = Pool(rules())
    pool.identify(ios_idfv="d")
    made = pool.decision
    # As a batch does it: the decision's own writes, which no store has numbered yet.
    pool.records = Records()
    pool.records.apply(made.writes)
    for _ in range(calls):
        pool.identify(ios_idfv="d")
        assert pool.decision.writes == ()
