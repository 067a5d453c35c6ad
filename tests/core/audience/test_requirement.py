"""Whoever lacks what a definition requires does not belong to its audience, now or later."""

from collections.abc import Iterable, Sequence
from unittest.mock import ANY

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knownas.core.audience import requirement as requiring
from knownas.core.audience.dates import NEVER
from knownas.core.audience.judging import Criteria
from knownas.core.audience.requirement import Requirement
from knownas.core.audience.subject import Subject
from knownas.core.profile.attributes import as_text
from tests.core.audience.definitions import PURCHASE, both, count, defined, definition, frequent, since
from tests.core.audience.drawn import NOW_MS, Json, definitions
from tests.core.audience.subjects import subject_of
from tests.core.audience.test_weakening import PEOPLE

MOMENTS_MAX = 10
"""Moments at which it is looked whether a definition holds by then."""


def meets(subject: Subject, required: Requirement) -> bool:
    """Whether a user has something of what is required."""
    for name, texts in required.attributes.items():
        held = subject.section.attributes.get(name)
        if held is not None and held.value is not None:
            values = held.value if isinstance(held.value, tuple) else (held.value,)
            if texts is None or any(as_text(one).casefold() in texts for one in values):
                return True
    return any((one.event.name or "").casefold() in required.events for one in subject.events)


def misses_nobody(asked: Json, people: Sequence[Json]) -> None:
    """Judge those users who lack what is required."""
    criteria = Criteria(defined(asked))
    required = requiring.requirement(criteria.definition.criteria, NOW_MS)
    for subject in map(subject_of, people):
        if required is None or meets(subject, required):
            continue
        at_ms = NOW_MS
        for _ in range(MOMENTS_MAX):
            held = criteria.judge(subject, at_ms)
            assert not held.holds
            if held.until_ms == NEVER:
                break
            at_ms = held.until_ms


@settings(max_examples=1_000)
@given(definitions(), PEOPLE)
def test_who_lacks_it_does_not_belong(asked: Json, people: list[Json]) -> None:
    """For any definition and any users: 5,000 pairs."""
    misses_nobody(asked, people)


def of(asked: Json) -> Requirement | None:
    """Return what a condition requires."""
    return requiring.requirement(defined(definition(asked)).criteria, NOW_MS)


def attribute(name: str, operator: str, value: object) -> Json:
    """Ask for an attribute."""
    return {"operator": operator, "left": {"model": "user_attributes", "path": name}, "right": value}


def either(*inner: Json) -> Json:
    """Ask for one of several."""
    return {"operator": "or", "expressions": list(inner)}


GOLD = attribute("plan", "equals", "Gold")
OFTEN = attribute("visits", "greater_than_equal", 50)
OLD = attribute("age", "greater_than_equal", 0)
BOUGHT = {"operator": "greater_than_equal", "left": count(both(PURCHASE, since(30))), "right": 2}
FIRST_SEEN = {"operator": "exists", "operand": {"model": "user", "path": "first_seen"}}


@pytest.mark.parametrize(
    ("asked", "attributes", "events"),
    [
        (GOLD, {"plan": {"gold"}}, ()),
        (attribute("plan", "in", ["Gold", "silver"]), {"plan": {"gold", "silver"}}, ()),
        (OFTEN, {"visits": None}, ()),
        (attribute("visits", "equals", "50"), {"visits": None}, ()),
        (attribute("visits", "equals", "True"), {"visits": None}, ()),
        (attribute("plan", "in", ["gold", 5]), {"plan": None}, ()),
        (attribute("plan", "contains", "gold"), {"plan": None}, ()),
        (BOUGHT, {}, ("purchase",)),
        (frequent(2, 7)["audience"], {}, ("purchase",)),
        (both(OFTEN, BOUGHT, GOLD), {"plan": {"gold"}}, ()),
        (both(OFTEN, BOUGHT), {}, ("purchase",)),
        (both(FIRST_SEEN, OFTEN), {"visits": None}, ()),
        (either(GOLD, BOUGHT), {"plan": {"gold"}}, ("purchase",)),
        (either(GOLD, attribute("plan", "equals", "tin")), {"plan": {"gold", "tin"}}, ()),
        (either(GOLD, attribute("plan", "contains", "tin")), {"plan": None}, ()),
        ({"operator": "not", "expression": attribute("plan", "not_equals", "gold")}, {"plan": None}, ()),
    ],
)
def test_what_is_required(asked: Json, attributes: dict[str, Iterable[str] | None], events: Sequence[str]) -> None:
    """The value that is asked for if it is a text, else that there is any; of several, what fewest have."""
    wanted = {name: None if texts is None else frozenset(texts) for name, texts in attributes.items()}
    assert of(asked) == Requirement(wanted, frozenset(events))


@pytest.mark.parametrize(
    "asked",
    [
        FIRST_SEEN,
        attribute("plan", "not_equals", "gold"),
        {"operator": "not", "expression": GOLD},
        {"operator": "less_than", "left": count(PURCHASE), "right": 2},
        {"operator": "exists", "operand": {"model": "events"}},
        {"operator": "equals", "left": {"model": "user_identities", "path": "email"}, "right": "a@x"},
        {"operator": "in", "left": {"model": "user"}, "right": {"audience": "1"}},
        either(GOLD, FIRST_SEEN),
        both(FIRST_SEEN, either(BOUGHT, attribute("plan", "not_equals", "gold"))),
    ],
)
def test_what_somebody_may_meet_who_has_nothing_requires_nothing(asked: Json) -> None:
    """Nor does what asks for anything else than attributes and events of some name."""
    assert of(asked) is None


def narrowed(several: Iterable[Requirement | None]) -> Requirement | None:
    """Return what the first of several requires."""
    return next(iter(several), None)


@pytest.mark.parametrize(
    ("part", "careless", "asked"),
    [
        ("united", narrowed, st.just(definition(either(attribute("plan", "equals", "a"), OLD)))),
        ("ALWAYS", (ANY, ANY), definitions()),
    ],
)
def test_a_requirement_that_is_too_much_is_noticed(
    part: str, careless: object, asked: st.SearchStrategy[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: of two ways in only the first one, and something of what holds of somebody who has nothing."""
    monkeypatch.setattr(requiring, part, careless)
    with pytest.raises(AssertionError):
        settings(max_examples=1_000, phases=[Phase.generate], derandomize=True)(given(asked, PEOPLE)(misses_nobody))()
