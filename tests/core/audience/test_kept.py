"""What is made of a part is made once for it, and never taken for what was made of another."""

import pytest

from knownas.core.audience import kept
from knownas.core.audience.expression import Literal
from knownas.core.audience.kept import Kept


def test_each_part_has_its_own() -> None:
    """Also of two that say the same."""
    made: list[Literal] = []

    def make(one: Literal) -> int:
        made.append(one)
        return len(made)

    of_parts, parts = Kept(make), [Literal((1,)), Literal((1,))]
    assert [of_parts.of(one) for one in (*parts, *parts)] == [1, 2, 1, 2]


def test_a_part_that_is_gone_leaves_nothing_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come: parts of the same place in memory are other ones."""
    monkeypatch.setattr(kept, "KEPT_MAX", 3)
    of_parts: Kept[Literal, tuple[object, ...]] = Kept(lambda one: one.values)
    assert all(of_parts.of(Literal((number,))) == (number,) for number in range(100))
