"""Names are drawn from a secret: unguessable, never two alike, and the same again when a step is repeated."""

import random

from knownas.batch.backfill.names import Names

SECRET, OTHER = bytes(32), bytes([1]) + bytes(31)
MANY = 50_000


def test_no_two_rows_make_profiles_of_one_mpid() -> None:
    """The MPIDs of very many rows, near each other and far apart, are all different, positive and of 62 bits."""
    chance = random.Random(1)
    numbers = list(dict.fromkeys([*range(1, MANY), *(chance.randrange(1, 1 << 62) for _ in range(MANY))]))
    found = Names(SECRET).mpids(numbers)
    assert len(set(found)) == len(numbers)
    assert all(0 < one < 1 << 62 for one in found)


def test_names_are_repeated_by_their_secret_alone() -> None:
    """The same row has the same names again, in whatever company it is asked for; another secret gives others."""
    numbers, times = [5, 6, 7], [1_700_000_000_000] * 3
    mine, again, others = Names(SECRET), Names(SECRET), Names(OTHER)
    assert mine.mpids(numbers)[1:2] == again.mpids([6]) != others.mpids([6])
    assert (
        mine.decision_ids(numbers, times)[1:2]
        == again.decision_ids([6], times[:1])
        != others.decision_ids([6], times[:1])
    )


def test_decision_ids_sort_by_time() -> None:
    """The id of a later decision is larger, whatever its row's number; ids have 16 bytes."""
    first, second = Names(SECRET).decision_ids([9, 1], [1_000, 1_001])
    assert first < second
    assert len(first) == len(second) == 16


def test_each_bit_of_an_mpid_is_drawn() -> None:
    """Of a thousand rows in a row, every bit is set in about half of the MPIDs."""
    found = Names(SECRET).mpids(range(1, 1_001))
    assert all(400 < sum(one >> bit & 1 for one in found) < 600 for bit in range(62))
