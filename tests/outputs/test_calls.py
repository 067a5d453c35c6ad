"""Promises about the calls that one request's worth of messages takes: what was taken is told, what was not is told as well."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Taken, Trouble
from knownas.outputs.calls import Call, Remembered, chunks, count_of, members_of, outcome_of
from knownas.outputs.posting import Answer
from knownas.outputs.refusing import Refusal

BUSY, BAD, SHUT = NotNow(Trouble.BUSY, "busy", 9.0), NotThis("bad"), NotAtAll("shut")
Step = tuple[Sequence[str], Taken | Refusal]


async def outcome(*steps: Step, refused: dict[str, str] | None = None) -> tuple[object, int]:
    """Return what comes of calls with these messages and outcomes, and how many of them are made."""
    made = 0

    def call(messages: Sequence[str], result: Taken | Refusal) -> Call:
        async def make() -> Taken | Refusal:
            nonlocal made
            made += 1
            return result

        return Call(frozenset(messages), make)

    return await outcome_of([call(*step) for step in steps], refused), made


async def test_all_taken_is_taken() -> None:
    """What each call refuses, keeps or wants again is that of all; no call at all is taken."""
    assert await outcome() == (Taken(), 0)
    one = ("ab", Taken({"a": "x"}, {"b": "later"}))
    assert await outcome(one, ("c", Taken(kept={"k": 1}))) == (Taken({"a": "x"}, {"b": "later"}, {"k": 1}), 2)
    assert await outcome(refused={"z": "no"}) == (Taken({"z": "no"}), 0)


async def test_what_comes_before_a_failure_is_kept() -> None:
    """Messages of earlier calls are taken, those of the failed call and of all after it are sent again."""
    for failure in (BUSY, BAD, SHUT):
        told = await outcome(("ab", Taken()), ("bc", failure), ("d", Taken()))
        assert told == (Taken(again=dict.fromkeys("bcd", failure.detail)), 2)


async def test_a_failure_before_anything_is_taken_is_the_outcome() -> None:
    """With no message answered for, the failure is told as it is: with its wait, or as what stops the output."""
    for failure in (BUSY, BAD, SHUT):
        assert await outcome(("ab", failure), ("c", Taken())) == (failure, 1)
        assert await outcome(("a", Taken()), ("a", failure)) == (
            (failure, 2) if failure is not BAD else (Taken({"a": "bad"}), 2)
        )
        assert await outcome(("a", failure)) == (failure, 1)
    assert await outcome(("a", BUSY), ("b", Taken()), refused={"z": "no"}) == (BUSY, 1)


async def test_a_single_message_that_is_refused_keeps_nobody() -> None:
    """A call with one message that is refused for what is in it does not stop the others; what else it is in is not sent."""
    assert await outcome(("a", BAD), ("b", Taken()), ("a", Taken())) == (Taken({"a": "bad"}), 2)
    assert await outcome(("a", BAD), ("bc", BUSY)) == (Taken({"a": "bad"}, dict.fromkeys("bc", "busy")), 2)


outcomes = st.sampled_from([Taken(), BUSY, BAD, SHUT])
steps = st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), outcomes), max_size=5)


@given(steps)
async def test_no_message_is_lost_or_told_twice(drawn: list[Step]) -> None:
    """A message is told as taken only if every call that it is in was; and it is refused, or sent again, but never both."""
    told, made = await outcome(*drawn)
    if not isinstance(told, Taken):
        return
    assert not told.refused.keys() & told.again.keys()
    answered = {one for messages, _ in drawn for one in messages} - told.refused.keys() - told.again.keys()
    for messages, result in drawn:
        if answered & set(messages):
            assert result == Taken()
    assert made <= len(drawn)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"))), st.integers(1, 4))
def test_what_was_taken_last_is_remembered(taken: list[list[str]], most: int) -> None:
    """No more is remembered than may be, and what was taken last is."""
    remembered = Remembered(most)
    for keys in taken:
        remembered.add(keys)
        assert not keys or keys[-1] in remembered or keys[-1] in keys[:-1]
    assert sum(key in remembered for key in "abcdefgh") <= most


@given(st.lists(st.integers()), st.integers(1, 5))
def test_chunks_are_all_in_order(items: list[int], most: int) -> None:
    """Nothing is left out, and none has more than it may."""
    parts = list(chunks(items, most))
    assert [one for part in parts for one in part] == items
    assert all(1 <= len(part) <= most for part in parts)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'"x"', b"[" * 100_000, b"\xff"], ids=range(7))
def test_what_is_no_object_has_no_members(body: bytes) -> None:
    """Whatever an answer is, reading it does not fail."""
    assert members_of(Answer(200, {}, body, is_whole=True)) is None


def test_members_are_read_from_whole_answers_only() -> None:
    """An answer that was not read to its end says nothing."""
    body = msgspec.json.encode({"a": 1})
    assert members_of(Answer(200, {}, body, is_whole=True)) == {"a": 1}
    assert members_of(Answer(200, {}, body, is_whole=False)) is None
    assert [count_of({"n": value}, "n") for value in (0, 7, -1, True, 1.0, "1")] == [0, 7, None, None, None, None]
