"""A first look at what a store keeps of users says of nobody that they belong to no audience who may, and is right wherever it answers itself."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition, Expression, Operand, Some
from knownas.core.audience.judging import Criteria
from knownas.core.audience.mentions import Mentions
from knownas.core.audience.subject import Subject
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.audience import asked_events, first_look
from knownas.service.audience.first_look import FirstLook, Glimpse
from knownas.service.audience.subjects import past_events
from knownas.service.profile.kept_batches import batch_document
from knownas.service.profile.sections import written
from knownas.store.traces import Trace, Traces, like_pattern
from knownas.store.user_data import StoredEvents
from tests.core.audience.definitions import PURCHASE, both, count, defined, definition, frequent, since
from tests.core.audience.drawn import NOW_MS, Json, definitions, user_of, users
from tests.core.audience.subjects import subject_of

MOMENTS_MAX = 10
"""Moments at which it is looked whether somebody belongs to an audience by then."""

DATABASE = sqlite3.connect(":memory:")
PEOPLE = st.lists(users(), min_size=5, max_size=5)
PLAN = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}


def kept_of(user: Json) -> Sequence[StoredEvents]:
    """Return the events of a user as a store keeps them: in two batches, and one that counts for nobody."""
    events = [Event(one["type"], one["timestamp"], one["message_id"], one["data"]) for one in user["events"]]
    kept: list[StoredEvents] = []
    for seq, several in enumerate((events[::2], events[1::2]), start=1):
        document = batch_document(
            EventBatch(Environment.PRODUCTION, NOW_MS, "web", Channel.SERVER, events=tuple(several))
        )
        kept.append(StoredEvents(seq, NOW_MS, 0, 0, document))
    aside = kept[0].document[:-1] + b',"is_aside":true}'
    return [*kept, StoredEvents(3, NOW_MS, 0, 0, aside)]


def bears(traces: Traces | None, section: bytes, kept: Sequence[StoredEvents]) -> bool:
    """Whether a store looks at a user who has this section and these events."""
    return traces is None or fits(section, traces.sections) or any(fits(one.document, traces.events) for one in kept)


def fits(document: bytes, traces: Sequence[Trace]) -> bool:
    """Whether SQLite finds one of some traces in a document."""
    asked = "SELECT ? LIKE ?"
    return any(DATABASE.execute(asked, (document.decode(), like_pattern(one))).fetchone() == (1,) for one in traces)


def looked(given: dict[int, Json], people: Sequence[Json]) -> tuple[FirstLook, list[Glimpse | None], list[Subject]]:
    """Look at some users as they are kept; return what was found, and them as they are judged by all that is known."""
    look = FirstLook({one: defined(asked) for one, asked in given.items()}, NOW_MS)
    all_of, kept = [subject_of(one) for one in people], [kept_of(one) for one in people]
    mpids, documents = [one.mpid for one in all_of], [written(one.section) for one in all_of]
    found: list[Glimpse | None] = [None] * len(people)
    for one in look.glimpses(mpids, documents):
        if bears(look.traces, documents[one.place], kept[one.place]):
            found[one.place] = look.closer(mpids[one.place], one, kept[one.place]) if look.needs_events(one) else one
    told = [
        one._replace(events=past_events([(each.seq, each.document) for each in of]))
        for one, of in zip(all_of, kept, strict=True)
    ]
    return look, found, told


def is_right(given: dict[int, Json], people: Sequence[Json]) -> int:
    """Compare a first look with judging by all that is known; return how often it answered."""
    look, found, all_of = looked(given, people)
    answered = 0
    for glimpse, subject in zip(found, all_of, strict=True):
        for audience, asked in given.items():
            held = Criteria(defined(asked)).judge(subject, NOW_MS)
            if glimpse is None or audience not in glimpse.held:
                for _ in range(MOMENTS_MAX):
                    assert not held.holds, "who belongs to it, now or later, was passed over"
                    if held.until_ms == NEVER:
                        break
                    held = Criteria(defined(asked)).judge(subject, held.until_ms)
                answered += 1
            elif (told := glimpse.held[audience]) is not None:
                assert told == held
                assert look.reasons(subject.mpid, glimpse, audience) == Criteria(defined(asked)).reasons(
                    subject, NOW_MS
                )
                answered += 1
    return answered


@settings(max_examples=1_000)
@given(definitions(), PEOPLE)
def test_a_first_look_is_right(asked: Json, people: list[Json]) -> None:
    """For any definition and any users, reasons included: 5,000 pairs."""
    is_right({1: asked}, people)


@settings(max_examples=200)
@given(st.lists(definitions(), min_size=2, max_size=4), PEOPLE)
def test_a_first_look_for_several_is_right_for_each(asked: list[Json], people: list[Json]) -> None:
    """What one of them asks for is nothing to the others."""
    is_right(dict(enumerate(asked, start=1)), people)


@pytest.mark.parametrize(
    "asked",
    [
        PLAN,
        both(PLAN, frequent(2, 7)["audience"]),
        {"operator": "not", "expression": PURCHASE},
        {"operator": "greater_than", "left": count(both(PURCHASE, since(20))), "right": 0},
        {"operator": "exists", "operand": {"model": "devices"}},
        {"operator": "equals", "left": {"model": "consent", "path": "gdpr.mail"}, "right": True},
        {"operator": "exists", "operand": {"model": "attribution", "path": "publisher"}},
        {"operator": "then", "sequence": [{"alias": name, "operand": {"model": "events"}} for name in "ab"]},
    ],
)
def test_a_first_look_answers_what_it_can_see(asked: Json) -> None:
    """Attributes, events, devices, consent and attributions: nobody has to be looked at more closely."""
    people = [user_of(Random(number)) for number in range(50)]
    assert is_right({1: definition(asked)}, people) == len(people)


def test_who_has_more_events_than_a_definition_sees_is_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest count, whatever their names are; only who has none that is asked for is passed over."""
    monkeypatch.setattr(asked_events, "JUDGED_EVENTS_MAX", 0)
    people = [user_of(Random(number)) for number in range(20)]
    _, found, _ = looked({1: frequent(1, 7)}, people)
    for glimpse, person in zip(found, people, strict=True):
        if any(one["name"] == "purchase" for one in person["events"]):
            assert glimpse is not None
            assert glimpse.held == {1: None}


def test_an_attribute_of_any_name_is_seen_or_left_to_a_closer_look() -> None:
    """Also of one that no member of a record could have."""
    for name in ('a"b', "a\\b", "a\nb", "caf\u00e9", "get", "places", "a0", "__class__", "\U0001f600", " "):
        asked = definition({**PLAN, "left": {"model": "user_attributes", "path": name}})
        people = [{**user_of(Random(1)), "attributes": {name: value}} for value in ("gold", "tin")]
        is_right({1: asked}, people)
        _, found, _ = looked({1: asked}, people)
        assert found[0] is not None


def is_caught(asked: st.SearchStrategy[Json]) -> bool:
    """Whether a first look is found to be wrong."""

    def look(asked: Json, people: list[Json]) -> None:
        is_right({1: asked}, people)

    try:
        settings(max_examples=1_000, phases=[Phase.generate], derandomize=True)(given(asked, PEOPLE)(look))()
    except AssertionError:
        return True
    return False


def test_a_look_that_passes_over_events_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that takes an event of another spelling for another one."""
    mentions = first_look.mentions

    def shouted(asked: Definition) -> Mentions:
        told = mentions(asked)
        return replace(told, events=None if told.events is None else frozenset(one.upper() for one in told.events))

    monkeypatch.setattr(first_look, "mentions", shouted)
    assert is_caught(st.just(frequent(1, 30)))


def test_a_look_that_takes_what_it_does_not_see_for_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that answers without the part of a definition that it can't see."""
    weakened = first_look.weakened

    def careless(expression: Expression, is_seen: Callable[[Expression | Operand], bool]) -> Expression:
        weaker = weakened(expression, is_seen)
        return Some("", ()) if weaker is first_look.ANYBODY else weaker

    monkeypatch.setattr(first_look, "weakened", careless)
    assert is_caught(definitions())
