"""Serves the health of identity: whether it is well, since when not, and what to open next."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from knownas.console.health_charts import (
    decisions_chart,
    devices_chart,
    input_words,
    matches_chart,
    new_profiles_chart,
    percent_words,
    refusals_chart,
    shares_chart,
)
from knownas.console.limits import HEALTH_REFUSALS_SHOWN
from knownas.console.masking import ShownIdentity
from knownas.console.page import Answer, Asked, Page, Shown
from knownas.console.places import HEALTH
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.console.self_checks import check_path
from knownas.console.toxic_values import list_path
from knownas.console.workspace_asked import environment_choice
from knownas.core.health.intervals import Span
from knownas.core.health.traffic import Traffic
from knownas.service.health.standing import GONE, Period, Standing
from knownas.service.jobs import EVERY_SCOPE, JobKind
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.store.port import Pool

_NOT_KNOWN: Final = "not known"


class _Frame(NamedTuple):
    """What can be chosen: how it is called, in which steps it is told, how many, and with how many before it it is compared."""

    words: str
    span: Span
    shown: int
    before: int
    compared: str


FRAMES: Final = {
    "day": _Frame("24 hours, by hour", Span.HOUR, 24, 7 * 24, "the 7 days before"),
    "week": _Frame("8 days, by hour", Span.HOUR, 8 * 24, 0, ""),
    "month": _Frame("30 days, by day", Span.DAY, 30, 30, "the 30 days before"),
    "year": _Frame("400 days, by day", Span.DAY, 400, 0, ""),
}
"""The times that can be looked at, by their word in the address."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure now and before, as it stands on the page."""

    name: str
    says: str
    now: str
    before: str
    difference: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often requests of an input were refused at a surface for a reason."""

    input: str
    surface: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class SharedDevice:
    """A device with many anonymous profiles. `identity` is None where it has no longer so many."""

    type: str
    identity: ShownIdentity | None
    anonymous: int
    mpid: int


async def show_health(asked: Asked) -> Answer:
    """Show what came of requests over time, and how profiles stand now."""
    scope, environment = asked.scope, asked.environment
    frame_word = asked.query.text("time") or "day"
    if frame_word not in FRAMES:
        raise not_taken("Choose one of the times.")
    frame, service = FRAMES[frame_word], asked.service
    now_ms = service.clock()
    from_ms = now_ms - (frame.shown - 1) * frame.span.length_ms
    period = await service.health.period(scope, environment.value, frame.span, from_ms, now_ms + 1)
    compared: Sequence[Compared] = ()
    if frame.before:
        begin_ms = frame.span.begin_ms(frame.span.at(from_ms))
        earlier_ms = begin_ms - frame.before * frame.span.length_ms
        before = await service.health.period(scope, environment.value, frame.span, earlier_ms, begin_ms)
        compared = _compared(period.whole, before, frame)
    standing = await service.standing(scope, environment)
    devices = await _devices(asked, service.directory.scopes[scope].pool(environment), standing)
    names = service.health.input_names()
    checks = await service.jobs.listed(JobKind.SELF_CHECK, EVERY_SCOPE)
    last = next((one for one in checks if one.is_over), None)
    scopes = [(one, one) for one in service.directory.scopes]
    values = {
        "choices": (
            ("scope", "Scope", scopes, scope),
            environment_choice(asked),
            ("time", "Time", [(word, one.words) for word, one in FRAMES.items()], frame_word),
        ),
        "period": period,
        "frame": frame,
        "compared": compared,
        "is_empty": not period.whole.requests,
        "decisions": decisions_chart(period),
        "shares": shares_chart(period),
        "matches": matches_chart(period),
        "made": new_profiles_chart(period, names),
        "refusals": refusals_chart(period),
        "refused": _refusals(asked, period)[:HEALTH_REFUSALS_SHOWN],
        "standing": standing,
        "environment": environment.value,
        "crowds": devices_chart(standing.crowds),
        "devices": devices,
        "share": percent_words,
        "last_check": "" if last is None else check_path(last.id),
        "check_path": check_path,
        "toxic_path": partial(list_path, asked),
    }
    about = [one.mpid for one in devices if one.identity is not None]
    return Shown("health.html", HEALTH.title, about, values)


def _compared(now: Traffic, earlier: Period, frame: _Frame) -> Sequence[Compared]:
    """Hold a time against the one before it: how much came in a step of it on average, and which shares there were."""
    before, counted = earlier.whole, sum(one.traffic is not None for one in earlier.intervals)
    expected = before.requests * frame.shown / counted if counted else None
    change = f"{(now.requests / expected - 1) * 100:+.0f} %" if expected else _NOT_KNOWN
    usual = _NOT_KNOWN if expected is None else f"{expected:,.0f}"
    rows = [Compared("Requests", "", f"{now.requests:,}", usual, change)]
    for name, says, one, other in (
        ("Answered by a known profile", "of the answers", now.known_share, before.known_share),
        ("Answered by a new profile", "of the answers", now.new_share, before.new_share),
        ("Needed a further rule", "of the matches: identities left several profiles", now.tie_share, before.tie_share),
        ("Refused", "of the requests", now.refused_share, before.refused_share),
    ):
        points = _NOT_KNOWN if one is None or other is None else f"{round((one - other) * 100, 1) + 0.0:+.1f} points"
        rows.append(Compared(name, says, percent_words(one), percent_words(other), points))
    return rows


def _refusals(asked: Asked, period: Period) -> Sequence[Refusals]:
    """Return what was refused, the most frequent first; at last what was refused before a scope was known."""
    names = asked.service.health.input_names()
    counts: Counter[tuple[str, str, str]] = Counter()
    for (key, why), count in period.whole.refusals.items():
        counts[input_words(names.get(key, GONE)), why.surface, why.reason] += count
    for why, count in period.unplaced.items():
        counts["any scope: it was not known", why.surface, why.reason] += count
    return [Refusals(*one, count) for one, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]


async def _devices(asked: Asked, pool: Pool, standing: Standing) -> Sequence[SharedDevice]:
    found: list[SharedDevice] = []
    for one in standing.largest:
        identity = await asked.service.health.identity_of(pool, one)
        shown = None if identity is None else asked.identity(identity.type, identity.value)
        found.append(SharedDevice(one.type.value, shown, one.anonymous, one.mpid))
    return found


PAGES: Final = (Page("GET", HEALTH.path, "showIdentityHealth", Right.READ, show_health, HEALTH, LONG_REQUEST_SECONDS),)
