"""Calculated attributes and retention in the file: what they say, and every fault at once with its line (platform §8, §13)."""

import pytest

from knownas.config.values import RetentionSettings, Workspace
from knownas.core.profile.conditions import Condition, ConditionType, Operator
from knownas.core.profile.definition import AttributeCategory, DataPoint, Definition
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import Window, WindowUnit
from tests.config.texts import faults_of, read, workspace

YEAR_2024_MS = 1_704_067_200_000
FULL = """\
calculated_attributes:
- name: lifetime value
  calculation_type: sum
  data_point:
    type: commerce_event
    custom_event_type: purchase
    attribute_name: price
    attribute_category: product_attribute
    use_product_quantity: true
  conditions:
  - {type: string, operator: in_list, attribute_name: category, values: [fruit, bread]}
  - {type: number, operator: between, attribute_name: price, min_value: 1, max_value: 99.5}
  - {type: date, operator: after, attribute_name: sold, value: 2024-01-01}
  time_period: {type: since, date: 2024-01-01}
  seeding: {cutoff_date: 2024-01-01}
- name: visits
  calculation_type: count
  data_point: {type: session_start}
"""
COUNT = "calculation_type: count\ndata_point: {type: custom_event}"


def only_workspace(text: str) -> Workspace:
    (found,) = read(workspace(text)).workspaces()
    return found


def test_a_full_definition_reads_to_the_letter() -> None:
    """Every member of it arrives where it belongs; what is left out sets no bounds."""
    conditions = (
        Condition(ConditionType.STRING, Operator.IN_LIST, "category", values=("fruit", "bread")),
        Condition(ConditionType.NUMBER, Operator.BETWEEN, "price", min_value="1", max_value="99.5"),
        Condition(ConditionType.DATE, Operator.AFTER, "sold", "2024-01-01"),
    )
    point = DataPoint("commerce_event", None, "purchase", "price", AttributeCategory.PRODUCT, use_product_quantity=True)
    assert only_workspace(FULL).calculated_attributes == (
        Definition("lifetime value", CalculationType.SUM, point, conditions, YEAR_2024_MS, YEAR_2024_MS),
        Definition("visits", CalculationType.COUNT, DataPoint("session_start")),
    )


@pytest.mark.parametrize(
    ("period", "window"),
    [
        ("{type: within, within: 30}", Window(30, WindowUnit.DAYS)),
        ("{type: within, within: 2, within_unit: weeks}", Window(2, WindowUnit.WEEKS)),
    ],
)
def test_a_window_is_days_or_weeks(period: str, window: Window) -> None:
    """What slides has a length, in days if nothing else is said."""
    text = "calculated_attributes:\n- name: x\n  calculation_type: count\n  data_point: {type: session_start}\n"
    (found,) = only_workspace(f"{text}  time_period: {period}").calculated_attributes
    assert (found.window, found.since_ms) == (window, None)


def test_a_workspace_has_none_by_default() -> None:
    """And its own key is not limited."""
    found = only_workspace("")
    assert found.calculated_attributes == ()
    assert found.limits.requests_per_second is None


def test_a_workspace_limits_its_own_key() -> None:
    """As inputs limit theirs."""
    limits = only_workspace("limits: {requests_per_second: 5, burst_seconds: 1}").limits
    assert (limits.requests_per_second, limits.burst_seconds) == (5.0, 1.0)


@pytest.mark.parametrize(
    ("body", "path", "line", "message"),
    [
        ("calculation_type: sum\ndata_point: {type: custom_event}", "data_point", 11, "needs an attribute_name"),
        ("calculation_type: total\ndata_point: {type: custom_event}", "calculation_type", 10, "'total' is not one of"),
        ("calculation_type: count", "data_point", 9, "data_point is missing"),
        ("calculation_type: count\ndata_point: {type: click}", "data_point.type", 11, "'click' is not one of"),
        (
            "calculation_type: count\ndata_point: {type: custom_event, attribute_category: product_attribute}",
            "data_point.attribute_category",
            11,
            "only a commerce_event has",
        ),
        (
            "calculation_type: count\ndata_point: {type: commerce_event, use_product_quantity: true}",
            "data_point.use_product_quantity",
            11,
            "product_attribute only",
        ),
        (
            "calculation_type: count\ndata_point: {type: custom_event}\ntime_period: {type: within, date: 2024-01-01}",
            "time_period",
            12,
            "within is missing",
        ),
        (
            f"{COUNT}\ntime_period: {{type: within, within: 7, date: 2024-01-01}}",
            "time_period",
            12,
            "date goes with the type since only",
        ),
        (
            f"{COUNT}\ntime_period: {{type: since, within: 7, date: 2024-01-01}}",
            "time_period",
            12,
            "within goes with the type within only",
        ),
        (
            f"{COUNT}\ntime_period: {{type: within, within: 105, within_unit: weeks}}",
            "time_period",
            12,
            "a window has 1 to 730 days",
        ),
        (
            f"{COUNT}\ntime_period: {{type: within, within: 7}}\nseeding: {{cutoff_date: 2024-01-01}}",
            "seeding",
            13,
            "a window that slides can't be seeded",
        ),
        (
            "calculation_type: count\ndata_point: {type: custom_event}\ntime_period: {type: since}",
            "time_period",
            12,
            "date is missing",
        ),
        (
            "calculation_type: count\ndata_point: {type: custom_event}\nseeding: {cutoff_date: 2024-02-30}",
            "seeding.cutoff_date",
            12,
            "the calendar has no such day",
        ),
        (
            "calculation_type: count\ndata_point: {type: custom_event}\nseeding: {cutoff_date: 1.2.2024}",
            "seeding.cutoff_date",
            12,
            "another form",
        ),
        (
            f"{COUNT}\nconditions:\n- {{type: boolean, operator: contains, attribute_name: a, value: x}}",
            "conditions[0].operator",
            13,
            "contains does not compare a boolean",
        ),
        (
            f"{COUNT}\nconditions:\n- {{type: number, operator: between, attribute_name: a, min_value: 3, max_value: 1}}",
            "conditions[0].max_value",
            13,
            "below the lower one",
        ),
    ],
)
def test_a_slip_is_told_where_it_is(body: str, path: str, line: int, message: str) -> None:
    """With its line, the path of the member, and what is wrong."""
    indented = "".join(f"  {one}\n" for one in body.splitlines())
    (fault,) = faults_of(workspace(f"calculated_attributes:\n- name: x\n{indented}"))
    assert fault.path.removeprefix("organization.accounts[0].workspaces[0].calculated_attributes[0].") == path
    assert (fault.line, message in fault.message) == (line, True), fault


def test_all_slips_are_told_at_once() -> None:
    """One faulty attribute does not hide those of another, nor a name that stands twice."""
    text = """\
calculated_attributes:
- {name: x, calculation_type: total, data_point: {type: custom_event}}
- {name: x, calculation_type: count, data_point: {type: click}}
"""
    faults = faults_of(workspace(text))
    assert [fault.line for fault in faults] == [9, 10, 10]
    assert "used already in line 9" in str(faults)


def test_two_workspaces_may_have_attributes_of_one_name() -> None:
    """Names are a workspace's own."""
    one = "    - id: {0}\n      key: k{0}\n      secret: s\n      calculated_attributes:\n      - {{name: x, {1}}}\n"
    rest = "calculation_type: count, data_point: {type: first_run}"
    text = "organization:\n  accounts:\n  - id: 10\n    workspaces:\n" + one.format(1, rest) + one.format(2, rest)
    assert [len(found.calculated_attributes) for found in read(text).workspaces()] == [1, 1]


def test_retention_has_defaults() -> None:
    """Two years of events, profiles as long, ids for 45 days, and data do go."""
    assert read("").retention == RetentionSettings(730, None, 45, dry_run=False)
    assert read("").retention.sections_days == 730


def test_retention_is_read() -> None:
    """Each member by itself."""
    text = "retention: {events_days: 90, profiles_days: 400, requests_days: 30, deliveries_days: 7, dry_run: true}"
    assert read(text).retention == RetentionSettings(90, 400, 30, dry_run=True, deliveries_days=7)
    assert read("retention: {events_days: 90}").retention.sections_days == 90


@pytest.mark.parametrize(
    "member", ["events_days: 0", "profiles_days: 0", "requests_days: 29", "requests_days: 366", "deliveries_days: 0"]
)
def test_retention_has_bounds(member: str) -> None:
    """An id that was forgotten too soon would let a repeat count twice."""
    (fault,) = faults_of(f"retention: {{{member}}}")
    assert "out of range" in fault.message
    name, _, number = member.partition(": ")
    with pytest.raises(ValueError, match="days"):
        RetentionSettings(**{name: int(number)})
