"""Makes of a definition what can be asked of somebody of whom not all is known: it holds wherever the definition may hold, and elsewhere now and then.

So whoever goes over many users can look at the little that is quickly read of each. Of whom the weaker definition does not hold, and won't by
time alone, the definition does not either; only the others have to be looked at more closely.
"""

from collections.abc import Callable
from typing import Final

from knownas.core.audience.expression import Every, Expression, Not, Operand, Some, parts_of

ANYBODY: Final = Every("", ())
"""Holds of everybody."""


def weakened(expression: Expression, is_seen: Callable[[Expression | Operand], bool]) -> Expression:
    """Return an expression that asks only for what is seen, and is the same one if it asks for nothing else.

    `is_seen` says it of each of its parts.
    """
    if all(map(is_seen, parts_of(expression))):
        return expression
    match expression:
        case Every(place=place, expressions=inner):
            weaker = [weakened(one, is_seen) for one in inner]
            left = tuple(one for one in weaker if one is not ANYBODY)
            return Every(place, left) if left else ANYBODY
        case Some(place=place, expressions=inner):
            weaker = [weakened(one, is_seen) for one in inner]
            return ANYBODY if any(one is ANYBODY for one in weaker) else Some(place, tuple(weaker))
        case Not(place=place, expression=inner):
            return _weakened_opposite(place, inner, is_seen)
        case _:
            # What compares, tests or searches can't be told without all that it asks for.
            return ANYBODY


def _weakened_opposite(place: str, inner: Expression, is_seen: Callable[[Expression | Operand], bool]) -> Expression:
    """Weaken that something does not hold: of all of several, one does not; of one of several, none does."""
    match inner:
        case Every(expressions=several):
            return weakened(Some(place, tuple(Not(place, one) for one in several)), is_seen)
        case Some(expressions=several):
            return weakened(Every(place, tuple(Not(place, one) for one in several)), is_seen)
        case Not(expression=twice):
            return weakened(twice, is_seen)
        case _:
            return ANYBODY
