"""Tests the search for the message because of which a request is refused."""

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.splitting import WHOLE, Parts, halved


def sent(count: int, poison: Collection[int]) -> tuple[list[int], list[int], int]:
    """Send so many messages to somebody who refuses each request with a poisonous one: the taken, the dead, and how many requests."""
    waiting = list(range(count))
    taken: list[int] = []
    dead: list[int] = []
    parts: Parts = WHOLE
    requests = 0
    while waiting:
        request = tuple(one for one in parts[0] if one in waiting) if parts else tuple(waiting)
        if not request:
            parts = parts[1:]
            continue
        requests += 1
        if poison and not set(poison).isdisjoint(request):
            if len(request) > 1:
                parts = halved(parts, request)
                continue
            dead += request
        else:
            taken += request
        waiting = [one for one in waiting if one not in request]
    return taken, dead, requests


@given(st.integers(1, 200), st.sets(st.integers(0, 199)))
def test_the_poisonous_are_found_and_all_others_arrive_in_order(count: int, drawn: set[int]) -> None:
    """Exactly those that nobody takes are given up, however many they are, with no more requests than twice the messages."""
    poison = {one for one in drawn if one < count}
    taken, dead, requests = sent(count, poison)
    assert dead == sorted(poison)
    assert taken == [one for one in range(count) if one not in poison]
    assert requests <= 2 * count - 1


def test_one_among_a_thousand_is_found_quickly() -> None:
    """A single one costs two requests for each doubling."""
    assert max(sent(1_000, {one})[2] for one in (0, 499, 731, 999)) <= 21


def test_halves_come_first_and_in_order() -> None:
    """The first half is the larger one of an odd number."""
    parts = halved(halved(WHOLE, [1, 2, 3, 4, 5]), [1, 2, 3])
    assert parts == ((1, 2), (3,), (1, 2, 3), (4, 5))
