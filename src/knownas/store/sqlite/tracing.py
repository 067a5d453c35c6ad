"""Looks for sections by what stands in their documents, or in those of their events."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from knownas.store.sql_files import with_marked
from knownas.store.sqlite.connection import Connection, Row
from knownas.store.sqlite.statements import statements
from knownas.store.traces import Traces, like_pattern

_IN_SECTION: Final = "/*sections*/"
_IN_EVENTS: Final = "/*events*/"
_A_PATTERN: Final = ", (?)"


def traced(over: Connection, stretch: tuple[int, int, int], limit: int, traces: Traces) -> Sequence[Row]:
    """Return the rows of sections with any of the traces, after a number and up to another one, of a workspace."""
    sections, events = (list(map(like_pattern, one)) for one in (traces.sections, traces.events))
    statement = _statement_for(len(sections), len(events))
    asked = (*stretch, bool(sections), *sections, bool(events), traces.since_ms, *events, limit)
    return over.execute(statement, asked).fetchall()


@cache
def _statement_for(sections: int, events: int) -> str:
    """Return the statement that looks for so many traces of each kind."""
    for_events = with_marked(statements()["sections_traced"], _IN_EVENTS, _A_PATTERN * events)
    return with_marked(for_events, _IN_SECTION, _A_PATTERN * sections)
