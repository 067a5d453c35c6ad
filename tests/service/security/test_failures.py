"""Who sends wrong secrets has to wait, and nobody else has."""

from knownas.service.security.failures import FAILURES_IN_A_ROW_MAX, SECONDS_A_FAILURE, Failures


def attempts(failures: Failures[str], who: str, now: float, count: int) -> list[bool]:
    """Make wrong attempts; tell of each whether it was let through."""
    made: list[bool] = []
    for _ in range(count):
        made.append(failures.wait(who, now) == 0)
        if made[-1]:
            failures.failed(who, now)
    return made


def test_so_many_in_a_row_then_one_at_a_time() -> None:
    """Ten wrong secrets at once, then one every ten seconds, and others are not held up by it."""
    failures = Failures[str]()
    assert attempts(failures, "ann", 0.0, FAILURES_IN_A_ROW_MAX + 2) == [True] * FAILURES_IN_A_ROW_MAX + [False] * 2
    assert 0 < failures.wait("ann", 1.0) < SECONDS_A_FAILURE
    assert failures.wait("bob", 1.0) == 0
    assert attempts(failures, "ann", SECONDS_A_FAILURE, 2) == [True, False]


def test_the_right_secret_ends_the_count() -> None:
    """Whoever mistypes now and then never waits."""
    failures = Failures[str](3)
    for _ in range(5):
        assert attempts(failures, "ann", 0.0, 2) == [True, True]
        failures.succeeded("ann")
    failures.succeeded("somebody who never failed")
