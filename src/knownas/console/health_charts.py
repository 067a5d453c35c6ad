"""Draws what came of requests over time, and how many anonymous profiles devices have, with units that say what is counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from knownas.console.charts import Chart, Series, bar_chart, line_chart
from knownas.console.limits import CHART_SERIES_MAX
from knownas.core.health.intervals import Span
from knownas.core.health.tally import Came
from knownas.core.health.traffic import Traffic
from knownas.service.health.standing import GONE, InputName, Period
from knownas.store.census import CROWD_SIZES, CrowdCounts

_WORDS: Final[Mapping[str, Sequence[Came]]] = {
    "known profile": (Came.KNOWN,),
    "became known": (Came.BECAME_KNOWN,),
    "anonymous profile": (Came.ANONYMOUS,),
    "new known profile": (Came.CREATED_KNOWN,),
    "new anonymous profile": (Came.CREATED, Came.CREATED_WITHOUT_IDENTITIES),
    "modified": (Came.MODIFIED,),
    "nobody found": (Came.NOT_FOUND,),
    "refused": (Came.REFUSED,),
}
"""What decisions came to, in the words of the page: as many as there are colours."""

_OTHERS: Final = "all others"
_Counts = Mapping[str, int]


def decisions_chart(period: Period) -> Chart:
    """Draw what decisions came to."""
    series = [
        Series(words, [_counted(one.traffic, lambda of, kinds=kinds: _sum(of, kinds)) for one in period.intervals])
        for words, kinds in _WORDS.items()
    ]
    says = f"{period.whole.decisions:,} decisions, by what they came to."
    return bar_chart(_title("Decisions", period.span), says, _labels(period), series)


def shares_chart(period: Period) -> Chart:
    """Draw which shares known and new profiles have of the answers, ties of the matches, and refusals of the requests."""
    of: Mapping[str, Callable[[Traffic], float | None]] = {
        "answered by a known profile": lambda traffic: traffic.known_share,
        "answered by a new profile": lambda traffic: traffic.new_share,
        "matches that needed a further rule": lambda traffic: traffic.tie_share,
        "requests refused": lambda traffic: traffic.refused_share,
    }
    series = [
        Series(name, [None if one.traffic is None else _percent(share(one.traffic)) for one in period.intervals])
        for name, share in of.items()
    ]
    says = "How large a share each has, in percent. Where nothing came, no share is known."
    return line_chart(_title("Shares, in %", period.span), says, _labels(period), series)


def matches_chart(period: Period) -> Chart:
    """Draw which type of identity decided the matches."""

    def matches(traffic: Traffic) -> _Counts:
        return {kind.value: count for kind, count in traffic.matches.items()}

    total = sum(period.whole.matches.values())
    says = f"{total:,} decisions found a profile; the type of the identity that decided."
    return _stacked(_title("Matches by identity type", period.span), says, period, matches)


def new_profiles_chart(period: Period, names: Mapping[str, InputName]) -> Chart:
    """Draw which inputs new profiles came through."""

    def made(traffic: Traffic) -> _Counts:
        counts: Counter[str] = Counter()
        for key, count in traffic.made.items():
            counts[input_words(names.get(key, GONE))] += count
        return counts

    says = f"{period.whole.new_profiles:,} new profiles, by the input that they came through."
    return _stacked(_title("New profiles by input", period.span), says, period, made)


def refusals_chart(period: Period) -> Chart:
    """Draw for which reasons requests were refused."""

    def refused(traffic: Traffic) -> _Counts:
        counts: Counter[str] = Counter()
        for (_, why), count in traffic.refusals.items():
            counts[why.reason] += count
        return counts

    says = f"{period.whole.refused:,} requests were refused, by reason."
    return _stacked(_title("Refusals by reason", period.span), says, period, refused)


def devices_chart(counts: CrowdCounts) -> Chart:
    """Draw how many devices have how many anonymous profiles."""
    labels = [words for words, _ in device_classes(counts)]
    says = f"{counts.held:,} identities of device types, by how many anonymous profiles have them."
    series = [Series("devices", [float(count) for _, count in device_classes(counts)])]
    return bar_chart("Devices by their number of anonymous profiles", says, labels, series)


def device_classes(counts: CrowdCounts) -> Sequence[tuple[str, int]]:
    """Return how many devices have how many anonymous profiles: in words, and the number."""
    at_least = counts.at_least or (0,) * len(CROWD_SIZES)
    bounds = [0, *CROWD_SIZES]
    below = [counts.held, *at_least]
    ends = [*(size - 1 for size in CROWD_SIZES), None]
    return [
        (_range(first, last), count - following)
        for first, last, count, following in zip(bounds, ends, below, [*below[1:], 0], strict=True)
    ]


def input_words(name: InputName) -> str:
    """Return what an input is called on the page."""
    return "no input, or one that is gone" if name.name is None else f"{name.name} ({name.workspace_name})"


def percent_words(share: float | None) -> str:
    """Write a share for people."""
    return "not known" if share is None else f"{share * 100:.1f}\N{NO-BREAK SPACE}%"


def _range(first: int, last: int | None) -> str:
    if last is None:
        return f"{first:,} and more"
    return "none or one" if first == 0 else f"{first:,} to {last:,}"


def _stacked(title: str, says: str, period: Period, counts: Callable[[Traffic], _Counts]) -> Chart:
    """Draw what is most frequent in all of a period, each by itself, and all others together."""
    whole = Counter(counts(period.whole))
    often = sorted(whole, key=lambda name: (-whole[name], name))
    shown = often if len(often) <= CHART_SERIES_MAX else often[: CHART_SERIES_MAX - 1]
    rows = [None if one.traffic is None else counts(one.traffic) for one in period.intervals]
    series = [Series(name, [None if row is None else row.get(name, 0) for row in rows]) for name in shown]
    if len(shown) < len(often):
        rest = [None if row is None else sum(count for name, count in row.items() if name not in shown) for row in rows]
        series.append(Series(_OTHERS, rest))
    return bar_chart(title, says, _labels(period), series)


def _counted(traffic: Traffic | None, count: Callable[[Traffic], int]) -> float | None:
    return None if traffic is None else count(traffic)


def _sum(traffic: Traffic, kinds: Iterable[Came]) -> int:
    return sum(traffic.came.get(one, 0) for one in kinds)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)


def _title(what: str, span: Span) -> str:
    return f"{what}, by {span.value} (UTC)"


def _labels(period: Period) -> Sequence[str]:
    written = "%d %b %Hh" if period.span is Span.HOUR else "%d %b"
    return [datetime.fromtimestamp(one.begin_ms / 1_000, UTC).strftime(written) for one in period.intervals]
