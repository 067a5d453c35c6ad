"""A weaker definition holds wherever the definition it was made of may hold, and asks for nothing that is not seen."""

from collections.abc import Callable, Sequence
from zlib import crc32

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knownas.core.audience import weakening
from knownas.core.audience.compiled import UNBOUND
from knownas.core.audience.compiling import Compiler
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Expression, Operand, Some, parts_of
from knownas.core.audience.judging import Held, Judge
from knownas.core.audience.weakening import ANYBODY, weakened
from tests.core.audience.definitions import defined
from tests.core.audience.drawn import NOW_MS, Json, definitions, users
from tests.core.audience.subjects import subject_of

MOMENTS_MAX = 10
"""Moments at which it is looked whether a definition holds by then."""

PEOPLE = st.lists(users(), min_size=5, max_size=5)


def seen_by(number: int) -> Callable[[Expression | Operand], bool]:
    """Return who sees two thirds of all parts, which ones follows from a number."""
    return lambda part: crc32(f"{number} {part}".encode()) % 3 != 0


def misses_nobody(definition: Json, people: Sequence[Json], number: int) -> None:
    """Weaken a definition, and judge some users by both."""
    read, is_seen = defined(definition).criteria, seen_by(number)
    weaker = weakened(read, is_seen)
    assert (weaker is read) is all(map(is_seen, parts_of(read)))
    holds, may_hold = Compiler().holds(read), Compiler().holds(weaker)
    for person in people:
        if may_hold(Judge(subject_of(person), NOW_MS), None, UNBOUND) == Held(holds=False):
            at_ms = NOW_MS
            for _ in range(MOMENTS_MAX):
                held = holds(Judge(subject_of(person), at_ms), None, UNBOUND)
                assert not held.holds
                if held.until_ms == NEVER:
                    break
                at_ms = held.until_ms


@settings(max_examples=1_000)
@given(definitions(), PEOPLE, st.integers(0, 2**20))
def test_a_weaker_definition_misses_nobody(definition: Json, people: list[Json], number: int) -> None:
    """Of whom it does not hold now or later, the definition does not either: 5,000 pairs."""
    misses_nobody(definition, people, number)


@settings(max_examples=300)
@given(definitions(), st.integers(0, 2**20))
def test_a_weaker_definition_asks_for_what_is_seen(definition: Json, number: int) -> None:
    """What compares, tests or searches is left out where any part of it is not."""
    read, is_seen = defined(definition).criteria, seen_by(number)
    weaker = weakened(read, is_seen)
    combined = {"Every", "Some", "Not"}
    left = [part for part in parts_of(weaker) if type(part).__name__ not in combined]
    assert all(map(is_seen, left))


def test_a_definition_of_which_nothing_is_seen_holds_of_anybody() -> None:
    """Whatever it asks."""
    asked = {"operator": "equals", "left": {"model": "user", "path": "plan"}, "right": "gold"}
    read = defined({"schema_version": "1.6.0", "audience": {"operator": "not", "expression": asked}})
    assert weakened(read.criteria, lambda _: False) is ANYBODY


def test_weakening_that_leaves_out_a_way_in_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: of two ways to belong, one that is not seen can't be left out."""
    careful = weakened

    def forgetful(expression: Expression, is_seen: Callable[[Expression | Operand], bool]) -> Expression:
        if isinstance(expression, Some):
            seen = tuple(one for one in expression.expressions if careful(one, is_seen) is one)
            return Some(expression.place, seen) if seen else ANYBODY
        return careful(expression, is_seen)

    monkeypatch.setattr(weakening, "weakened", forgetful)
    monkeypatch.setitem(misses_nobody.__globals__, "weakened", forgetful)
    with pytest.raises(AssertionError):
        settings(max_examples=1_000, phases=[Phase.generate], derandomize=True)(
            given(definitions(), PEOPLE, st.integers(0, 2**20))(misses_nobody)
        )()
