"""Describes an audience's definition (schema 1.6.0) as JSON Schema, from the words and limits that its reader has.

What JSON Schema can't say stands in the descriptions: how deep a definition may be, which dates the calendar has, which aliases and audiences
there are.
"""

import re
from typing import Final

from knownas.api.schema_parts import Schema, closed_object, ref
from knownas.core.audience.expression import Aggregation, Boundary, Comparison, Test, Unit
from knownas.core.audience.field import (
    IDENTITY_NAMES,
    PATH_CHARACTERS_MAX,
    AttributionFact,
    ConsentFact,
    Model,
)
from knownas.core.audience.reading import (
    COMPARISONS,
    DATE_COMPARISONS,
    JUNCTIONS,
    MEMBERSHIPS,
    NEGATION,
    SEQUENCE,
    SEQUENCE_STEPS_MAX,
)
from knownas.core.audience.reading_operands import (
    DEFINITION_NUMBER_MAX,
    DEFINITION_NUMBER_MIN,
    DEFINITION_VALUES_MAX,
    OFFSET_MAX,
)
from knownas.core.audience.reading_text import DEFINITION_CHARACTERS_MAX, DEFINITION_DEPTH_MAX, DEFINITION_PARTS_MAX
from knownas.core.profile.consent import CCPA_PURPOSE, Regulation

DEFINITION: Final = "AudienceDefinition"
"""The name of the schema of a whole definition."""

_EXPRESSION: Final = ref("AudienceExpression")
_CONDITION: Final = ref("AudienceCondition")
_FIELD: Final = ref("AudienceField")
_VALUE: Final = ref("AudienceValue")
_AGGREGATE: Final = ref("AudienceAggregate")
_STEP_FIELD: Final = ref("AudienceStepField")
_DATE: Final = ref("AudienceDate")
_STEP_DATE: Final = ref("AudienceStepDate")

_JOINED_MAX: Final = (DEFINITION_PARTS_MAX - 1) // 2
"""Expressions that one can join: it is a part itself, and each of them two at least, itself and an operand."""

_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": DEFINITION_CHARACTERS_MAX}
_PATH: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": PATH_CHARACTERS_MAX}
_EVENT_PATH: Final[Schema] = {**_PATH, "pattern": r"^(?:attributes\.[\s\S]+|[^.]+(?:\.[^.]+)*)$"}


def definition_schemas() -> Schema:
    """Return the named schemas that a definition is made of."""
    return {
        DEFINITION: closed_object(
            f"Whom an audience has. At most {DEFINITION_PARTS_MAX:,} expressions and operands in all, {DEFINITION_DEPTH_MAX} within one another.",
            {"schema_version": {**_TEXT, "description": "1.6.0."}, "audience": _EXPRESSION},
        ),
        "AudienceExpression": {
            "description": "What holds of a user.",
            "anyOf": [*_expressions(_EXPRESSION, [_FIELD, _AGGREGATE], _DATE), _sequence()],
        },
        "AudienceCondition": {
            "description": "What holds of an item that is aggregated, or of an event of a sequence. A field of its model means the item's.",
            "anyOf": _expressions(_CONDITION, [_FIELD, _STEP_FIELD], _STEP_DATE),
        },
        "AudienceField": _field(),
        "AudienceValue": _value(),
        "AudienceAggregate": _aggregate(),
        "AudienceStepField": closed_object(
            "A field of the event that an earlier step of the same sequence found, by the alias of that step.",
            {"alias": _TEXT, "path": _EVENT_PATH},
        ),
        "AudienceDate": _date({}),
        "AudienceStepDate": _date({"relative_to": _STEP_FIELD}),
    }


def _words(*words: str) -> Schema:
    return {"enum": list(words)}


def _asking(comparisons: frozenset[Comparison]) -> Schema:
    """Return the operators that compare in one of these ways, or are the complement of one."""
    return _words(*(name for name, (comparison, _) in COMPARISONS.items() if comparison in comparisons))


def _expressions(inner: Schema, known: list[Schema], date: Schema) -> list[Schema]:
    """Return the forms of an expression that has others of a sort in it, compares what is known, and dates."""
    some: Schema = {"type": "array", "items": inner, "minItems": 1, "maxItems": _JOINED_MAX}
    fields: Schema = {"anyOf": known}
    side: Schema = {"anyOf": [_VALUE, *known]}
    dated = _asking(DATE_COMPARISONS)
    return [
        closed_object("All of them hold, or one of them.", {"operator": _words(*JUNCTIONS), "expressions": some}),
        closed_object("It does not hold.", {"operator": {"const": NEGATION}, "expression": inner}),
        closed_object(
            "Whether there is any value.",
            {"operator": _words(*Test), "operand": {"anyOf": [*known, _whole(_words(*Model))]}},
        ),
        closed_object(
            "Whether a value compares with another.", {"operator": _words(*COMPARISONS), "left": side, "right": side}
        ),
        closed_object("Whether it compares with a date.", {"operator": dated, "left": fields, "right": date}),
        closed_object("Likewise, the date first.", {"operator": dated, "left": date, "right": fields}),
        closed_object(
            "Whether the user is in another audience of the workspace, by its id. One that others ask for asks for none itself.",
            {
                "operator": _asking(MEMBERSHIPS),
                "left": _whole({"const": Model.USER.value}),
                "right": closed_object("", {"audience": _TEXT}),
            },
        ),
    ]


def _sequence() -> Schema:
    step = closed_object(
        "An event, by an alias that no other step has.",
        {"alias": _TEXT, "operand": closed_object("", {"model": {"const": Model.EVENTS.value}}, {"path": _EVENT_PATH})},
        {"condition": _CONDITION},
    )
    steps: Schema = {"type": "array", "items": step, "minItems": 1, "maxItems": SEQUENCE_STEPS_MAX}
    return closed_object("Events happened one after the other.", {"operator": {"const": SEQUENCE}, "sequence": steps})


def _whole(model: Schema) -> Schema:
    return closed_object("", {"model": model})


def _field() -> Schema:
    return {
        "description": "A field of a model.",
        "anyOf": [
            closed_object("", {"model": _words(*(one for one in Model if one not in _PATHS)), "path": _PATH}),
            *(closed_object("", {"model": {"const": one.value}, "path": path}) for one, path in _PATHS.items()),
        ],
    }


def _value() -> Schema:
    one: Schema = {
        "anyOf": [
            {"type": "string", "maxLength": DEFINITION_CHARACTERS_MAX},
            {"type": "number", "minimum": DEFINITION_NUMBER_MIN, "maximum": DEFINITION_NUMBER_MAX},
            {"type": "boolean"},
        ]
    }
    several: Schema = {"type": "array", "items": one, "minItems": 1, "maxItems": DEFINITION_VALUES_MAX}
    return {"description": "A value, or several of which any may meet a comparison.", "anyOf": [*one["anyOf"], several]}


def _aggregate() -> Schema:
    counted = [
        closed_object("", {"model": {"const": one.value}, "path": _PATHS.get(one, _PATH)})
        for one in Model
        if one.has_items
    ]
    return closed_object(
        "One value of all items of a model, or of those for which a condition holds.",
        {"operator": _words(*Aggregation), "operand": {"anyOf": counted}},
        {"group_by_model": {"const": Model.USER.value}, "condition": _CONDITION},
    )


def _date(optional: Schema) -> Schema:
    relative = closed_object(
        "So many units from now, or from the date of an earlier step; with a boundary, that end of the unit it lies in.",
        {
            "offset": {"type": "integer", "minimum": -OFFSET_MAX, "maximum": OFFSET_MAX},
            "unit": _words(*Unit),
        },
        {"boundary": _words(*Boundary), **optional},
    )
    absolute: Schema = {
        "description": "A day in UTC, a time, or Unix milliseconds.",
        "anyOf": [
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
            {"type": "string", "pattern": "^-?[0-9]{1,15}$"},
        ],
    }
    date: Schema = {
        "anyOf": [closed_object("", {"absolute": absolute}), closed_object("", {"relative": relative})],
    }
    return closed_object("A day, or an instant.", {"date": date})


def _consent_path() -> str:
    """Return the pattern of a purpose, as it is or with what is asked of the statement about it."""
    facts = "|".join(one for one in ConsentFact if one is not ConsentFact.CONSENTED)
    named = rf"{Regulation.GDPR}\.(?!\.?(?:{facts})$)[\s\S]+"
    opted_out = rf"{Regulation.CCPA}\.{re.escape(CCPA_PURPOSE)}(?:\.(?:{facts}))?"
    return f"^(?:{named}|{opted_out})$"


_PATHS: Final[dict[Model, Schema]] = {
    **{model: _words(*sorted(names)) for model, names in IDENTITY_NAMES.items()},
    Model.CONSENT: {**_PATH, "pattern": _consent_path()},
    Model.ATTRIBUTION: _words(*AttributionFact),
    Model.EVENTS: _EVENT_PATH,
}
"""What a path may be, of the models of which not every text is one."""
