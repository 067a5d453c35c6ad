"""Who learns of nothing that an audience depends on need not be judged anew."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.audience.field import Model
from knownas.core.audience.judging import Criteria
from knownas.core.audience.mentions import Mentions, mentions
from tests.core.audience.definitions import PURCHASE, both, count, defined, definition, since
from tests.core.audience.drawn import AUDIENCES, NOW_MS, definitions, event_of, user_of
from tests.core.audience.subjects import subject_of

Json = Any
PLAN = {"operator": "exists", "operand": {"model": "user", "path": "plan"}}
SEVERAL = {"operator": "in", "left": {"model": "events", "path": "name"}, "right": ["Refund", "visit"]}
EVENT_THERE = {"operator": "exists", "operand": {"model": "events"}}
STEP = {"alias": "a", "operand": {"model": "events"}, "condition": PURCHASE}


def at_least_one(condition: Json) -> Json:
    """Return that an event meets a condition."""
    return {"operator": "greater_than", "left": count(condition), "right": 0}


@pytest.mark.parametrize(
    ("expression", "events"),
    [
        (PURCHASE, {"purchase"}),
        ({**PURCHASE, "operator": "not_equals"}, {"purchase"}),
        (SEVERAL, {"refund", "visit"}),
        ({**PURCHASE, "right": 7}, None),
        ({**PURCHASE, "operator": "contains"}, None),
        ({**PURCHASE, "left": {"model": "events", "path": "type"}}, None),
        (EVENT_THERE, None),
        (PLAN, set()),
        (at_least_one(both(since(7), PURCHASE)), {"purchase"}),
        (at_least_one({"operator": "or", "expressions": [PURCHASE, SEVERAL]}), {"purchase", "refund", "visit"}),
        (at_least_one({"operator": "or", "expressions": [PURCHASE, since(7)]}), None),
        (at_least_one({**PURCHASE, "operator": "not_equals"}), None),
        (at_least_one({"operator": "not", "expression": PURCHASE}), None),
        ({"operator": "not", "expression": at_least_one(PURCHASE)}, {"purchase"}),
        ({"operator": "then", "sequence": [STEP, {**STEP, "alias": "b", "condition": SEVERAL}]}, {"purchase", "refund", "visit"}),
        ({"operator": "then", "sequence": [STEP, {"alias": "b", "operand": {"model": "events"}}]}, None),
    ],
)  # fmt: skip
def test_events_are_mentioned_by_their_names(expression: Json, events: set[str] | None) -> None:
    """Where only such can count; where any may, all are mentioned."""
    assert mentions(defined(definition(expression))).events == events


def test_everything_else_is_mentioned() -> None:
    """Attributes by name, other audiences, and whole models."""
    email = {"operator": "exists", "operand": {"model": "user_identities", "path": "email"}}
    member = {"operator": "in", "left": {"model": "user"}, "right": {"audience": "7"}}
    devices = {"operator": "exists", "operand": {"model": "devices"}}
    assert mentions(defined(definition(both(PLAN, email, member, devices)))) == Mentions(
        attributes=frozenset({"plan"}),
        audiences=frozenset({"7"}),
        models=frozenset({Model.USER_IDENTITIES, Model.DEVICES}),
    )


@settings(max_examples=300)
@given(definitions(), st.integers(0, 2**40), st.integers(0, 7))
def test_what_is_not_mentioned_changes_nothing(drawn: Json, number: int, what: int) -> None:
    """One more event, another attribute, another membership, or another of whatever else is known."""
    chance = Random(number)
    before, other = user_of(chance), user_of(chance)
    after, learnt = changed(before, other, chance, what)
    read = defined(drawn)
    if not mentions(read).concerned_by(learnt):
        answers = [Criteria(read).judge(subject_of(user), NOW_MS) for user in (before, after)]
        assert answers[0] == answers[1]


def changed(before: Json, other: Json, chance: Random, what: int) -> tuple[Json, Mentions]:
    """Return a user after something became known, and what that was."""
    if what in (0, 1, 2):
        added = {**event_of(chance), "event_id": "added"}
        events = sorted([*before["events"], added], key=lambda one: one["timestamp"])
        return {**before, "events": events}, Mentions(events=frozenset({added["name"]}))
    if what in (3, 4):
        name = chance.choice(("plan", "age", "tags", "since", "mpid"))
        held = {**before["attributes"], name: other["attributes"].get(name, "new")}
        return {**before, "attributes": held}, Mentions(attributes=frozenset({name}))
    if what == 5:
        joined = frozenset({chance.choice(AUDIENCES)})
        return {**before, "audiences": before["audiences"] ^ joined}, Mentions(audiences=joined)
    names = {
        Model.USER_IDENTITIES: ("user_identities",),
        Model.DEVICE_IDENTITIES: ("device_identities",),
        Model.CONSENT: ("consent",),
        Model.DEVICES: ("devices",),
        Model.ATTRIBUTION: ("attribution",),
        Model.CALCULATED_ATTRIBUTES: ("calculated_attributes",),
        Model.USER: ("is_known", "first_seen", "last_seen", "is_opted_out", "limit_ad_tracking"),
    }
    model = chance.choice(list(names))
    return {**before, **{name: other[name] for name in names[model]}}, Mentions(models=frozenset({model}))


@pytest.mark.parametrize("form", [Mentions(events=None), Mentions(events=frozenset({"purchase"}))])
def test_any_event_concerns_who_asks_for_all(form: Mentions) -> None:
    """And nobody is concerned by no event at all."""
    assert Mentions(events=None).concerned_by(form)
    assert form.concerned_by(Mentions(events=None))
    assert not form.concerned_by(Mentions())
    assert not Mentions().concerned_by(form)
