"""Reads what a user did out of a raw output batch, for destinations that know named events and purchases (platform §2.4, §7.7).

Custom events, screen views and commerce events are what people outside speak of; sessions, crashes and changes of the profile are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final, cast

from knownas.core.delivery.message import EventsMessage

Scalar = str | int | float | bool


class Kind(Enum):
    """What sort of thing a user did."""

    CUSTOM = "custom_event"
    SCREEN = "screen_view"
    COMMERCE = "commerce_event"
    PURCHASE = "purchase"
    """The commerce event by which products were bought."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product of a commerce event, which has an id or at least a name. `price` is of one; what else was said of it is in `facts`."""

    id: str
    name: str
    price: float
    quantity: float
    facts: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])


@dataclass(frozen=True, slots=True)
class Did:
    """One thing that a user did: its name, when (Unix milliseconds), and its attributes.

    `key` names it for ever: the same when it is sent again. `total` and `currency` are None where nobody said so.
    """

    kind: Kind
    key: str
    name: str
    at_ms: int
    attributes: Mapping[str, Scalar]
    products: tuple[Product, ...] = ()
    total: float | None = None
    currency: str | None = None

    @property
    def time(self) -> str:
        """When, in RFC 3339 and UTC."""
        seconds, milliseconds = divmod(self.at_ms, 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


TIME_MS_MAX: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: a later time is none, and is told as that of the message."""


AMOUNT_MAX: Final = 10**15
"""The largest amount or quantity; a larger one is none."""


def done(message: EventsMessage) -> Iterator[Did]:
    """Yield what a user did that has a name, in its order."""
    for number, event in enumerate(_objects(message.batch.get("events"))):
        data = _object(event.get("data"))
        at_ms = data.get("timestamp_unixtime_ms")
        is_time = isinstance(at_ms, int) and not isinstance(at_ms, bool) and 0 <= at_ms <= TIME_MS_MAX
        when = cast("int", at_ms) if is_time else message.at_ms
        key = f"{message.id}:{number}"
        attributes = scalars(_object(data.get("custom_attributes")))
        match event.get("event_type"):
            case "custom_event" if _text(data.get("event_name")):
                yield Did(Kind.CUSTOM, key, _text(data["event_name"]), when, attributes)
            case "screen_view" if _text(data.get("screen_name")):
                yield Did(Kind.SCREEN, key, _text(data["screen_name"]), when, attributes)
            case "commerce_event":
                yield from _commerce(data, key, when, attributes)
            case _:
                continue


def scalars(members: Mapping[str, object]) -> Mapping[str, Scalar]:
    """Return the members that are texts, numbers, true or false."""
    return {name: value for name, value in members.items() if isinstance(value, str | int | float)}


def _commerce(data: Mapping[str, object], key: str, when: int, attributes: Mapping[str, Scalar]) -> Iterator[Did]:
    currency = _text(data.get("currency_code")) or None
    action = _object(data.get("product_action"))
    name = _text(action.get("action"))
    if name:
        total = _number(action.get("total_amount"))
        said = scalars({one: action.get(one) for one in ("transaction_id", "affiliation", "coupon_code")})
        products = tuple(one for one in map(_product, _objects(action.get("products"))) if one.id)
        kind = Kind.PURCHASE if name == "purchase" else Kind.COMMERCE
        yield Did(kind, key, name, when, {**attributes, **said}, products, total, currency)
    promotion = _text(_object(data.get("promotion_action")).get("action"))
    if promotion:
        yield Did(Kind.COMMERCE, f"{key}:promotion", f"promotion_{promotion}", when, attributes, (), None, currency)
    if not name and not promotion and data.get("product_impressions"):
        yield Did(Kind.COMMERCE, key, "impression", when, attributes, (), None, currency)


def _product(given: Mapping[str, object]) -> Product:
    facts = scalars({one: given.get(one) for one in ("brand", "category", "variant", "position", "coupon_code")})
    name, identifier = _text(given.get("name")), _text(given.get("id"))
    quantity = _number(given.get("quantity"))
    return Product(
        identifier or name,
        name or identifier,
        _number(given.get("price")) or 0.0,
        1 if quantity is None else quantity,
        facts,
    )


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    listed = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
    return [cast("Mapping[str, object]", one) for one in listed if isinstance(one, Mapping)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return cast("float", value) if is_number and abs(cast("float", value)) <= AMOUNT_MAX else None
