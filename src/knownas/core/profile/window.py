"""Keeps what a calculated attribute counts within a time that slides, such as the last 30 days (platform §8).

The time is cut into spans of a tenth of the window, and what happened in a span is one part. A part counts while any of
its span lies in the window, so what falls behind goes out at most a tenth of the window late, and no clock has to run:
who reads says what time it is.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, cast

from knownas.core.profile.moments import DAY_MS
from knownas.core.profile.tallies import Part, Tally

SPANS_A_WINDOW: Final = 10
"""Into how many spans a window is cut; one more is kept, since a window begins and ends within one."""

TICK_MS: Final = DAY_MS // SPANS_A_WINDOW
"""What lies in any window changes at multiples of this only: every window is whole days long."""

WINDOW_DAYS_MAX: Final = 730
"""The longest window: as long as events are kept at most by the vendor; platform §13."""


class WindowUnit(StrEnum):
    """In what a window's length is given."""

    DAYS = "days"
    WEEKS = "weeks"

    @property
    def days(self) -> int:
        """How many days one of them has."""
        return 7 if self is WindowUnit.WEEKS else 1


class Window(NamedTuple):
    """The last so many days or weeks before the time at which an attribute is read."""

    length: int
    unit: WindowUnit

    @property
    def days(self) -> int:
        """Its length in days."""
        return self.length * self.unit.days

    @property
    def length_ms(self) -> int:
        """Its length in milliseconds."""
        return self.days * DAY_MS

    @property
    def span_ms(self) -> int:
        """The length of a span; days divide by ten without a rest."""
        return self.length_ms // SPANS_A_WINDOW


Spans = Mapping[str, Part]
"""What happened in each span, by its number as text: the state that is kept."""


def counted_in(window: Window, spans: Spans, at_ms: int, parts: Sequence[Part], tally: Tally) -> Spans:
    """Return the spans after something more happened at a time; those that no later reader can see are forgotten."""
    number = str(at_ms // window.span_ms)
    held = spans.get(number)
    after = {**spans, number: tally.merged(parts if held is None else [held, *parts])}
    oldest = max(map(int, after)) - SPANS_A_WINDOW
    return {one: part for one, part in after.items() if int(one) >= oldest}


def within(window: Window, state: Mapping[str, object], now_ms: int) -> list[Part]:
    """Return the parts of a state that lie in the window before now, be it in part."""
    spans = cast("Spans", state.get("spans", {}))
    oldest = (now_ms - window.length_ms) // window.span_ms
    return [part for number, part in spans.items() if int(number) >= oldest]
