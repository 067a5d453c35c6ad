"""Finds what somebody must have for a definition to hold: some value of an attribute, some attribute at all, or some event of a few names.

Of most audiences, most users have nothing of the kind. Whoever goes over many users can pass those over without judging them, or even reading
what is known of them: looking whether a text stands in a document takes a tenth of the time that reading it takes (the idea of Palkar, Abuzaid, Bailis and Zaharia,
*Filter Before You Parse*, VLDB 2018).

What a condition requires is not argued case by case. If it depends on some attributes and events alone (`mentions`), and holds at no time of
somebody who has nothing, then it requires one of these. Of several conditions that must all hold, each requires something, and the one that
requires most is taken; of several of which one must hold, somebody needs what one of them requires.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from knownas.core.audience.compiled import ALWAYS, UNBOUND
from knownas.core.audience.compiling import Compiler
from knownas.core.audience.expression import Compared, Comparison, Every, Expression, Literal, Some
from knownas.core.audience.field import AttributeField
from knownas.core.audience.judging import Judge
from knownas.core.audience.mentions import mentioned
from knownas.core.audience.subject import Subject
from knownas.core.profile.section import Section


@dataclass(frozen=True, slots=True)
class Requirement:
    """What somebody must have one of: attributes by name, with the texts of which any will do, or None for any value; or events by name.

    Texts and names of events are without regard to case (`str.casefold`), names of attributes are as they are.
    """

    attributes: Mapping[str, frozenset[str] | None]
    events: frozenset[str]


_NOBODY: Final = Subject(0, is_known=False, identities={}, section=Section(0, 0))
_COMPILER: Final = Compiler()
_EQUALITIES: Final = frozenset({Comparison.EQUALS, Comparison.IN})


def requirement(expression: Expression, now_ms: int) -> Requirement | None:
    """Return what somebody must have for an expression to hold of them, now or later (Unix milliseconds); None if nothing is known to be needed."""
    match expression:
        case Every(expressions=inner):
            found = [one for one in (requirement(each, now_ms) for each in inner) if one is not None]
            return min(found, key=_width, default=None)
        case Some(expressions=inner):
            return united(requirement(each, now_ms) for each in inner)
        case _:
            return _required(expression, now_ms)


def united(several: Iterable[Requirement | None]) -> Requirement | None:
    """Return what somebody must have who meets one of several requirements; None if one of them requires nothing."""
    attributes: dict[str, frozenset[str] | None] = {}
    events: frozenset[str] = frozenset()
    for one in several:
        if one is None:
            return None
        events |= one.events
        for name, values in one.attributes.items():
            known = attributes.get(name, frozenset())
            attributes[name] = None if values is None or known is None else known | values
    return Requirement(attributes, events) if attributes or events else None


def _required(condition: Expression, now_ms: int) -> Requirement | None:
    told = mentioned(condition)
    if told.events is None or told.audiences or told.models or not (told.events or told.attributes):
        return None
    if _COMPILER.holds(condition)(Judge(_NOBODY, now_ms), None, UNBOUND) != ALWAYS[False]:
        return None
    return Requirement(dict.fromkeys(told.attributes, _texts(condition)), told.events)


def _texts(condition: Expression) -> frozenset[str] | None:
    """Return the texts of which an attribute must be one, or have one; None if it is asked for anything else."""
    match condition:
        case Compared(comparison=comparison, negated=False, left=AttributeField(), right=Literal(values)):
            texts = frozenset(one.casefold() for one in values if isinstance(one, str) and _is_no_number(one))
            return texts if comparison in _EQUALITIES and len(texts) == len(values) else None
        case _:
            return None


def _is_no_number(text: str) -> bool:
    """Whether neither a number nor true or false is shown as this text."""
    try:
        float(text)
    except ValueError:
        return text.casefold() not in ("true", "false")
    return False


def _width(required: Requirement) -> tuple[bool, bool, int]:
    """Order what is required: some value before some event, and that before any value; fewer before more."""
    values = required.attributes.values()
    of_texts = sum(len(one) for one in values if one is not None)
    return None in values, bool(required.events), of_texts + len(required.events) + len(values)
