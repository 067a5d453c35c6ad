"""Writes the scores as Markdown tables, one a business."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.accuracy.business import Business

Scored = Mapping[str, Mapping[str, float]]
"""The scores of each line of a world, by the line's name."""

_COLUMNS: Final = (
    ("Precision", "precision", ".3f"),
    ("Recall", "recall", ".3f"),
    ("F1", "f1", ".3f"),
    ("Recovered before the first login", "recovered_before_first_login", ".2f"),
    ("Recovered, all signed-out events", "recovered_signed_out", ".2f"),
    ("Profiles a person", "profiles_a_person", ".1f"),
    ("Most people on one profile", "most_people_on_a_profile", ".0f"),
)
_OF_HOUSEHOLDS: Final = ("F1 of households", "household_f1", ".3f")


def tables_of(businesses: Sequence[Business], scores: Mapping[str, Scored]) -> str:
    """Return a table for each business, below its title."""
    return "\n".join("\n".join((f"### {one.title}", "", *_table(one, scores[one.name]), "")) for one in businesses)


def _table(business: Business, lines: Scored) -> Iterator[str]:
    columns = (*_COLUMNS[:3], _OF_HOUSEHOLDS, *_COLUMNS[3:]) if business.of_households else _COLUMNS
    yield _row("Strategy", *(title for title, _, _ in columns))
    yield "|" + "---|" * (1 + len(columns))
    for name, scored in lines.items():
        yield _row(line_of(name), *(format(scored[member], form) for _, member, form in columns))


def line_of(name: str) -> str:
    """Return a line's name for a page: the strategy as code, the rest as words."""
    strategy, comma, rest = name.partition(",")
    return f"`{strategy}`{comma}{rest}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
