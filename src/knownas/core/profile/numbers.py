"""Decides which values count as numbers, and computes with them exactly.

Sums are kept in decimal arithmetic and not in floating point: money must not drift (0.1 + 0.2 is 0.3), and a sum
must be the same in whatever order its terms arrive. Every number is a multiple of 10^-12 and no larger than 10^18, so
that no sum that a store could hold needs more digits than the context has: adding never rounds.
"""

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

NUMBER_MAX: Final = Decimal(10**18)
"""The largest number that counts as one, up or down; a larger one is text."""

DECIMAL_PLACES: Final = 12
"""Digits after the point that a number keeps; it is rounded to the nearest, half to even."""

NUMBER_CHARACTERS_MAX: Final = 64
"""Characters of a text that is read as a number."""

_CONTEXT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)
_STEP: Final = Decimal(1).scaleb(-DECIMAL_PLACES)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


def number_of(given: object) -> Decimal | None:
    """Read a number, or a text that is one. None for anything else, for booleans, and beyond `NUMBER_MAX`."""
    match given:
        case bool():
            return None
        case int():
            # Compared before it is written: Python refuses to write an integer of more than 4,300 digits.
            return _rounded(Decimal(given)) if abs(given) <= NUMBER_MAX else None
        case float():
            return _rounded(Decimal(repr(given))) if math.isfinite(given) else None
        case str():
            text = given.strip() if len(given) <= NUMBER_CHARACTERS_MAX else ""
            return _rounded(Decimal(text)) if text.isascii() and _NUMBER.fullmatch(text) else None
        case _:
            return None


def _rounded(number: Decimal) -> Decimal | None:
    if abs(number) > NUMBER_MAX:
        return None
    # Adding zero takes the sign off a zero.
    return _CONTEXT.add(number.quantize(_STEP, context=_CONTEXT), ZERO)


def plus(one: Decimal, other: Decimal) -> Decimal:
    """Add, exactly."""
    return _CONTEXT.add(one, other)


def times(one: Decimal, other: Decimal) -> Decimal:
    """Multiply, rounded to `DECIMAL_PLACES`."""
    return _CONTEXT.multiply(one, other).quantize(_STEP, context=_CONTEXT)


def divided(one: Decimal, other: Decimal) -> Decimal:
    """Divide by what is not zero, rounded to `DECIMAL_PLACES`."""
    return _CONTEXT.divide(one, other).quantize(_STEP, context=_CONTEXT)


def written(number: Decimal) -> str:
    """Write a number without an exponent and without zeros at its end."""
    return format(number.normalize(_CONTEXT), "f")


def read(text: str) -> Decimal:
    """Read what `written` wrote."""
    return _CONTEXT.create_decimal(text)
