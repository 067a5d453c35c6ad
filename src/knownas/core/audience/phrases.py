"""Says criteria in plain words, for whoever checks an audience: `the number of events where name is purchase is at least 3`."""

from typing import Final, assert_never

from knownas.core.audience.dates import written
from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Aggregation,
    Boundary,
    Compared,
    Comparison,
    Every,
    Everything,
    Expression,
    Literal,
    Member,
    Not,
    Operand,
    RelativeDate,
    Sequenced,
    Some,
    Step,
    StepField,
    Tested,
)
from knownas.core.audience.field import (
    OWN_ATTRIBUTES,
    AttributeField,
    AttributionField,
    CalculatedField,
    ConsentFact,
    ConsentField,
    DeviceField,
    EventField,
    Field,
    IdentityField,
    Model,
    UserField,
)
from knownas.core.profile.attributes import Scalar, as_text
from knownas.core.profile.moments import DAY_MS, Span

PHRASE_CHARACTERS_MAX: Final = 1_000
"""Characters of a phrase; a longer one is cut, and ends with an ellipsis."""

_VALUES_NAMED_MAX: Final = 5
"""Values of a list that are named; of more it is said how many there are."""

_WORDS: Final = {
    Comparison.EQUALS: ("is", "is not"),
    Comparison.LESS_THAN: ("is less than", ""),
    Comparison.LESS_THAN_EQUAL: ("is at most", ""),
    Comparison.GREATER_THAN: ("is more than", ""),
    Comparison.GREATER_THAN_EQUAL: ("is at least", ""),
    Comparison.MATCHES: ("has the form", "does not have the form"),
    Comparison.CONTAINS: ("contains", "does not contain"),
    Comparison.STARTS_WITH: ("starts with", "does not start with"),
    Comparison.ENDS_WITH: ("ends with", "does not end with"),
    Comparison.IN: ("is one of", "is none of"),
}
_DATE_WORDS: Final = {
    Comparison.EQUALS: ("is on", "is not on"),
    Comparison.LESS_THAN: ("is before", ""),
    Comparison.LESS_THAN_EQUAL: ("is not after", ""),
    Comparison.GREATER_THAN: ("is after", ""),
    Comparison.GREATER_THAN_EQUAL: ("is not before", ""),
}
_AGGREGATIONS: Final = {
    Aggregation.MIN: "the smallest",
    Aggregation.MAX: "the largest",
    Aggregation.SUM: "the sum of",
    Aggregation.AVG: "the average of",
    Aggregation.LIST: "all",
}


def phrase(expression: Expression) -> str:
    """Say an expression in words."""
    told = _said(expression, None)
    return told if len(told) <= PHRASE_CHARACTERS_MAX else told[: PHRASE_CHARACTERS_MAX - 1] + "…"


def _said(expression: Expression, item: Model | None) -> str:  # noqa: PLR0911 - one for each kind
    match expression:
        case Tested(test=test, operand=operand):
            return f"there is {_existing(_operand(operand, item), is_negative=test.is_negative)}"
        case Compared():
            return _compared(expression, item)
        case Member(audience=audience, negated=negated):
            return f"the user is {'not ' if negated else ''}in audience {audience}"
        case Every(expressions=inner):
            return _joined(" and ", inner, item)
        case Some(expressions=inner):
            return _joined(" or ", inner, item)
        case Not(expression=inner):
            return f"it is not so that {_within(inner, item)}"
        case Sequenced(steps=steps):
            return "there was " + ", and after it ".join(map(_step, steps))
        case _:
            assert_never(expression)


def _existing(told: str, *, is_negative: bool) -> str:
    """Say that something is there, or that it is not, with the article that it has or is spoken with."""
    bare = told.removeprefix("an ").removeprefix("a ")
    if is_negative:
        return f"no {bare}"
    return told if told.startswith(_WITH_ARTICLE) else f"{_article(told)} {told}"


_WITH_ARTICLE: Final = ("a ", "an ", "the ", "all ")


def _article(words: str) -> str:
    """Return the article that words are spoken with. It goes by the sound: a user, an hour, an e-mail, an MPID."""
    name = words.casefold().lstrip("$_'\" ")
    if name.startswith(_LIKE_YOU_OR_ONE):
        return "a"
    return "an" if name.startswith((*_VOWELS, *_LIKE_VOWELS)) else "a"


_VOWELS: Final = ("a", "e", "i", "o", "u", "8", "11", "18")
_LIKE_YOU_OR_ONE: Final = (
    "one",
    "once",
    "uni",
    "user",
    "use_",
    "used",
    "usa",
    "usu",
    "uti",
    "utm",
    "uuid",
    "uid",
    "url",
    "eu",
)
"""What begins with a vowel and is spoken as you, or as one."""

_LIKE_VOWELS: Final = (
    "hour",
    "honest",
    "honor",
    "honour",
    "heir",
    "mpid",
    "sms",
    "ssn",
    "html",
    "http",
    "nps",
    "rfm",
    "ltv",
    "xp",
)
"""What begins with a consonant and is spoken as if it did not: a silent h, and letters that are read one by one."""


def _joined(word: str, inner: tuple[Expression, ...], item: Model | None) -> str:
    return _said(inner[0], item) if len(inner) == 1 else word.join(_within(one, item) for one in inner)


def _within(expression: Expression, item: Model | None) -> str:
    told = _said(expression, item)
    return f"({told})" if isinstance(expression, Every | Some) and len(expression.expressions) > 1 else told


def _step(step: Step) -> str:
    named = f"an event {step.alias!r}"
    return named if step.condition is None else f"{named} where {_said(step.condition, Model.EVENTS)}"


def _compared(compared: Compared, item: Model | None) -> str:
    comparison, left, right = compared.comparison, compared.left, compared.right
    if isinstance(left, AbsoluteDate | RelativeDate):
        comparison, left, right = comparison.mirrored, right, left
    words = _DATE_WORDS if isinstance(right, AbsoluteDate | RelativeDate) else _WORDS
    return f"{_operand(left, item)} {words[comparison][compared.negated]} {_operand(right, item)}"


def _operand(operand: Operand, item: Model | None) -> str:  # noqa: PLR0911 - one for each kind
    match operand:
        case Literal(values):
            named = " or ".join(map(_value, values[:_VALUES_NAMED_MAX]))
            return named if len(values) <= _VALUES_NAMED_MAX else f"{named} or {len(values) - _VALUES_NAMED_MAX} others"
        case AbsoluteDate(span):
            return _date(span)
        case RelativeDate():
            return _relative(operand)
        case StepField(alias, field):
            return f"{_field(field)} of {alias!r}"
        case Everything(model):
            return model.value.replace("_", " ").removesuffix("s")
        case Aggregate():
            return _aggregate(operand)
        case _:
            return _field(operand) if operand.model is item else f"{_PREFIX.get(operand.model, '')}{_field(operand)}"


_PREFIX: Final = {
    Model.EVENTS: "an event's ",
    Model.DEVICES: "a device's ",
    Model.ATTRIBUTION: "an attribution's ",
    Model.CALCULATED_ATTRIBUTES: "calculated ",
    Model.CONSENT: "consent ",
}


def _aggregate(aggregate: Aggregate) -> str:
    model = aggregate.field.model
    where = "" if aggregate.condition is None else f" where {_said(aggregate.condition, model)}"
    if aggregate.aggregation is Aggregation.COUNT:
        return f"the number of {model.value}{where}"
    return f"{_AGGREGATIONS[aggregate.aggregation]} {_field(aggregate.field)} of {model.value}{where}"


def _field(field: Field) -> str:  # noqa: PLR0911 - one for each kind
    match field:
        case UserField(fact):
            return fact.value
        case AttributeField(name) | CalculatedField(name):
            return name
        case IdentityField(kind):
            return kind.value
        case ConsentField(purpose, fact):
            told = f"{purpose.regulation.value}.{purpose.name}"
            return told if fact is ConsentFact.CONSENTED else f"{told}.{fact.value}"
        case DeviceField(fact):
            return str(fact)
        case AttributionField(fact):
            return fact.value
        case EventField(fact):
            return ".".join(fact).removeprefix(f"{OWN_ATTRIBUTES}.") if isinstance(fact, tuple) else fact.value


def _value(value: Scalar) -> str:
    return repr(value) if isinstance(value, str) else as_text(value)


def _date(span: Span) -> str:
    told = written(span.from_ms)
    return told[: len("2026-01-01")] if span.to_ms - span.from_ms == DAY_MS else told


def _relative(date: RelativeDate) -> str:
    unit = date.unit.value if abs(date.offset) == 1 else f"{date.unit.value}s"
    base = None if date.relative_to is None else f"{_field(date.relative_to.field)} of {date.relative_to.alias!r}"
    if date.offset == 0:
        told = base or "now"
    elif base is None:
        told = f"{-date.offset} {unit} ago" if date.offset < 0 else f"in {date.offset} {unit}"
    else:
        told = f"{abs(date.offset)} {unit} {'before' if date.offset < 0 else 'after'} {base}"
    if date.boundary is None:
        return told
    edge = "start" if date.boundary is Boundary.START else "end"
    return f"the {edge} of the {date.unit.value} of {told}"
