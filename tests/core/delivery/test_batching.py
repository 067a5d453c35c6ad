"""Tests which messages go together, and that nothing overtakes what it must not."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.batching import ONE_BY_ONE, Batch, Batching, Later, Waiting, next_batch, overtaken
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    SubscriptionMessage,
)
from tests.core.delivery.messages import ORIGIN, joined, subscribed
from tests.core.delivery.order import MESSAGES, identity, must_stay

NOW_MS = 1_000_000


def waiting(*messages: Message, connection: int = 1, due: int = 0) -> list[Waiting]:
    """Put messages in a row, as they wait for an output."""
    return [placed(seq, one, connection, due) for seq, one in enumerate(messages, 1)]


def placed(seq: int, message: Message | None, connection: int = 1, due_ms: int = 0, mpid: int = 0) -> Waiting:
    """Return a message at its place."""
    about = mpid if message is None else getattr(message, "mpid", None) or 0
    return Waiting(seq, connection, about, message, due_ms)


def one_of(mpid: int, value: int | None = None, at_ms: int = 1) -> MembershipMessage:
    """Return a membership message of a user under an e-mail address, his own unless one is given."""
    own = identity(mpid + 1_000 if value is None else value)
    return replace(joined(f"{mpid}", mpid, at_ms), identities=(own,))


def seqs(batch: Batch | Later | None) -> list[int]:
    """Return what is in the next request."""
    assert isinstance(batch, Batch), batch
    return [one.seq for one in batch.waiting]


_ROWS = st.lists(st.tuples(MESSAGES | st.none(), st.integers(0, 2)), max_size=14).map(
    lambda drawn: [
        placed(seq, message, 0 if isinstance(message, ErasureMessage) else connection, mpid=seq % 3)
        for seq, (message, connection) in enumerate(drawn)
        if not (isinstance(message, SubscriptionMessage) and connection == 0)
    ]
)
_BATCHINGS = st.builds(Batching, st.integers(1, 6), st.just(0.0), st.booleans())


@given(_ROWS, _BATCHINGS, st.data())
def test_nothing_overtakes_what_it_must_not(rows: list[Waiting], batching: Batching, data: st.DataObject) -> None:
    """Whatever has to be tried again, whenever, every message is sent after those that it must not overtake, and all are sent."""
    left = list(rows)
    gone: list[Waiting] = []
    now_ms = NOW_MS
    tries = 0
    while left and tries < 200:
        tries += 1
        batch = next_batch(left, batching, now_ms)
        if not isinstance(batch, Batch):
            unread = [one for one in left if one.message is None]
            assert isinstance(batch, Later) or unread
            now_ms = batch.until_ms if isinstance(batch, Later) else now_ms
            # What can't be read is given up at some time.
            left = [one for one in left if one not in unread[:1]]
            continue
        sent = list(batch.waiting)
        is_alone = any(isinstance(one.message, SubscriptionMessage) for one in sent)
        assert len(sent) <= (1 if is_alone else batching.messages_max)
        assert len({type(one.message) for one in sent}) == 1
        assert batching.is_whole or not any(must_stay(one, other) for one, other in combinations(sent, 2))
        if batching.is_whole:
            again = sent if data.draw(st.integers(0, 3)) == 0 else []
        else:
            again = [one for one in sent if data.draw(st.integers(0, 3)) == 0]
        due_ms = now_ms + data.draw(st.integers(1, 100))
        for one in sent:
            place = left.index(one)
            if one in again:
                left[place] = one._replace(due_ms=due_ms)
            else:
                assert not any(must_stay(one, earlier) for earlier in left[:place] if earlier not in sent), "overtaken"
                gone.append(one)
        left = [one for one in left if one not in gone]
    assert left == [] or tries == 200


def test_the_order_of_the_output_decides() -> None:
    """The oldest go first, as many as fit."""
    rows = waiting(*(one_of(mpid) for mpid in range(1, 6)))
    batch = next_batch(rows, Batching(3), NOW_MS)
    assert seqs(batch) == [1, 2, 3]
    assert isinstance(batch, Batch)
    assert batch.is_full
    assert seqs(next_batch(rows, ONE_BY_ONE, NOW_MS)) == [1]
    assert next_batch([], ONE_BY_ONE, NOW_MS) is None


def test_two_of_a_profile_go_together_only_where_all_or_nothing_is_taken() -> None:
    """Otherwise the first could be tried again after the second was taken."""
    rows = waiting(one_of(1), one_of(2), one_of(1), one_of(3))
    assert seqs(next_batch(rows, Batching(9), NOW_MS)) == [1, 2, 4]
    assert seqs(next_batch(rows, Batching(9, is_whole=True), NOW_MS)) == [1, 2, 3, 4]


def test_a_value_goes_from_one_profile_before_it_comes_to_another() -> None:
    """A message that has to be tried again holds back whoever gets what it takes away."""
    rows = waiting(one_of(1, value=5), one_of(2, value=5), one_of(3))
    held = [rows[0]._replace(due_ms=NOW_MS + 1), *rows[1:]]
    assert seqs(next_batch(held, Batching(9, is_whole=True), NOW_MS)) == [3]
    assert next_batch(held[:2], ONE_BY_ONE, NOW_MS) == Later(NOW_MS + 1)
    assert seqs(next_batch(held, ONE_BY_ONE, NOW_MS + 1)) == [1]


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_connection_is_told_of_before_and_after_all_of_its_members(*, is_whole: bool) -> None:
    """Alone, and without keeping those before it waiting for more."""
    rows = [
        placed(1, subscribed("begin")),
        placed(2, one_of(1, at_ms=NOW_MS)),
        placed(3, one_of(2, at_ms=NOW_MS)),
        placed(4, subscribed("end")),
        placed(5, one_of(3, at_ms=NOW_MS)),
        placed(6, one_of(4, at_ms=NOW_MS), connection=2),
    ]
    batching = Batching(10, 60.0, is_whole)
    assert seqs(next_batch(rows, batching, NOW_MS)) == [1]
    assert seqs(next_batch(rows[1:], batching, NOW_MS)) == [2, 3, 6]
    assert seqs(next_batch(rows[3:], batching, NOW_MS)) == [4]
    assert next_batch(rows[4:], batching, NOW_MS) == Later(NOW_MS + 60_000)
    held = [rows[1]._replace(due_ms=NOW_MS + 5), *rows[2:]]
    assert seqs(next_batch(held[2:], batching, NOW_MS)) == [4]
    assert next_batch(held[:1] + held[2:], batching, NOW_MS) == Later(NOW_MS + 5)


def test_fewer_than_a_full_request_wait_for_the_time_of_the_oldest() -> None:
    """From when the oldest happened; a full one waits for nothing, nor does one whose clock is far ahead."""
    rows = waiting(one_of(1, at_ms=NOW_MS - 400), one_of(2, at_ms=NOW_MS))
    assert next_batch(rows, Batching(3, 1.0), NOW_MS) == Later(NOW_MS + 600)
    assert seqs(next_batch(rows, Batching(3, 1.0), NOW_MS + 600)) == [1, 2]
    assert seqs(next_batch(rows, Batching(2, 1.0), NOW_MS)) == [1, 2]
    ahead = waiting(one_of(1, at_ms=NOW_MS + 10**9))
    assert seqs(next_batch(ahead, Batching(3, 1.0), NOW_MS)) == [1]


def test_another_kind_does_not_wait_for_the_first() -> None:
    """A request has one kind of message; where the first kind still waits for more, a full request of another goes."""
    events = [EventsMessage("e", ORIGIN, mpid, NOW_MS, {}, ()) for mpid in (7, 8)]
    rows = waiting(one_of(1, at_ms=NOW_MS), *events)
    assert seqs(next_batch(rows, Batching(2, 60.0), NOW_MS)) == [2, 3]
    assert next_batch(rows[:2], Batching(2, 60.0), NOW_MS) == Later(NOW_MS + 60_000)


def test_what_can_not_be_read_holds_back_whom_it_is_about() -> None:
    """It is never sent; others go on."""
    rows = [placed(1, None, mpid=1), placed(2, one_of(1)), placed(3, one_of(2))]
    assert seqs(next_batch(rows, Batching(9), NOW_MS)) == [3]
    assert next_batch(rows[:2], Batching(9), NOW_MS) is None


def test_among_some_only_those_are_sent_at_once() -> None:
    """What is not among them stands where it stood, and holds back what must not overtake it."""
    rows = waiting(one_of(1), one_of(2), one_of(1), one_of(3))
    batching = Batching(9, 60.0)
    fresh = [one._replace(message=replace(one.message, at_ms=NOW_MS)) for one in rows if one.message is not None]
    assert seqs(next_batch(fresh, batching, NOW_MS, among={2, 4})) == [2, 4]
    assert next_batch(fresh, batching, NOW_MS, among={3}) is None


def test_more_memberships_than_other_messages_go_into_a_request() -> None:
    """Where a destination takes many members in a request, but events of one user only, each kind has its own number."""
    events = [EventsMessage(f"e{mpid}", ORIGIN, mpid, 1, {}, (identity(mpid),)) for mpid in (11, 12, 13)]
    batching = Batching(2, memberships_max=3)
    rows = waiting(*(one_of(mpid) for mpid in (1, 2, 3, 4)), *events)
    batch = next_batch(rows, batching, NOW_MS)
    assert isinstance(batch, Batch)
    assert (seqs(batch), batch.is_full) == ([1, 2, 3], True)
    assert seqs(next_batch(rows[4:], batching, NOW_MS)) == [5, 6]


def test_it_is_too_late_for_what_was_left_once_another_that_must_not_overtake_it_is_taken() -> None:
    """Of the same user, or of the same value, and behind it; whatever stands before it does no harm."""
    rows = waiting(one_of(1), one_of(2), one_of(1), one_of(3, 1_002))
    assert overtaken(rows[:2], rows[2:]) == {1, 2}
    assert overtaken(rows[2:], rows[:2]) == set()
    assert overtaken(rows[:1], rows[1:2]) == set()
