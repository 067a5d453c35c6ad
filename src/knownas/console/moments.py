"""Writes times for people: in UTC to the second, and how long ago that is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_STEPS: Final = (("year", 31_557_600), ("month", 2_629_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))
_NOW_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for a page: as machines read it, as it stands there, and how far from now it is."""

    machine: str
    shown: str
    ago: str


def moment(at: int | str, now_ms: int) -> Moment:
    """Return a time, given in Unix milliseconds or as RFC 3339, for a page.

    Raises:
        ValueError: the text is no time.
    """
    then = (
        datetime.fromtimestamp(at / 1_000, UTC) if isinstance(at, int) else datetime.fromisoformat(at).astimezone(UTC)
    )
    machine = then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Moment(machine, f"{then:%Y-%m-%d %H:%M:%S} UTC", ago(now_ms / 1_000 - then.timestamp()))


def ago(seconds: float) -> str:
    """Return how long ago something was, or how long until it is, in its largest unit."""
    size = abs(seconds)
    if size < _NOW_SECONDS:
        return "now"
    name, unit = next(((name, unit) for name, unit in _STEPS if size >= unit), ("second", 1))
    count = int(size / unit)
    said = f"{count:,} {name}{'' if count == 1 else 's'}"
    return f"{said} ago" if seconds > 0 else f"in {said}"
