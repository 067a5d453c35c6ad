"""Says what a promise's test found: kept, or broken and how. Needs no test framework."""

from collections.abc import Awaitable, Iterator
from typing import Final

from knownas.store.errors import StoreError
from knownas.store.port import CommitOutcome, Committed, Conflict

TURNS_MAX: Final = 2_000
"""How often a promise's test asks for what comes next: more often than there is anything that it has kept."""


def turns() -> Iterator[int]:
    """Count the turns of a loop that ends by what a store answers.

    Raises:
        AssertionError: after `TURNS_MAX` of them it still has not.
    """
    yield from range(TURNS_MAX)
    raise AssertionError(f"there is more to come after {TURNS_MAX} times")


def same(found: object, wanted: object, what: str) -> None:
    """Compare what a store answered with what it should have.

    Raises:
        AssertionError: they differ.
    """
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def is_so(found: object, what: str) -> None:
    """Check that a store answered yes.

    Raises:
        AssertionError: it did not.
    """
    same(found, wanted=True, what=what)


def is_not_so(found: object, what: str) -> None:
    """Check that a store answered no.

    Raises:
        AssertionError: it did not.
    """
    same(found, wanted=False, what=what)


def was_kept(outcome: CommitOutcome, what: str = "the commit") -> None:
    """Check that a commit was carried out.

    Raises:
        AssertionError: it was not.
    """
    match outcome:
        case Committed():
            return
        case Conflict(met):
            raise AssertionError(f"{what} should have been kept, and met a conflict: {met}")


def was_refused(outcome: CommitOutcome, what: str) -> None:
    """Check that a commit met a conflict.

    Raises:
        AssertionError: it was carried out.
    """
    match outcome:
        case Conflict():
            return
        case Committed():
            raise AssertionError(f"{what} should have met a conflict, and was kept")


async def fails_with(error: type[StoreError], call: Awaitable[object], what: str) -> None:
    """Check that a call fails with an error of the store's vocabulary.

    Raises:
        AssertionError: it came back with an answer.
    """
    try:
        answer = await call
    except error:
        return
    raise AssertionError(f"{what} should have raised {error.__name__}, and answered {answer!r}")
