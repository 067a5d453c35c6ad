"""Draws charts: where the lines and bars of a row of numbers stand, for a template to write as SVG.

A chart is for the eye; the same numbers stand below it in a table, for whoever does not see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from knownas.console.limits import CHART_POINTS_MAX, CHART_SERIES_MAX

WIDTH: Final = 640
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 8, 24
_STEPS: Final = (1, 2, 2.5, 5, 10)
_TICKS_WANTED: Final = 4
_LABELS_SHOWN: Final = 6
_BAR_SHARE: Final = 0.8
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Series:
    """A row of numbers with a name. None is where nothing is known, which is not 0."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    says: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a bar; `says` is what it shows."""

    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class DrawnSeries:
    """A series with what is drawn of it: the path of a line, or bars. `number` chooses its colour."""

    name: str
    number: int
    values: Sequence[float | None]
    path: str = ""
    bars: Sequence[Bar] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart for a template: `title` and `description` say in words what it shows."""

    title: str
    description: str
    labels: Sequence[str]
    series: Sequence[DrawnSeries]
    rows: Sequence[Tick]
    columns: Sequence[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    base: int = HEIGHT - _BOTTOM


def line_chart(title: str, description: str, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return a chart with a line for each series, a point for each label.

    Raises:
        ValueError: a series has not a value for each label, or there is more than can be drawn.
    """
    _check(labels, series)
    top, rows = _scale(max((value for one in series for value in one.values if value is not None), default=0))
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels) - 1)
    drawn = [
        DrawnSeries(one.name, number, one.values, _path(one.values, step, top)) for number, one in enumerate(series)
    ]
    columns = [Tick(round(_LEFT + place * step, 1), labels[place]) for place in _shown(len(labels))]
    return Chart(title, description, labels, drawn, rows, columns)


def bar_chart(
    title: str, description: str, labels: Sequence[str], series: Sequence[Series], *, side_by_side: bool = False
) -> Chart:
    """Return a chart with a bar for each label, in which the series are stacked in their order; or one for each of them, side by side.

    Raises:
        ValueError: a series has not a value for each label, or there is more than can be drawn.
    """
    _check(labels, series)
    whole = max if side_by_side else sum
    totals = [whole([one.values[place] or 0 for one in series] or [0]) for place in range(len(labels))]
    is_whole = all(float(one).is_integer() for one in totals)
    top, rows = _scale(max(totals, default=0), is_whole=is_whole)
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    width = round(slot * _BAR_SHARE / (len(series) if side_by_side and series else 1), 1)
    floors = [0.0] * len(labels)
    drawn: list[DrawnSeries] = []
    for number, one in enumerate(series):
        bars: list[Bar] = []
        for place, value in enumerate(one.values):
            if value:
                height = _height(value, top)
                begin = slot * (1 - _BAR_SHARE) / 2 + number * width if side_by_side else (slot - width) / 2
                x = round(_LEFT + place * slot + begin, 1)
                y = round(HEIGHT - _BOTTOM - floors[place] - height, 1)
                bars.append(Bar(x, y, width, round(height, 1), f"{labels[place]}, {one.name}: {number_text(value)}"))
                floors[place] += 0 if side_by_side else height
        drawn.append(DrawnSeries(one.name, number, one.values, "", bars))
    columns = [Tick(round(_LEFT + (place + 0.5) * slot, 1), labels[place]) for place in _shown(len(labels))]
    return Chart(title, description, labels, drawn, rows, columns)


def number_text(value: float | None) -> str:
    """Write a number for people; "not known" for None."""
    if value is None:
        return "not known"
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.3g}"


def _check(labels: Sequence[str], series: Sequence[Series]) -> None:
    if any(len(one.values) != len(labels) for one in series):
        raise ValueError("a series has a value for each label")
    if len(labels) > CHART_POINTS_MAX or len(series) > CHART_SERIES_MAX:
        raise ValueError(f"a chart has {CHART_POINTS_MAX} points of {CHART_SERIES_MAX} series")
    if any(value is not None and value < 0 for one in series for value in one.values):
        raise ValueError("a chart shows counts and shares, which are not below 0")


def _scale(highest: float, *, is_whole: bool = False) -> tuple[float, Sequence[Tick]]:
    """Return the top of the axis, a round number not below the highest value, and its marks: whole ones, where all values are."""
    # What is next to nothing is drawn as nothing: below this, an axis would have no marks that people can read.
    shown = highest if highest >= _LEAST else 1
    raw = shown / _TICKS_WANTED
    size = 10 ** floor(log10(raw))
    steps = [one * size for one in _STEPS if not is_whole or float(one * size).is_integer()] or [1]
    step = next((one for one in steps if one >= raw), steps[-1])
    count = ceil(shown / step)
    top = step * count
    return top, [
        Tick(round(HEIGHT - _BOTTOM - _height(step * place, top), 1), number_text(step * place))
        for place in range(count + 1)
    ]


def _height(value: float, top: float) -> float:
    return value / top * (HEIGHT - _TOP - _BOTTOM)


def _path(values: Sequence[float | None], step: float, top: float) -> str:
    """Return the path of a line, which is broken where nothing is known."""
    parts: list[str] = []
    pen = "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_LEFT + place * step:.1f} {HEIGHT - _BOTTOM - _height(value, top):.1f}")
        if pen == "M" and (place + 1 == len(values) or values[place + 1] is None):
            # A point by itself is a dot: the shortest line that is drawn.
            parts.append("h0.1")
        pen = "L"
    return " ".join(parts)


def _shown(count: int) -> Sequence[int]:
    """Return the places of the labels that there is room for, the first one always."""
    every = max(1, ceil(count / _LABELS_SHOWN))
    return range(0, count, every)
