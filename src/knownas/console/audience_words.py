"""Tells a definition, and why somebody belongs to an audience, so that whoever may not see identities sees none in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from knownas.console.masking import masked, masked_text
from knownas.console.page import Asked
from knownas.core.audience.expression import (
    Compared,
    Definition,
    Every,
    Expression,
    Literal,
    Member,
    Not,
    Sequenced,
    Some,
    Tested,
    parts_of,
)
from knownas.core.audience.field import IdentityField
from knownas.core.audience.phrases import phrase
from knownas.core.audience.reading import read_definition
from knownas.core.audience.reasons import Reason
from knownas.core.profile.attributes import as_text


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of criteria in words; `inner` are the parts of which it says how many hold."""

    says: str
    inner: "Sequence[Branch]" = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A definition for a page: in words, and as JSON."""

    words: Branch
    text: str


def told_definition(asked: Asked, definition: Definition, written: Any, names: Mapping[str, str]) -> Told:
    """Return a definition for a page. `names` are those of audiences, by id."""
    text = json.dumps(written, indent=2, ensure_ascii=False)
    values = identity_values(definition)
    return Told(
        _branch(definition.criteria, names, values if asked.who.masks else None),
        masked_text(text, values) if asked.who.masks else text,
    )


def told_written(asked: Asked, written: Any, names: Mapping[str, str]) -> Branch | None:
    """Return a definition in words; None if it can't be read."""
    definition = read_definition(written)
    return None if isinstance(definition, tuple) else told_definition(asked, definition, written, names).words


def told_reasons(asked: Asked, definition: Definition, reasons: Sequence[Reason]) -> Sequence[Reason]:
    """Return reasons as this visitor may see them."""
    if not asked.who.masks:
        return reasons
    values, about = identity_values(definition), _identity_places(definition)
    return [
        one._replace(
            sentence=masked_text(one.sentence, values),
            found=tuple(masked(each) if one.place in about else masked_text(each) for each in one.found),
        )
        for one in reasons
    ]


def identity_values(definition: Definition) -> Sequence[str]:
    """Return the identities that stand in a definition."""
    return [
        as_text(value)
        for one in parts_of(definition.criteria)
        if isinstance(one, Compared) and _is_about_identity(one)
        for side in (one.left, one.right)
        if isinstance(side, Literal)
        for value in side.values
    ]


def _identity_places(definition: Definition) -> frozenset[str]:
    found = [one for one in parts_of(definition.criteria) if isinstance(one, Compared | Tested)]
    return frozenset(one.place for one in found if _is_about_identity(one))


def _is_about_identity(one: Compared | Tested) -> bool:
    sides = (one.operand,) if isinstance(one, Tested) else (one.left, one.right)
    return any(isinstance(side, IdentityField) for side in sides)


def _branch(expression: Expression, names: Mapping[str, str], hidden: Sequence[str] | None) -> Branch:
    """Say an expression in words, part by part. `hidden` are identities that are masked; None if none is."""
    match expression:
        case Every(expressions=inner) | Some(expressions=inner):
            says = "All of these hold" if isinstance(expression, Every) else "Any of these holds"
            return Branch(says, [_branch(one, names, hidden) for one in inner])
        case Not(expression=inner):
            return Branch("This does not hold", [_branch(inner, names, hidden)])
        case Member(audience=audience, negated=negated):
            return Branch(f"the user is {'not ' if negated else ''}in {names.get(audience, f'audience {audience}')}")
        case Tested() | Compared() | Sequenced():
            told = phrase(expression)
            return Branch(told if hidden is None else masked_text(told, hidden))
        case _:
            assert_never(expression)
