"""Computes each kind of calculated attribute by merging parts, so that the order of events does not matter (platform §8).

What one occurrence says is a part, and so is what many say: a JSON object. Parts are merged by rules that are
associative and commutative (adding exact numbers, the smaller of two times, the union of two sets), so events that
arrive late count as if they had come in time. The one exception is `most_frequent`: the first 100 distinct values
that arrive are counted, and those after them are not.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, cast

from knownas.core.limits import ATTRIBUTE_VALUE_CHARACTERS_MAX, LIST_ENTRY_CHARACTERS_MAX
from knownas.core.profile.attributes import SCALARS, as_text
from knownas.core.profile.numbers import ONE, ZERO, divided, number_of, plus, read, times, written

CALCULATED_VALUES_MAX: Final = 100
"""Distinct values that lists and most-frequent keep, the first ones; platform §8."""

UNIQUE_VALUES_COUNTED_MAX: Final = 1_000
"""Distinct values that `unique_values_count` can tell apart; a count beyond it stays there."""

_DIGEST_BYTES: Final = 8

Part = Mapping[str, Any]
"""What some occurrences say together: a JSON object that only its tally reads."""


class CalculationType(StrEnum):
    """What is computed."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    FIRST_OCCURRENCE = "first_occurrence"
    LAST_OCCURRENCE = "last_occurrence"
    FIRST_OCCURRENCE_TIMESTAMP = "first_occurrence_timestamp"
    LAST_OCCURRENCE_TIMESTAMP = "last_occurrence_timestamp"
    UNIQUE_LIST = "unique_list"
    UNIQUE_VALUES_COUNT = "unique_values_count"
    MOST_FREQUENT = "most_frequent"

    @property
    def needs_attribute(self) -> bool:
        """Whether it computes with the values of an attribute, not only with when something happened."""
        return self not in _OF_TIMES


_OF_TIMES: Final = frozenset(
    {
        CalculationType.COUNT,
        CalculationType.FIRST_OCCURRENCE_TIMESTAMP,
        CalculationType.LAST_OCCURRENCE_TIMESTAMP,
    }
)


class Occurrence(NamedTuple):
    """One thing to be counted: when it happened (Unix milliseconds), the attribute's value, and for how many it counts."""

    at_ms: int
    value: str | int | float | bool | None = None
    weight: Decimal = ONE


class Seed(NamedTuple):
    """A value computed elsewhere: one of the three, by the calculation type. As decoded from JSON, not yet judged."""

    value: object = None
    listed: object = None
    key_value_pairs: object = None


class SeedRefused(NamedTuple):
    """The seed can't be taken; `reason` says why, in a sentence without a full stop."""

    reason: str


class Tally(Protocol):
    """One kind of computation."""

    def one(self, occurrence: Occurrence) -> Part | None:
        """Return what one occurrence says; None if nothing."""
        ...

    def merged(self, parts: Sequence[Part]) -> Part:
        """Return what several parts, at least one, say together."""
        ...

    def shown(self, part: Part) -> str | list[str] | None:
        """Return the attribute's value."""
        ...

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        """Return a seed as the part of everything before the cutoff."""
        ...


_NOT_NUMERIC: Final = SeedRefused("Seed value must be numeric")


class _Number:
    """A number that grows, shrinks or adds up: `of` says what an occurrence gives, `merge` what two make."""

    def __init__(
        self,
        of: Callable[[Decimal, Decimal], Decimal],
        merge: Callable[[Decimal, Decimal], Decimal],
        *,
        valued: bool = True,
    ) -> None:
        self._of = of
        self._merge = merge
        self._valued = valued

    def one(self, occurrence: Occurrence) -> Part | None:
        number = number_of(occurrence.value) if self._valued else ONE
        return None if number is None else {"number": written(self._of(number, occurrence.weight))}

    def merged(self, parts: Sequence[Part]) -> Part:
        number = read(parts[0]["number"])
        for part in parts[1:]:
            number = self._merge(number, read(part["number"]))
        return {"number": written(number)}

    def shown(self, part: Part) -> str | list[str] | None:
        return part["number"]

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        del cutoff_ms
        number = number_of(seed.value)
        if number is None:
            return _NOT_NUMERIC
        if not self._valued and number < 0:
            return SeedRefused("Seed value must not be negative")
        return {"number": written(number)}


class _Average:
    """The sum and the count of numbers, divided when shown; platform §8."""

    def one(self, occurrence: Occurrence) -> Part | None:
        number = number_of(occurrence.value)
        if number is None:
            return None
        return {"sum": written(times(number, occurrence.weight)), "count": written(occurrence.weight)}

    def merged(self, parts: Sequence[Part]) -> Part:
        total, count = ZERO, ZERO
        for part in parts:
            total, count = plus(total, read(part["sum"])), plus(count, read(part["count"]))
        return {"sum": written(total), "count": written(count)}

    def shown(self, part: Part) -> str | list[str] | None:
        count = read(part["count"])
        return written(divided(read(part["sum"]), count)) if count else None

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        del cutoff_ms
        pairs = _pairs(seed)
        if pairs is None or set(pairs) != {"sum", "count"}:
            return SeedRefused("Seed key_value_pairs must have sum and count")
        total, count = number_of(pairs["sum"]), number_of(pairs["count"])
        if total is None or count is None:
            return _NOT_NUMERIC
        if count <= 0 or count != count.to_integral_value():
            return SeedRefused("Seed count must be a positive integer")
        return {"sum": written(total), "count": written(count)}


class _Timestamp:
    """When something happened first or last, in Unix milliseconds; `pick` is `min` or `max`."""

    def __init__(self, pick: Callable[[Iterable[int]], int]) -> None:
        self._pick = pick

    def one(self, occurrence: Occurrence) -> Part | None:
        return {"at": occurrence.at_ms}

    def merged(self, parts: Sequence[Part]) -> Part:
        return {"at": self._pick(part["at"] for part in parts)}

    def shown(self, part: Part) -> str | list[str] | None:
        return str(part["at"])

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        number = number_of(seed.value)
        if number is None or number != number.to_integral_value() or number < 0:
            return SeedRefused("Seed value must be a time in Unix milliseconds")
        if number >= cutoff_ms:
            return SeedRefused("Seed value must be a time before the cutoff date")
        return {"at": int(number)}


class _Edge:
    """The value that occurred first or last. Of several at the same time, the first in the alphabet."""

    def __init__(self, *, last: bool) -> None:
        self._sign = -1 if last else 1

    def one(self, occurrence: Occurrence) -> Part | None:
        if occurrence.value is None:
            return None
        return {"at": occurrence.at_ms, "value": as_text(occurrence.value)[:ATTRIBUTE_VALUE_CHARACTERS_MAX]}

    def merged(self, parts: Sequence[Part]) -> Part:
        return min(parts, key=lambda part: (self._sign * part["at"], part["value"]))

    def shown(self, part: Part) -> str | list[str] | None:
        return part["value"]

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        text = _text(seed.value, ATTRIBUTE_VALUE_CHARACTERS_MAX)
        if text is None:
            return SeedRefused(f"Seed value must be a text of at most {ATTRIBUTE_VALUE_CHARACTERS_MAX} characters")
        return {"at": cutoff_ms - 1, "value": text}


class _UniqueList:
    """The distinct values, each with when it occurred first; the first 100 by that time, ties by the alphabet."""

    def one(self, occurrence: Occurrence) -> Part | None:
        if occurrence.value is None:
            return None
        return {"values": {as_text(occurrence.value)[:LIST_ENTRY_CHARACTERS_MAX]: occurrence.at_ms}}

    def merged(self, parts: Sequence[Part]) -> Part:
        first: dict[str, int] = dict(parts[0]["values"])
        for part in parts[1:]:
            for value, at_ms in part["values"].items():
                first[value] = min(at_ms, first.get(value, at_ms))
        if len(first) > CALCULATED_VALUES_MAX:
            # A value that is left out here is left out for ever: each of the 100 before it can only move further ahead.
            first = dict(sorted(first.items(), key=lambda one: (one[1], one[0]))[:CALCULATED_VALUES_MAX])
        return {"values": first}

    def shown(self, part: Part) -> str | list[str] | None:
        return [value for value, _ in sorted(part["values"].items(), key=lambda one: (one[1], one[0]))]

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        del cutoff_ms
        texts = _texts(seed, CALCULATED_VALUES_MAX)
        if isinstance(texts, SeedRefused):
            return texts
        # The list keeps its order, and stands before everything that happened since.
        return {"values": {text: place for place, text in enumerate(dict.fromkeys(texts))}}


_NONE: Final = written(ZERO)


class _UniqueCount:
    """How many distinct values there were: digests of them, and a count that was seeded as a bare number."""

    def one(self, occurrence: Occurrence) -> Part | None:
        return None if occurrence.value is None else {"more": _NONE, "seen": [_digest(as_text(occurrence.value))]}

    def merged(self, parts: Sequence[Part]) -> Part:
        seen: set[str] = set(parts[0]["seen"])
        more: str = parts[0]["more"]
        for part in parts[1:]:
            seen.update(part["seen"])
            if part["more"] != _NONE:
                more = written(plus(read(more), read(part["more"])))
        return {"more": more, "seen": sorted(seen)[:UNIQUE_VALUES_COUNTED_MAX]}

    def shown(self, part: Part) -> str | list[str] | None:
        return written(plus(read(part["more"]), Decimal(len(part["seen"]))))

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        del cutoff_ms
        if seed.listed is None and seed.value is not None:
            number = number_of(seed.value)
            if number is None or number < 0 or number != number.to_integral_value():
                return SeedRefused("Seed value must be a whole number")
            return {"more": written(number), "seen": []}
        texts = _texts(seed, UNIQUE_VALUES_COUNTED_MAX)
        if isinstance(texts, SeedRefused):
            return texts
        return {"more": _NONE, "seen": sorted({_digest(text) for text in texts})}


class _MostFrequent:
    """How often each value occurred, the first 100 distinct ones; shown is the most frequent, ties by the alphabet."""

    def one(self, occurrence: Occurrence) -> Part | None:
        if occurrence.value is None:
            return None
        return {"counts": {as_text(occurrence.value)[:LIST_ENTRY_CHARACTERS_MAX]: written(occurrence.weight)}}

    def merged(self, parts: Sequence[Part]) -> Part:
        counts: dict[str, str] = dict(parts[0]["counts"])
        for part in parts[1:]:
            for value, count in part["counts"].items():
                if value in counts:
                    counts[value] = written(plus(read(counts[value]), read(count)))
                elif len(counts) < CALCULATED_VALUES_MAX:
                    counts[value] = count
        return {"counts": counts}

    def shown(self, part: Part) -> str | list[str] | None:
        counts: dict[str, str] = part["counts"]
        return min(counts, key=lambda value: (-read(counts[value]), value), default=None)

    def seeded(self, seed: Seed, cutoff_ms: int) -> Part | SeedRefused:
        del cutoff_ms
        pairs = _pairs(seed)
        if pairs is None:
            return SeedRefused("Seed key_value_pairs must be values with their counts")
        if len(pairs) > CALCULATED_VALUES_MAX:
            return SeedRefused(f"Seed may have {CALCULATED_VALUES_MAX} values")
        counts: dict[str, str] = {}
        for value, given in pairs.items():
            count = number_of(given)
            if count is None or count < 0:
                return SeedRefused("Seed counts must be numeric and not negative")
            if not 1 <= len(value) <= LIST_ENTRY_CHARACTERS_MAX:
                return SeedRefused(f"Seed values may have 1 to {LIST_ENTRY_CHARACTERS_MAX} characters")
            counts[value] = written(count)
        return {"counts": counts}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def _text(given: object, most: int) -> str | None:
    if not isinstance(given, SCALARS):
        return None
    text = as_text(given)
    return text if 1 <= len(text) <= most else None


def _texts(seed: Seed, most: int) -> list[str] | SeedRefused:
    listed = seed.listed
    if not isinstance(listed, list):
        return SeedRefused("Seed list must be a list of texts")
    given = cast("list[object]", listed)
    if len(given) > most:
        return SeedRefused(f"Seed list may have {most} values")
    texts = [_text(one, LIST_ENTRY_CHARACTERS_MAX) for one in given]
    kept = [text for text in texts if text is not None]
    if len(kept) < len(texts):
        return SeedRefused(f"Seed list must be of texts with 1 to {LIST_ENTRY_CHARACTERS_MAX} characters")
    return kept


def _pairs(seed: Seed) -> Mapping[str, object] | None:
    pairs = seed.key_value_pairs
    return cast("Mapping[str, object]", pairs) if isinstance(pairs, Mapping) else None


_C = CalculationType
TALLIES: Final[Mapping[CalculationType, Tally]] = MappingProxyType(
    {
        _C.COUNT: _Number(times, plus, valued=False),
        _C.SUM: _Number(times, plus),
        _C.MIN: _Number(lambda number, _: number, min),
        _C.MAX: _Number(lambda number, _: number, max),
        _C.AVERAGE: _Average(),
        _C.FIRST_OCCURRENCE: _Edge(last=False),
        _C.LAST_OCCURRENCE: _Edge(last=True),
        _C.FIRST_OCCURRENCE_TIMESTAMP: _Timestamp(min),
        _C.LAST_OCCURRENCE_TIMESTAMP: _Timestamp(max),
        _C.UNIQUE_LIST: _UniqueList(),
        _C.UNIQUE_VALUES_COUNT: _UniqueCount(),
        _C.MOST_FREQUENT: _MostFrequent(),
    }
)
"""The tally of each calculation type."""
