"""Draws definitions of audiences, as JSON, and users about whom they may hold or not: few names, few values, times close together."""

from random import Random
from typing import Any

from hypothesis import strategies as st

Json = Any
NOW_MS = 1_775_000_000_000
"""A day at the end of a March: months, quarters and weeks end close by."""

HOUR_MS = 3_600_000
HALF = 0.5
NAMES = ("purchase", "refund", "visit")
TYPES = ("custom_event", "screen_view")
TEXTS = ("a", "b", "A*", "gold", "7", "2026-03-30", "", "true")
NUMBERS = (0, 1, 2, 7, 7.5, -1)
SCALARS = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans())
ATTRIBUTES = ("plan", "age", "tags", "since")
AUDIENCES = ("1", "2")
ORDERS = ("less_than", "less_than_equal", "greater_than", "greater_than_equal")
DATES = (*ORDERS, "equals", "not_equals")
TEXTUAL = ("matches", "contains", "starts_with", "ends_with", "in")
COMPARISONS = (*ORDERS, "equals", "not_equals", *TEXTUAL, *(f"not_{one}" for one in TEXTUAL))
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
IDENTITIES = {"user_identities": ("email", "customerid"), "device_identities": ("ios_idfv",)}

USER_PATHS: tuple[tuple[str, str], ...] = (
    *(("user", one) for one in ("mpid", "is_known", "first_seen", "last_seen", "is_opted_out", "limit_ad_tracking")),
    *(("user", one) for one in ATTRIBUTES),
    *(("user_attributes", one) for one in (*ATTRIBUTES, "mpid")),
    *(("calculated_attributes", one) for one in ("visits", "seen")),
    *((model, one) for model, names in IDENTITIES.items() for one in names),
    ("consent", "gdpr.mail"),
    ("consent", "gdpr.mail.timestamp"),
    ("consent", "ccpa.data_sale_opt_out"),
)
ITEM_PATHS: dict[str, tuple[str, ...]] = {
    "events": (
        *("event_id", "type", "name", "timestamp", "message_id"),
        *("attributes.colour", "attributes.sizes", "product_action.total_amount", "products.sku"),
    ),
    "devices": ("platform", "last_seen", "os_version"),
    "attribution": ("publisher", "timestamp"),
}


def users() -> st.SearchStrategy[Json]:
    """Draw users, in the form that `naive` reads: each by a number, which is a hundred times quicker than value by value."""
    return st.integers(0, 2**40).map(lambda number: user_of(Random(number)))


def user_of(chance: Random) -> Json:
    """Return a user."""
    events = sorted((event_of(chance) for _ in range(chance.randint(0, 6))), key=lambda one: one["timestamp"])
    for number, one in enumerate(events):
        one["event_id"] = f"e{number}"
    first, last = sorted([time_of(chance), time_of(chance)])
    says_mail = chance.random() < HALF
    return {
        "mpid": chance.choice(("7", "-3")),
        "is_known": chance.random() < HALF,
        "first_seen": first,
        "last_seen": last,
        "is_opted_out": chance.random() < HALF,
        "limit_ad_tracking": chance.choice((None, True, False)),
        "attributes": {name: value_of(chance) for name in (*ATTRIBUTES, "mpid") if chance.random() < HALF},
        "calculated_attributes": {
            name: [chance.choice(TEXTS)] for name in ("visits", "seen") if chance.random() < HALF
        },
        "user_identities": {
            name: chance.sample(("a@x", "b@y", "7"), chance.randint(1, 2))
            for name in IDENTITIES["user_identities"]
            if chance.random() < HALF
        },
        "device_identities": {"ios_idfv": ["d"]} if chance.random() < HALF else {},
        "consent": {"gdpr.mail": chance.random() < HALF, "gdpr.mail.timestamp": time_of(chance)} if says_mail else {},
        "devices": [device_of(chance) for _ in range(chance.randint(0, 2))],
        "attribution": [
            {"publisher": chance.choice("ab"), "campaign": "c", "timestamp": time_of(chance)}
            for _ in range(chance.randint(0, 2))
        ],
        "events": events,
        "audiences": frozenset(one for one in AUDIENCES if chance.random() < HALF),
    }


def event_of(chance: Random) -> Json:
    """Return an event."""
    name = chance.choice(NAMES)
    data: dict[str, Any] = {"event_name": name}
    if chance.random() < HALF:
        data["custom_attributes"] = {one: value_of(chance) for one in ("colour", "sizes") if chance.random() < HALF}
    if chance.random() < HALF:
        data["product_action"] = {"total_amount": chance.choice((1, 2.5, "7", None))}
    if chance.random() < HALF:
        data["products"] = [{"sku": chance.choice("ab")} for _ in range(chance.randint(0, 2))]
    at_ms, kind = time_of(chance), chance.choice(TYPES)
    return {"type": kind, "name": name, "timestamp": at_ms, "message_id": chance.choice((None, "m")), "data": data}


def device_of(chance: Random) -> Json:
    """Return a device."""
    told = {"platform": chance.choice(("iOS", "web")), "os_version": chance.choice(("7", 7, "x"))}
    return {"last_seen": time_of(chance), **{name: one for name, one in told.items() if chance.random() < HALF}}


def time_of(chance: Random) -> int:
    """Return a time: days ago, or close to now."""
    if chance.random() < HALF:
        return NOW_MS + chance.randint(-800, 30) * HOUR_MS
    return NOW_MS + chance.randint(-3 * HOUR_MS, HOUR_MS)


def value_of(chance: Random) -> Json:
    """Return what an attribute may be."""
    scalars = (*TEXTS, *NUMBERS, True, False)
    return (
        [chance.choice(scalars) for _ in range(chance.randint(0, 3))]
        if chance.random() < HALF
        else chance.choice(scalars)
    )


def definitions() -> st.SearchStrategy[Json]:
    """Draw whole definitions."""
    return expressions().map(lambda one: {"schema_version": "1.6.0", "audience": one})


def expressions(item: str | None = None, aliases: tuple[str, ...] = ()) -> st.SearchStrategy[Json]:
    """Draw expressions, of the user or within a condition on an item."""
    leaves = [comparisons(item, aliases), tests(item, aliases), memberships()]
    if item is None:
        leaves += [counted(), sequences()]
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.one_of(
            st.builds(lambda name, parts: {"operator": name, "expressions": parts},
                      st.sampled_from(("and", "or")), st.lists(inner, min_size=1, max_size=3)),
            inner.map(lambda one: {"operator": "not", "expression": one}),
        ),
        max_leaves=4,
    )  # fmt: skip


def memberships() -> st.SearchStrategy[Json]:
    """Draw questions for other audiences."""
    return st.builds(
        lambda operator, name: {"operator": operator, "left": {"model": "user"}, "right": {"audience": name}},
        st.sampled_from(("in", "not_in", "matches", "not_matches")),
        st.sampled_from(AUDIENCES),
    )


def paths(item: str | None) -> st.SearchStrategy[Json]:
    """Draw fields; within a condition, mostly the item's."""
    of_items = [(model, path) for model, given in ITEM_PATHS.items() for path in given]
    of_item = [] if item is None else [(item, path) for path in ITEM_PATHS[item]] * 6
    return st.sampled_from([*USER_PATHS, *of_items, *of_item]).map(lambda one: {"model": one[0], "path": one[1]})


def step_fields(aliases: tuple[str, ...]) -> st.SearchStrategy[Json]:
    """Draw fields of earlier steps."""
    return st.builds(
        lambda alias, path: {"alias": alias, "path": path},
        st.sampled_from(aliases),
        st.sampled_from(ITEM_PATHS["events"]),
    )


@st.composite
def dates(draw: st.DrawFn, aliases: tuple[str, ...] = ()) -> Json:
    """Draw dates: days, instants, and those that go on with now or are told from a step."""
    if draw(st.integers(0, 3)) == 0:
        return {"date": {"absolute": draw(st.sampled_from(("2026-03-31", "2026-03-30T12:00:00Z", "2026-02-28")))}}
    relative: dict[str, Any] = {"offset": draw(st.integers(-8, 2)), "unit": draw(st.sampled_from(UNITS))}
    boundary = draw(st.sampled_from((None, None, "start", "end")))
    if boundary is not None:
        relative["boundary"] = boundary
    if aliases and draw(st.booleans()):
        relative["relative_to"] = {"alias": draw(st.sampled_from(aliases)), "path": "timestamp"}
    return {"date": {"relative": relative}}


@st.composite
def comparisons(draw: st.DrawFn, item: str | None, aliases: tuple[str, ...]) -> Json:
    """Draw comparisons of a field: with a value, several, a date, or another field."""
    left: Json = draw(paths(item))
    if aliases and draw(st.integers(0, 4)) == 0:
        left = draw(step_fields(aliases))
    if draw(st.booleans()):
        left = draw(timed(item)) if draw(st.integers(0, 5)) else left
        sides = [left, draw(dates(aliases))]
        if draw(st.integers(0, 4)) == 0:
            sides.reverse()
        return {"operator": draw(st.sampled_from(DATES)), "left": sides[0], "right": sides[1]}
    right: Json = draw(st.one_of(SCALARS, st.sampled_from(NAMES), st.lists(SCALARS, min_size=1, max_size=3)))
    if draw(st.integers(0, 5)) == 0:
        right = draw(step_fields(aliases)) if aliases else draw(paths(item))
    return {"operator": draw(st.sampled_from(COMPARISONS)), "left": left, "right": right}


def timed(item: str | None) -> st.SearchStrategy[Json]:
    """Draw fields that are times."""
    named = [("events", "timestamp"), ("user", "last_seen"), ("user", "since"), ("consent", "gdpr.mail.timestamp")]
    of_item = [] if item is None else [(item, one) for one in ITEM_PATHS[item] if one in ("timestamp", "last_seen")] * 4
    return st.sampled_from([*named, *of_item]).map(lambda one: {"model": one[0], "path": one[1]})


@st.composite
def tests(draw: st.DrawFn, item: str | None, aliases: tuple[str, ...]) -> Json:
    """Draw questions whether there is anything."""
    models = st.sampled_from((*ITEM_PATHS, "user")).map(lambda one: {"model": one})
    operands = [paths(item), models]
    if aliases:
        operands.append(step_fields(aliases))
    operator = draw(st.sampled_from(("null", "not_null", "exists", "not_exists")))
    return {"operator": operator, "operand": draw(st.one_of(operands))}


@st.composite
def aggregates(draw: st.DrawFn) -> Json:
    """Draw what many values are made into."""
    model = draw(st.sampled_from(("events", "events", "events", "devices", "attribution")))
    aggregate: dict[str, Any] = {
        "operator": draw(st.sampled_from(("min", "max", "sum", "avg", "list", "count", "count"))),
        "group_by_model": "user",
        "operand": {"model": model, "path": draw(st.sampled_from(ITEM_PATHS[model]))},
    }
    if draw(st.integers(0, 3)) > 0:
        aggregate["condition"] = draw(expressions(model))
    return aggregate


@st.composite
def counted(draw: st.DrawFn) -> Json:
    """Draw comparisons of an aggregate."""
    aggregate = draw(aggregates())
    if draw(st.integers(0, 4)) == 0:
        return {"operator": draw(st.sampled_from(DATES)), "left": aggregate, "right": draw(dates())}
    if draw(st.integers(0, 5)) == 0:
        return {"operator": "exists", "operand": aggregate}
    return {"operator": draw(st.sampled_from(COMPARISONS)), "left": aggregate, "right": draw(SCALARS)}


@st.composite
def sequences(draw: st.DrawFn) -> Json:
    """Draw sequences of events, whose later steps may speak of the earlier ones."""
    steps: list[Json] = []
    for number in range(draw(st.integers(1, 3))):
        step: dict[str, Any] = {"alias": f"s{number}", "operand": {"model": "events", "path": "event_id"}}
        if draw(st.integers(0, 5)) > 0:
            step["condition"] = draw(expressions("events", tuple(f"s{one}" for one in range(number))))
        steps.append(step)
    return {"operator": "then", "sequence": steps}
