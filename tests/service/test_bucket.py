"""How often something may happen: the bucket by itself."""

import pytest

from knownas.service.bucket import Bucket


def test_a_bucket_holds_a_burst_and_fills_at_its_rate() -> None:
    """Eight a second with bursts of two seconds: sixteen at once, then one every eighth of a second."""
    bucket = Bucket(8, 2, 100.0)
    assert [bucket.take(100.0) for _ in range(16)] == [0.0] * 16
    assert bucket.take(100.0) == 0.125
    assert bucket.take(100.0625) == 0.0625
    assert bucket.take(100.125) == 0.0
    assert bucket.take(100.125) == 0.125


def test_a_bucket_never_holds_more_than_a_burst() -> None:
    """A night of silence saves up no more than two seconds' worth."""
    bucket = Bucket(10, 2, 0.0)
    assert [bucket.take(100_000.0) for _ in range(21)].count(0.0) == 20


def test_a_refused_request_costs_nothing() -> None:
    """Asking again too early makes nobody wait longer."""
    bucket = Bucket(1, 1, 0.0)
    assert bucket.take(0.0) == 0.0
    assert [bucket.take(0.5) for _ in range(100)] == [pytest.approx(0.5)] * 100
    assert bucket.take(1.0) == 0.0


def test_a_slow_bucket_holds_one() -> None:
    """A rate below one in a burst still lets single requests through."""
    bucket = Bucket(0.1, 2, 0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(10.0)
    assert bucket.take(10.0) == 0.0


def test_a_clock_that_stands_still_or_jumps_back_gives_nothing() -> None:
    """No token appears without time passing."""
    bucket = Bucket(1, 1, 10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(10.0) > 0
    assert bucket.take(5.0) > 0


def test_the_percentage_grows_with_use() -> None:
    """It tells how much of the burst is used, from the first request to the last, rounded up."""
    bucket = Bucket(3, 1, 0.0)
    assert bucket.percentage_used == 0
    told: list[int] = []
    for _ in range(3):
        bucket.take(0.0)
        told.append(bucket.percentage_used)
    assert told == [34, 67, 100]
