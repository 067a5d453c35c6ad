"""Draws the scores as one SVG: a panel a business, a line a strategy, precision, recall and F1 on it.

The picture has a ground of its own, and other colours where the reader prefers dark ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from bench.accuracy.business import Business
from bench.accuracy.tables import Scored

_COLUMNS: Final = 3
_MARGIN: Final = 20
_LABELS: Final = 176
_PANEL: Final = 216
_GUTTER: Final = 22
_TOP: Final = 62
_HEAD: Final = 44
_LINE: Final = 21
_FOOT: Final = 40
_INDENT: Final = 14
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDTH: Final = 2 * _MARGIN + _LABELS + _COLUMNS * _PANEL + (_COLUMNS - 1) * _GUTTER
_SMALL: Final = 11
_STYLE: Final = """
    .ground { fill: #ffffff }
    .text { fill: #1f2328 }
    .dim { fill: #59636e }
    .grid { stroke: #d0d7de; stroke-width: 1 }
    .span { stroke: #8c959f; stroke-width: 1.5 }
    .came { fill: #c8e6c9 }
    .precision { fill: #0550ae }
    .recall { fill: #ffffff; stroke: #bc4c00; stroke-width: 2 }
    .f1 { fill: #1f2328 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 }
      .text { fill: #e6edf3 }
      .dim { fill: #9198a1 }
      .grid { stroke: #30363d }
      .span { stroke: #6e7681 }
      .came { fill: #1f4d2b }
      .precision { fill: #79c0ff }
      .recall { fill: #0d1117; stroke: #ffa657 }
      .f1 { fill: #e6edf3 }
    }
"""
_DESCRIPTION: Final = (
    "For each kind of business a panel, in it a line for each strategy and way of reading, with precision, recall and F1 "
    "over pairs of events on a scale from 0 to 1, and a bar for the share of signed-out events that came to the "
    "person's profile. The tables of the page have the numbers."
)


class _Panel(NamedTuple):
    """What one panel shows: a business's scores, of people or of households."""

    title: str
    lines: Scored
    prefix: str


def picture_of(businesses: Sequence[Business], scores: Mapping[str, Scored]) -> str:
    """Return the picture. A business that counts households has a second panel, scored by them."""
    panels = [panel for one in businesses for panel in _panels(one, scores[one.name])]
    lines = max(len(panel.lines) for panel in panels)
    below = _HEAD + lines * _LINE + _FOOT
    height = _TOP + -(-len(panels) // _COLUMNS) * below
    drawn = [*_legend()]
    for place, panel in enumerate(panels):
        row, column = divmod(place, _COLUMNS)
        top = _TOP + row * below
        if column == 0:
            drawn += _labels(panel.lines, top + _HEAD)
        drawn += _drawn(panel, _MARGIN + _LABELS + column * (_PANEL + _GUTTER), top)
    body = "\n".join(f"  {one}" for one in drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"\n'
        '  role="img" aria-labelledby="title desc" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">\n'
        '  <title id="title">How far each strategy\'s profiles are persons</title>\n'
        f'  <desc id="desc">{escape(_DESCRIPTION)}</desc>\n'
        f"  <style>{_STYLE}  </style>\n"
        f'  <rect width="{_WIDTH}" height="{height}" rx="10" class="ground"/>\n{body}\n</svg>\n'
    )


def _panels(business: Business, lines: Scored) -> Iterator[_Panel]:
    yield _Panel(business.title, lines, "")
    if business.of_households:
        yield _Panel(f"{business.title}, households as one", lines, "household_")


def _legend() -> Iterator[str]:
    x, y = _MARGIN + _LABELS, 32
    yield _text(_MARGIN, y + 4, "Pairs of events", weight=600)
    yield f'<circle cx="{x}" cy="{y}" r="4.5" class="precision"/>'
    yield _text(x + 12, y + 4, "precision")
    yield f'<circle cx="{x + 96}" cy="{y}" r="4" class="recall"/>'
    yield _text(x + 108, y + 4, "recall")
    yield _mark(x + 176, y)
    yield _text(x + 186, y + 4, "F1")
    yield f'<rect x="{x + 226}" y="{y - 7}" width="36" height="14" class="came"/>'
    yield _text(x + 270, y + 4, "share of signed-out events that came to the person's profile")


def _labels(lines: Scored, top: int) -> Iterator[str]:
    """Name the lines, each by the last part of its name, indented below what it is a variant of."""
    for place, name in enumerate(lines):
        *above, shown = name.split(", ")
        y = top + place * _LINE + _LINE // 2 + 4
        yield _text(_MARGIN + len(above) * _INDENT, y, shown, kind="dim" if above else "text")


def _drawn(panel: _Panel, left: int, top: int) -> Iterator[str]:
    yield _text(left, top + 18, panel.title, weight=600)
    floor = top + _HEAD + len(panel.lines) * _LINE
    for tick in _TICKS:
        x = left + tick * _PANEL
        yield f'<line x1="{x:g}" y1="{top + _HEAD - 6}" x2="{x:g}" y2="{floor}" class="grid"/>'
        yield _text(x, floor + 14, f"{tick:g}", kind="dim", size=_SMALL, anchor="middle")
    for place, (name, scored) in enumerate(panel.lines.items()):
        yield from _line(panel, name, scored, left, top + _HEAD + place * _LINE + _LINE // 2)


def _line(panel: _Panel, name: str, scored: Mapping[str, float], left: int, y: int) -> Iterator[str]:
    precision, recall, f1 = (scored[panel.prefix + member] for member in ("precision", "recall", "f1"))
    came = scored["recovered_signed_out"]
    at = {value: f"{left + value * _PANEL:.1f}" for value in (precision, recall)}
    told = f"{panel.title}: {name}: precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}, recovered {came:.2f}"
    yield f"<g><title>{escape(told)}</title>"
    yield f'<rect x="{left}" y="{y - 7}" width="{came * _PANEL:.1f}" height="14" class="came"/>'
    yield f'<line x1="{at[precision]}" y1="{y}" x2="{at[recall]}" y2="{y}" class="span"/>'
    yield f'<circle cx="{at[recall]}" cy="{y}" r="4" class="recall"/>'
    yield f'<circle cx="{at[precision]}" cy="{y}" r="4.5" class="precision"/>'
    yield _mark(left + f1 * _PANEL, y)
    yield "</g>"


def _mark(x: float, y: int) -> str:
    return f'<rect x="{x - 1.5:.1f}" y="{y - 7}" width="3" height="14" class="f1"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    kind: str = "text",
    weight: int = 400,
    size: int | None = None,
    anchor: str = "start",
) -> str:
    sized = "" if size is None else f' font-size="{size}"'
    weighty = "" if weight == 400 else f' font-weight="{weight}"'  # noqa: PLR2004 - the usual weight
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" class="{kind}"{sized}{weighty}{placed}>{escape(text)}</text>'
