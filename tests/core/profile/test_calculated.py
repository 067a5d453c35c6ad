"""Calculated attributes: what is counted, in whatever order it arrives, and what a seed stands for (platform §8)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.calculated import WorkspaceCalculations, seeded, shown
from knownas.core.profile.conditions import Condition, ConditionType, InvalidDefinition, Operator
from knownas.core.profile.definition import AttributeCategory, DataPoint, Definition
from knownas.core.profile.event import Event
from knownas.core.profile.numbers import number_of, plus, read, written
from knownas.core.profile.section import CalculatedStates
from knownas.core.profile.tallies import CALCULATED_VALUES_MAX, CalculationType, Seed, SeedRefused

C = CalculationType
CUTOFF_MS = 1_575_158_400_000
"""2019-12-01 in UTC."""

NOW_MS = 1_790_000_000_000
"""When values are read, which matters to windows alone."""

ORDER_FREE = [kind for kind in C if kind is not C.MOST_FREQUENT]


def definition(kind: CalculationType, **members: Any) -> Definition:
    """Return a definition over the attribute `v` of events named `e`, or what `members` say."""
    point = members.pop("data_point", DataPoint("custom_event", event_name="e", attribute_name="v"))
    return Definition(members.pop("name", "x"), kind, point, **members)


def event(at_ms: int, value: Any = None, name: str = "e", **data: Any) -> Event:
    attributes = {} if value is None else {"v": value}
    return Event("custom_event", at_ms, None, {"event_name": name, "custom_attributes": attributes, **data})


def bought(at_ms: int, *products: Mapping[str, Any], action: str = "purchase", **data: Any) -> Event:
    return Event(
        "commerce_event", at_ms, None, {"product_action": {"action": action, "products": list(products)}, **data}
    )


def counted(of: Definition, batches: Iterable[Sequence[Event]], states: CalculatedStates | None = None) -> Any:
    """Count batches in one after the other, as they are stored in between, and return the value."""
    return shown([of], after(of, batches, states), NOW_MS).get(of.name)


def after(
    of: Definition, batches: Iterable[Sequence[Event]], states: CalculatedStates | None = None
) -> CalculatedStates:
    calculations = WorkspaceCalculations([of])
    held: CalculatedStates = states or {}
    for batch in batches:
        held = json.loads(json.dumps(calculations.count_in(held, batch)))
    return held


def seeds(of: Definition, states: CalculatedStates, seed: Seed) -> CalculatedStates:
    result = seeded(of, states, seed)
    assert not isinstance(result, SeedRefused)
    return json.loads(json.dumps(result))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (C.COUNT, "4"),
        (C.SUM, "8.5"),
        (C.MIN, "1.5"),
        (C.MAX, "4"),
        (C.AVERAGE, "2.833333333333"),
        (C.FIRST_OCCURRENCE, "3"),
        (C.LAST_OCCURRENCE, "many"),
        (C.FIRST_OCCURRENCE_TIMESTAMP, "1000"),
        (C.LAST_OCCURRENCE_TIMESTAMP, "4000"),
        (C.UNIQUE_LIST, ["3", "1.5", "4", "many"]),
        (C.UNIQUE_VALUES_COUNT, "4"),
        (C.MOST_FREQUENT, "1.5"),
    ],
)
def test_what_each_calculation_gives(kind: CalculationType, expected: Any) -> None:
    """Numbers are computed with as numbers, also where they are sent as text; what is no number is no term."""
    events = [event(3000, "4"), event(1000, 3), event(2000, 1.5), event(4000, "many")]
    assert counted(definition(kind), [events]) == expected


@pytest.mark.parametrize(
    ("action", "kind"),
    [("view", "promotion_view"), (1, "promotion_view"), ("click", "promotion_click"), (2, "promotion_click")],
)
def test_what_was_done_with_promotions_is_a_word_or_a_number(action: Any, kind: str) -> None:
    """Servers write the word, and the web SDK its own number: both are counted as the same."""
    said = Event("commerce_event", 1, None, {"promotion_action": {"action": action, "promotions": [{"id": "P"}]}})
    for asked in ("promotion_view", "promotion_click"):
        of = definition(C.COUNT, data_point=DataPoint("commerce_event", custom_event_type=asked))
        assert counted(of, [[said]]) == ("1" if asked == kind else None)


def test_money_does_not_drift() -> None:
    """Ten times ten cents are one, exactly; and a huge sum keeps its cents."""
    assert counted(definition(C.SUM), [[event(at, 0.1)] for at in range(10)]) == "1"
    assert counted(definition(C.SUM), [[event(1, 10**17), event(2, 0.01), event(3, -(10**17))]]) == "0.01"


@pytest.mark.parametrize("value", [10**30, float("inf"), "NaN", "1e400", "0x10", True, "", "1,5", "٣", "9" * 200])
def test_what_is_no_number_is_not_added(value: Any) -> None:
    """Neither what JSON can't say nor what is beyond the limit."""
    assert number_of(value) is None
    assert counted(definition(C.SUM), [[event(1, value), event(2, 2)]]) == "2"


@given(st.lists(st.decimals(min_value=-(10**18), max_value=10**18, places=12), max_size=30))
def test_sums_are_those_of_fractions(terms: list[Decimal]) -> None:
    """Written down and read again after each term, a sum is what exact arithmetic gives."""
    total = Decimal(0)
    for term in terms:
        number = number_of(format(term, "f"))
        assert number is not None
        total = read(written(plus(total, number)))
    assert Fraction(total) == sum((Fraction(term) for term in terms), Fraction(0))


values = st.one_of(
    st.integers(-1000, 1000),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
    st.sampled_from(["a", "b", "7", "7.0", "", "ä"]),
    st.booleans(),
)


@pytest.mark.parametrize("kind", ORDER_FREE)
@given(data=st.data())
def test_the_order_of_arrival_does_not_matter(kind: CalculationType, data: st.DataObject) -> None:
    """However late events arrive and however they are cut into batches, and whenever the seed comes."""
    cutoff = data.draw(st.sampled_from([None, 50]))
    of = definition(kind, cutoff_ms=cutoff)
    events = [event(at, value) for at, value in data.draw(st.lists(st.tuples(st.integers(0, 99), values), max_size=12))]
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    seed = Seed(value=7) if kind in (C.COUNT, C.SUM, C.MIN, C.MAX, C.UNIQUE_VALUES_COUNT, C.LAST_OCCURRENCE) else None
    one, other = after(of, [events]), after(of, [shuffled[:cut]])
    if seed is not None and cutoff is not None:
        one, other = seeds(of, one, seed), seeds(of, other, seed)
    other = after(of, [[late] for late in shuffled[cut:]], other)
    assert shown([of], one, NOW_MS) == shown([of], other, NOW_MS)


@given(st.lists(st.integers(0, 400), min_size=150, max_size=250), st.randoms())
def test_a_list_is_the_first_hundred_in_any_order(numbers: list[int], random: Any) -> None:
    """Of more values than are kept, those that occurred first, even if they arrive last."""
    events = [event(at, f"v{number}") for at, number in enumerate(numbers)]
    expected = list(dict.fromkeys(f"v{number}" for number in numbers))[:CALCULATED_VALUES_MAX]
    random.shuffle(events)
    assert counted(definition(C.UNIQUE_LIST), [events[:70], events[70:]]) == expected


def test_ties_are_alphabetical() -> None:
    """Of values that happen at once, or equally often, the first in the alphabet."""
    events = [event(5, "pear"), event(5, "apple"), event(5, "fig")]
    for kind in (C.FIRST_OCCURRENCE, C.LAST_OCCURRENCE, C.MOST_FREQUENT):
        assert counted(definition(kind), [events]) == "apple"
    assert counted(definition(C.UNIQUE_LIST), [events]) == ["apple", "fig", "pear"]


def test_most_frequent_counts_the_first_hundred_values() -> None:
    """A value that comes after them is not counted."""
    first = [event(at, f"v{at}") for at in range(CALCULATED_VALUES_MAX)]
    late = [event(1000, "late")] * 5
    assert counted(definition(C.MOST_FREQUENT), [first, late, [event(2000, "v7")]]) == "v7"


def test_only_matching_events_count() -> None:
    """The type, the name, the custom event type and all conditions decide."""
    gold = Condition(ConditionType.STRING, Operator.EQUALS, "tier", "gold")
    point = DataPoint("custom_event", event_name="e", custom_event_type="navigation")
    of = definition(C.COUNT, data_point=point, conditions=(gold,))
    right = {"custom_event_type": "navigation", "custom_attributes": {"tier": "Gold"}}
    events = [
        event(1, **right),
        event(2, name="f", **right),
        event(3, **{**right, "custom_event_type": "social"}),
        event(4, custom_event_type="navigation"),
        Event("screen_view", 5, None, {"screen_name": "e", **right}),
    ]
    assert counted(of, [events]) == "1"


def test_what_happened_before_the_period_does_not_count() -> None:
    """The first day is included."""
    assert counted(definition(C.COUNT, since_ms=100), [[event(99, 1), event(100, 1)]]) == "1"


def test_an_attribute_is_found_where_events_have_it() -> None:
    """Custom attributes come first, then those of the product action, then the event's own."""
    total = DataPoint("commerce_event", custom_event_type="purchase", attribute_name="total_amount")
    action = {"action": "purchase", "total_amount": 12.5, "products": []}
    purchase = Event("commerce_event", 1, None, {"product_action": action})
    assert counted(definition(C.SUM, data_point=total), [[purchase, purchase]]) == "25"
    length = DataPoint("session_end", attribute_name="session_duration_ms")
    ends = [Event("session_end", at, None, {"session_duration_ms": at * 10}) for at in (1, 2)]
    assert counted(definition(C.AVERAGE, data_point=length), [ends]) == "15"


@pytest.mark.parametrize(("with_quantity", "total", "pieces"), [(False, "15", "2"), (True, "35", "4")])
def test_products_count_one_by_one_or_by_quantity(*, with_quantity: bool, total: str, pieces: str) -> None:
    """With quantities, prices are multiplied; a condition looks at the product first, then at the event."""
    web = Condition(ConditionType.STRING, Operator.EQUALS, "shop", "web")
    fruit = Condition(ConditionType.STRING, Operator.EQUALS, "category", "fruit")
    members: dict[str, Any] = {
        "attribute_category": AttributeCategory.PRODUCT,
        "use_product_quantity": with_quantity,
        "custom_event_type": "purchase",
    }
    apple = {"name": "apple", "category": "fruit", "price": 5, "quantity": 1}
    melon = {"name": "melon", "category": "fruit", "price": "10", "quantity": 3}
    soap = {"name": "soap", "category": "bath", "price": 100, "quantity": 1}
    events = [
        bought(1, apple, melon, soap, custom_attributes={"shop": "web"}),
        bought(2, melon, custom_attributes={"shop": "mall"}),
        bought(3, melon, action="add_to_cart", custom_attributes={"shop": "web"}),
    ]
    price = DataPoint("commerce_event", attribute_name="price", **members)
    assert counted(definition(C.SUM, data_point=price, conditions=(web, fruit)), [events]) == total
    any_product = DataPoint("commerce_event", **members)
    assert counted(definition(C.COUNT, data_point=any_product, conditions=(web, fruit)), [events]) == pieces


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("remove_from_wishlist", {"product_action": {"action": "remove_from_wish_list"}}, "1"),
        ("promotion_view", {"promotion_action": {"action": "view"}}, "1"),
        ("impression", {"product_impressions": [{"products": []}]}, "1"),
        ("impression", {"product_action": {"action": "click"}}, None),
    ],
)
def test_commerce_events_are_told_by_what_was_done(kind: str, data: dict[str, Any], expected: str | None) -> None:
    """As custom event types call it, also where events spell it otherwise."""
    of = definition(C.COUNT, data_point=DataPoint("commerce_event", custom_event_type=kind))
    assert counted(of, [[Event("commerce_event", 1, None, data)]]) == expected


def test_promotions_are_counted() -> None:
    """Each promotion of an event is one."""
    point = DataPoint("commerce_event", attribute_name="id", attribute_category=AttributeCategory.PROMOTION)
    promotions = [{"id": "p1"}, {"id": "p2"}, {"name": "without id"}, "no object"]
    shows = Event("commerce_event", 1, None, {"promotion_action": {"action": "view", "promotions": promotions}})
    assert counted(definition(C.COUNT, data_point=point), [[shows]]) == "2"


@pytest.mark.parametrize("junk", [None, 1, "x", [], [1], {"action": 3, "products": 5}, {"products": [[], None]}])
def test_events_of_any_shape_are_survived(junk: Any) -> None:
    """What is not shaped as documented counts for nothing."""
    for category in AttributeCategory:
        point = DataPoint("commerce_event", attribute_name="v", attribute_category=category)
        data = {
            "product_action": junk,
            "promotion_action": junk,
            "product_impressions": junk,
            "custom_attributes": junk,
        }
        assert counted(definition(C.SUM, data_point=point), [[Event("commerce_event", 1, None, data)]]) is None


def test_a_user_without_events_has_no_value() -> None:
    """Nothing is shown of what was never computed."""
    assert shown([definition(kind) for kind in C][:1], {}, NOW_MS) == {}


def test_a_changed_definition_starts_anew() -> None:
    """No value mixes two definitions; saying a default changes nothing."""
    one = definition(C.COUNT)
    other = definition(C.COUNT, since_ms=5)
    states = after(one, [[event(1, 1), event(2, 1)]])
    assert shown([other], states, NOW_MS) == {}
    assert counted(other, [[event(9, 1)]], states) == "1"
    assert definition(C.COUNT, conditions=()).digest == one.digest


def test_digests_stay_the_same_from_release_to_release() -> None:
    """Or every count of every user would start anew with an upgrade."""
    gold = Condition(ConditionType.STRING, Operator.IN_LIST, "tier", values=("gold", "silver"))
    digests = [
        definition(C.COUNT).digest,
        definition(C.SUM, conditions=(gold,), since_ms=1, cutoff_ms=CUTOFF_MS).digest,
    ]
    assert digests == ["d1e244bfac4f6517", "7f1883b128d88984"]


@pytest.mark.parametrize(
    ("kind", "seed", "alone", "with_more"),
    [
        (C.COUNT, Seed(value="100"), "100", "102"),
        (C.SUM, Seed(value=100.5), "100.5", "103.5"),
        (C.MIN, Seed(value=123), "123", "1"),
        (C.MAX, Seed(value=123), "123", "123"),
        (C.AVERAGE, Seed(key_value_pairs={"sum": 299.2, "count": 20}), "14.96", "13.736363636364"),
        (C.FIRST_OCCURRENCE, Seed(value="some value"), "some value", "some value"),
        (C.LAST_OCCURRENCE, Seed(value="some value"), "some value", "1"),
        (C.FIRST_OCCURRENCE_TIMESTAMP, Seed(value=1_000), "1000", "1000"),
        (C.LAST_OCCURRENCE_TIMESTAMP, Seed(value="1000"), "1000", str(CUTOFF_MS + 5)),
        (C.UNIQUE_LIST, Seed(listed=["travel", "pets", "travel"]), ["travel", "pets"], ["travel", "pets", "2", "1"]),
        (C.UNIQUE_VALUES_COUNT, Seed(listed=["2", "cup", "cup"]), "2", "3"),
        (C.UNIQUE_VALUES_COUNT, Seed(value=7), "7", "9"),
        (C.MOST_FREQUENT, Seed(key_value_pairs={"ice cream": 10, "1": "10"}), "1", "1"),
    ],
)
def test_a_seed_stands_for_everything_before_the_cutoff(
    kind: CalculationType, seed: Seed, alone: Any, with_more: Any
) -> None:
    """Events from before it don't count, whether they came before the seed or after; those since count on top."""
    of = definition(kind, cutoff_ms=CUTOFF_MS)
    early = after(of, [[event(CUTOFF_MS - 1, 55), event(3, 77)]])
    states = seeds(of, early, seed)
    assert shown([of], states, NOW_MS) == {"x": alone}
    assert counted(of, [[event(CUTOFF_MS - 2, 66)]], states) == alone
    since = [event(CUTOFF_MS, 2), event(CUTOFF_MS + 5, 1)]
    assert counted(of, [since], states) == with_more
    assert shown([of], seeds(of, after(of, [since], early), seed), NOW_MS) == {"x": with_more}


def test_a_later_seed_replaces_an_earlier_one() -> None:
    """And what happened since the cutoff stays."""
    of = definition(C.SUM, cutoff_ms=CUTOFF_MS)
    states = after(of, [[event(CUTOFF_MS, 1)]], seeds(of, {}, Seed(value=10)))
    assert shown([of], seeds(of, states, Seed(value=20)), NOW_MS) == {"x": "21"}


@pytest.mark.parametrize(
    ("kind", "seed", "reason"),
    [
        (C.SUM, Seed(value="many"), "Seed value must be numeric"),
        (C.SUM, Seed(), "Seed value must be numeric"),
        (C.COUNT, Seed(value=-1), "Seed value must not be negative"),
        (C.AVERAGE, Seed(value=3), "Seed key_value_pairs must have sum and count"),
        (C.AVERAGE, Seed(key_value_pairs={"sum": "x", "count": 1}), "Seed value must be numeric"),
        (C.AVERAGE, Seed(key_value_pairs={"sum": 1, "count": 0}), "Seed count must be a positive integer"),
        (C.AVERAGE, Seed(key_value_pairs={"sum": 1, "count": 1.5}), "Seed count must be a positive integer"),
        (C.FIRST_OCCURRENCE, Seed(value=[1]), "Seed value must be a text of at most 4096 characters"),
        (C.FIRST_OCCURRENCE_TIMESTAMP, Seed(value="today"), "Seed value must be a time in Unix milliseconds"),
        (C.LAST_OCCURRENCE_TIMESTAMP, Seed(value=CUTOFF_MS), "Seed value must be a time before the cutoff date"),
        (C.UNIQUE_LIST, Seed(value="a"), "Seed list must be a list of texts"),
        (C.UNIQUE_LIST, Seed(listed=["a"] * 101), "Seed list may have 100 values"),
        (C.UNIQUE_LIST, Seed(listed=["a", None]), "Seed list must be of texts with 1 to 512 characters"),
        (C.UNIQUE_VALUES_COUNT, Seed(value=1.5), "Seed value must be a whole number"),
        (C.MOST_FREQUENT, Seed(value="a"), "Seed key_value_pairs must be values with their counts"),
        (C.MOST_FREQUENT, Seed(key_value_pairs={"a": -1}), "Seed counts must be numeric and not negative"),
    ],
)
def test_a_seed_that_makes_no_sense_is_refused(kind: CalculationType, seed: Seed, reason: str) -> None:
    """With a sentence that says what was expected."""
    assert seeded(definition(kind, cutoff_ms=CUTOFF_MS), {}, seed) == SeedRefused(reason)


def test_an_attribute_without_a_cutoff_is_not_seeded() -> None:
    """Nothing tells what the seed would stand for."""
    refused = seeded(definition(C.SUM), {}, Seed(value=1))
    assert isinstance(refused, SeedRefused)
    assert "cutoff" in refused.reason


@pytest.mark.parametrize("kind", [kind for kind in C if kind.needs_attribute])
def test_what_computes_with_values_needs_an_attribute(kind: CalculationType) -> None:
    """Else there would be nothing to compute with."""
    with pytest.raises(InvalidDefinition, match="needs an attribute_name"):
        definition(kind, data_point=DataPoint("custom_event"))


def test_states_of_attributes_that_are_gone_stay() -> None:
    """Taking a definition out for a while loses nothing."""
    of = definition(C.COUNT, name="gone")
    states = after(of, [[event(1, 1)]])
    states = after(definition(C.COUNT, name="there"), [[event(2, 1)]], states)
    assert counted(of, [[event(3, 1)]], states) == "2"


def test_two_attributes_of_one_name_are_refused() -> None:
    """A value would not say which it is of."""
    with pytest.raises(ValueError, match="one name"):
        WorkspaceCalculations([definition(C.COUNT), definition(C.SUM)])
