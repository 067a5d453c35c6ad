"""Reads what the conformance suite says of a store that breaks promises."""

from fractions import Fraction
from typing import Final

HALF: Final = Fraction(1, 2)
MOST: Final = Fraction(3, 4)
"""For a part with few promises, most of which begin with writing something."""


def names_what_is_broken(report: ExceptionGroup[Exception], promises: int, share_max: Fraction = HALF) -> None:
    """Check that a report on a store with one thing wrong names the promises, and that they are less than this share of all."""
    broken = report.exceptions
    assert any(isinstance(error, AssertionError) for error in broken)
    assert all("the promise test_" in error.__notes__[0] for error in broken)
    assert len(broken) < promises * share_max, "it is broken in one way, not in all"
