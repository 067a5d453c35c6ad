"""Reads the calculated attributes of a workspace: which events count, how, and from when on (platform §8)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from knownas.config.limits import SCALAR_CHARACTERS_MAX
from knownas.config.listing import Listing, Naming
from knownas.config.nodes import Node
from knownas.config.reading import Place, Reading
from knownas.config.sections import NEEDED, Given, Member, Section
from knownas.config.shapes import Choice, Flag, Shape, Text, Whole
from knownas.core.limits import ATTRIBUTE_NAME_CHARACTERS_MAX
from knownas.core.profile.conditions import (
    CONDITION_VALUES_MAX,
    Condition,
    ConditionType,
    InvalidDefinition,
    Operator,
)
from knownas.core.profile.definition import CONDITIONS_MAX, AttributeCategory, DataPoint, Definition
from knownas.core.profile.moments import span_of
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import WINDOW_DAYS_MAX, Window, WindowUnit

CALCULATED_ATTRIBUTES_MAX: Final = 200
"""Calculated attributes of one workspace: each is computed for every event of its type."""

_ATTRIBUTE: Final = Text(ATTRIBUTE_NAME_CHARACTERS_MAX)
_VALUE: Final = Text(SCALAR_CHARACTERS_MAX)
_DAY: Final = re.compile(r"(?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY_TEXT: Final = Text(10, _DAY, "a date from 1970-01-01 to 2999-12-31, as yyyy-MM-dd")


class EventType(StrEnum):
    """The event types that can be counted; platform §2.4."""

    CUSTOM_EVENT = "custom_event"
    COMMERCE_EVENT = "commerce_event"
    SCREEN_VIEW = "screen_view"
    SESSION_START = "session_start"
    SESSION_END = "session_end"
    APPLICATION_STATE_TRANSITION = "application_state_transition"
    FIRST_RUN = "first_run"
    UNINSTALL = "uninstall"
    OPT_OUT = "opt_out"
    PUSH_REGISTRATION = "push_registration"
    PUSH_MESSAGE = "push_message"
    CRASH_REPORT = "crash_report"
    NETWORK_PERFORMANCE = "network_performance"
    BREADCRUMB = "breadcrumb"
    USER_ATTRIBUTE_CHANGE = "user_attribute_change"
    USER_IDENTITY_CHANGE = "user_identity_change"


class CustomEventType(StrEnum):
    """The custom event types, and what can be done by a commerce event; platform §2.4."""

    NAVIGATION = "navigation"
    LOCATION = "location"
    SEARCH = "search"
    TRANSACTION = "transaction"
    USER_CONTENT = "user_content"
    USER_PREFERENCE = "user_preference"
    SOCIAL = "social"
    OTHER = "other"
    MEDIA = "media"
    ATTRIBUTION = "attribution"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    CHECKOUT = "checkout"
    CHECKOUT_OPTION = "checkout_option"
    CLICK = "click"
    VIEW_DETAIL = "view_detail"
    PURCHASE = "purchase"
    REFUND = "refund"
    ADD_TO_WISHLIST = "add_to_wishlist"
    REMOVE_FROM_WISHLIST = "remove_from_wishlist"
    PROMOTION_VIEW = "promotion_view"
    PROMOTION_CLICK = "promotion_click"
    IMPRESSION = "impression"


class PeriodType(StrEnum):
    """How a time period is given; platform §8."""

    SINCE = "since"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class Day(Shape[int]):
    """A day, read as its first Unix millisecond in UTC."""

    @property
    def label(self) -> str:
        """Always date."""
        return "date"

    @property
    def allowed(self) -> str:
        """The form."""
        return _DAY_TEXT.form

    def read(self, node: Node, place: Place, reading: Reading) -> int:
        """Return the day's start."""
        span = span_of(_DAY_TEXT.read(node, place, reading))
        if span is None:
            raise reading.refused(place, "the calendar has no such day", self.allowed)
        return span.from_ms


POINT_TYPE: Final = Member("type", Choice(EventType), NEEDED, "The type of the events that count.", "platform §2.4")
EVENT_NAME: Final = Member[str | None](
    "event_name", _ATTRIBUTE, None, "The name of the custom event or screen.", "platform §8", "events of any name"
)
CUSTOM_EVENT_TYPE: Final = Member[CustomEventType | None](
    "custom_event_type",
    Choice(CustomEventType),
    None,
    "The custom event type; of a commerce event, what was done.",
    "platform §8",
    "any",
)
POINT_ATTRIBUTE: Final = Member[str | None](
    "attribute_name",
    _ATTRIBUTE,
    None,
    "The attribute that is computed with. With it, only what has the attribute counts; count and the timestamps do "
    "without.",
    "platform §8",
    "none",
)
ATTRIBUTE_CATEGORY: Final = Member(
    "attribute_category",
    Choice(AttributeCategory),
    AttributeCategory.EVENT,
    "What has the attribute and is counted: the event once, or each of its products or promotions.",
    "platform §8",
)
USE_PRODUCT_QUANTITY: Final = Member(
    "use_product_quantity",
    Flag(),
    default=False,
    meaning="Count a product as often as its quantity says, and multiply what is summed with it.",
    spec="platform §8",
)

Built = TypeVar("Built")


def _built(given: Given, build: Callable[[], Built]) -> Built:
    """Build a value; what makes no sense is noted at the member that is to blame."""
    try:
        return build()
    except InvalidDefinition as invalid:
        place = given.place.member(invalid.member)
        line = given.reading.lines.get(place.path, given.place.line)
        raise given.reading.refused(Place(line, place.path), invalid.sentence) from None


def _data_point(given: Given) -> DataPoint:
    kind, custom = given[POINT_TYPE], given[CUSTOM_EVENT_TYPE]
    return _built(
        given,
        lambda: DataPoint(
            type=kind.value,
            event_name=given[EVENT_NAME],
            custom_event_type=None if custom is None else custom.value,
            attribute_name=given[POINT_ATTRIBUTE],
            attribute_category=given[ATTRIBUTE_CATEGORY],
            use_product_quantity=given[USE_PRODUCT_QUANTITY],
        ),
    )


DATA_POINT_SECTION: Final = Section(
    "The data point of a calculated attribute",
    (POINT_TYPE, EVENT_NAME, CUSTOM_EVENT_TYPE, POINT_ATTRIBUTE, ATTRIBUTE_CATEGORY, USE_PRODUCT_QUANTITY),
    _data_point,
)

CONDITION_TYPE: Final = Member(
    "type",
    Choice(ConditionType),
    NEEDED,
    "As what the attribute's value is read: texts without regard to case, dates by the calendar in UTC.",
    "platform §8",
)
OPERATOR: Final = Member(
    "operator",
    Choice(Operator),
    NEEDED,
    "How it is compared. All types have exists, not_exists, empty and equals; in a pattern, * stands for any text and "
    "? for one character.",
    "platform §8",
)
CONDITION_ATTRIBUTE: Final = Member(
    "attribute_name",
    _ATTRIBUTE,
    NEEDED,
    "The attribute that is compared, of the product or promotion, else of the event.",
    "platform §8",
)
VALUE: Final = Member[str | None](
    "value", _VALUE, None, "What it is compared with.", "platform §8", "the operator needs none"
)
VALUES: Final = Member[tuple[str, ...]](
    "values", Listing(_VALUE, CONDITION_VALUES_MAX), (), "What in_list compares with.", "platform §8"
)
MIN_VALUE: Final = Member[str | None](
    "min_value",
    _VALUE,
    None,
    "The lower bound of between and between_dates, included.",
    "platform §8",
    "the operator needs none",
)
MAX_VALUE: Final = Member[str | None](
    "max_value",
    _VALUE,
    None,
    "The upper bound of between and between_dates, included.",
    "platform §8",
    "the operator needs none",
)


def _condition(given: Given) -> Condition:
    return _built(
        given,
        lambda: Condition(
            given[CONDITION_TYPE],
            given[OPERATOR],
            given[CONDITION_ATTRIBUTE],
            given[VALUE],
            given[VALUES],
            given[MIN_VALUE],
            given[MAX_VALUE],
        ),
    )


CONDITION_SECTION: Final = Section(
    "A condition of a calculated attribute",
    (CONDITION_TYPE, OPERATOR, CONDITION_ATTRIBUTE, VALUE, VALUES, MIN_VALUE, MAX_VALUE),
    _condition,
)


class TimePeriod(NamedTuple):
    """From when on events count: from a time on (Unix milliseconds), or within a window; one of the two."""

    since_ms: int | None = None
    window: Window | None = None


PERIOD_TYPE: Final = Member(
    "type",
    Choice(PeriodType),
    PeriodType.SINCE,
    "since counts from a date on; within counts the last days or weeks before the attribute is read. What falls behind "
    "such a window goes out at most a tenth of its length late.",
    "platform §8",
)
PERIOD_DATE: Final = Member[int | None](
    "date", Day(), None, "The first day that counts, in UTC.", "platform §8", "needed with since"
)
PERIOD_WITHIN: Final = Member[int | None](
    "within", Whole(1, WINDOW_DAYS_MAX), None, "How many days or weeks count.", "platform §8", "needed with within"
)
PERIOD_UNIT: Final = Member(
    "within_unit", Choice(WindowUnit), WindowUnit.DAYS, "What is counted in within.", "platform §8"
)


def _time_period(given: Given) -> TimePeriod | None:
    kind, since_ms, length = given[PERIOD_TYPE], given[PERIOD_DATE], given[PERIOD_WITHIN]
    match kind:
        case PeriodType.WITHIN:
            if length is None:
                raise given.reading.refused(given.place, "within is missing", f"1 to {WINDOW_DAYS_MAX}")
            if since_ms is not None:
                raise given.reading.refused(
                    given.place, "date goes with the type since only", "type: since, or no date"
                )
            return TimePeriod(window=Window(length, given[PERIOD_UNIT]))
        case PeriodType.SINCE:
            if since_ms is None:
                raise given.reading.refused(given.place, "date is missing", Day().allowed)
            if length is not None:
                raise given.reading.refused(given.place, "within goes with the type within only", "type: within")
            return TimePeriod(since_ms)


TIME_PERIOD_SECTION: Final = Section(
    "The time period of a calculated attribute",
    (PERIOD_TYPE, PERIOD_DATE, PERIOD_WITHIN, PERIOD_UNIT),
    _time_period,
)

CUTOFF_DATE: Final = Member(
    "cutoff_date",
    Day(),
    NEEDED,
    "A seed stands for everything before this day in UTC; events from it on count on top.",
    "platform §8",
)


def _seeding(given: Given) -> int | None:
    return given[CUTOFF_DATE]


SEEDING_SECTION: Final = Section("The seeding of a calculated attribute", (CUTOFF_DATE,), _seeding)

ATTRIBUTE_NAME: Final = Member(
    "name",
    Naming(_ATTRIBUTE, "calculated attribute", among_siblings=True),
    NEEDED,
    "What profiles call the attribute; it hides a user attribute of the same name.",
    "platform §8",
)
CALCULATION_TYPE: Final = Member(
    "calculation_type",
    Choice(CalculationType),
    NEEDED,
    "What is computed. Changing it, the data point, a condition or a date starts the attribute anew.",
    "platform §8",
)
DATA_POINT: Final = Member("data_point", DATA_POINT_SECTION, NEEDED, "Which events count.", "platform §8")
CONDITIONS: Final = Member[tuple[Condition, ...]](
    "conditions",
    Listing(CONDITION_SECTION, CONDITIONS_MAX),
    (),
    "What must all be true of an event, or of its product or promotion, for it to count.",
    "platform §8",
)
TIME_PERIOD: Final = Member[TimePeriod | None](
    "time_period",
    TIME_PERIOD_SECTION,
    None,
    "From when on events count.",
    "platform §8",
    "all events that arrive",
)
SEEDING: Final = Member[int | None](
    "seeding",
    SEEDING_SECTION,
    None,
    "Opens the attribute to values that were computed elsewhere.",
    "platform §8",
    "it can't be seeded",
)


def _definition(given: Given) -> Definition:
    period = given[TIME_PERIOD] or TimePeriod()
    return _built(
        given,
        lambda: Definition(
            name=given[ATTRIBUTE_NAME],
            calculation_type=given[CALCULATION_TYPE],
            data_point=given[DATA_POINT],
            conditions=given[CONDITIONS],
            since_ms=period.since_ms,
            cutoff_ms=given[SEEDING],
            window=period.window,
        ),
    )


DEFINITION_SECTION: Final = Section(
    "A calculated attribute",
    (ATTRIBUTE_NAME, CALCULATION_TYPE, DATA_POINT, CONDITIONS, TIME_PERIOD, SEEDING),
    _definition,
)
CALCULATED_ATTRIBUTES: Final = Member[tuple[Definition, ...]](
    "calculated_attributes",
    Listing(DEFINITION_SECTION, CALCULATED_ATTRIBUTES_MAX),
    (),
    "Values of each user that are computed from events as they arrive.",
    "platform §8",
)
