"""Judges a definition in the plainest way: its JSON read anew at every step, every event looked at, all sequences tried.

Written from the words of platform §6.2 and §6.3 and of the catalogue in `knownas.core.audience.field`, for the other to be held against.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from typing import Any

Json = Any
User = Mapping[str, Any]
"""What is known of a user, by the names of the models; `user_identities` and `device_identities` by type, the values a list."""

ITEMS = ("events", "devices", "attribution")
FACTS = ("mpid", "is_known", "first_seen", "last_seen", "is_opted_out", "limit_ad_tracking")
LENGTHS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAY_MS = 86_400_000


def belongs(definition: Json, user: User, now_ms: int) -> bool:
    """Whether a user belongs to an audience."""
    return Judged(user, now_ms).holds(definition["audience"], None, {})


class Judged:
    """A user at a time."""

    def __init__(self, user: User, now_ms: int) -> None:
        self.user, self.now_ms = user, now_ms

    def holds(self, one: Json, item: Json, steps: Json) -> bool:  # noqa: PLR0911 - one for each kind
        """Whether an expression holds; `item` is a pair of a model and one of its items."""
        operator = one["operator"]
        if operator == "and":
            return all(self.holds(inner, item, steps) for inner in one["expressions"])
        if operator == "or":
            return any(self.holds(inner, item, steps) for inner in one["expressions"])
        if operator == "not":
            return not self.holds(one["expression"], item, steps)
        if operator == "then":
            return self.sequence(one["sequence"])
        if operator in ("null", "not_exists"):
            return not self.exists(one["operand"], item, steps)
        if operator in ("not_null", "exists"):
            return self.exists(one["operand"], item, steps)
        if operator.startswith("not_"):
            return not self.holds({**one, "operator": operator.removeprefix("not_")}, item, steps)
        if isinstance(one["right"], dict) and "audience" in one["right"]:
            return one["right"]["audience"] in self.user["audiences"]
        return self.compare(operator, one["left"], one["right"], item, steps)

    def sequence(self, steps: Json) -> bool:
        """Whether there are events for all steps, among all choices of so many, in their order."""
        return any(self.fits(steps, chosen) for chosen in combinations(self.user["events"], len(steps)))

    def fits(self, steps: Json, chosen: Json) -> bool:
        """Whether each step's condition holds for its event, given those of the steps before."""
        bound: dict[str, Any] = {}
        for step, event in zip(steps, chosen, strict=True):
            if "condition" in step and not self.holds(step["condition"], ("events", event), bound):
                return False
            bound[step["alias"]] = event
        return True

    def exists(self, operand: Json, item: Json, steps: Json) -> bool:
        """Whether there is any value."""
        if set(operand) == {"model"}:
            return operand["model"] not in ITEMS or bool(self.user[operand["model"]])
        return bool(self.values(operand, item, steps)[0])

    def compare(self, operator: str, left: Json, right: Json, item: Json, steps: Json) -> bool:
        """Whether any value on the left stands in a relation to any on the right."""
        if isinstance(left, dict) and "date" in left:
            turned = {"less_than": "greater_than", "greater_than": "less_than"}
            turned |= {f"{one}_equal": f"{other}_equal" for one, other in turned.items()}
            return self.compare(turned.get(operator, operator), right, left, item, steps)
        values, is_list = self.values(left, item, steps)
        if isinstance(right, dict) and "date" in right:
            date = self.date(right["date"], steps)
            return date is not None and any(compare_time(operator, when(one), date) for one in values)
        others = self.values(right, item, steps)[0]
        return any(compare(operator, one, other, is_list=is_list) for one in values for other in others)

    def date(self, date: Json, steps: Json) -> tuple[int, int] | None:
        """Return from when to before when a date goes."""
        if "absolute" in date:
            return day_or_instant(date["absolute"])
        relative = date["relative"]
        base_ms: int | None = self.now_ms
        if "relative_to" in relative:
            values = self.values(
                {"model": "events", "path": relative["relative_to"]["path"]},
                ("events", steps[relative["relative_to"]["alias"]]),
                steps,
            )[0]
            base_ms = next((at for at in map(when, values) if at is not None), None)
        if base_ms is None:
            return None
        at_ms = shifted(base_ms, int(relative["offset"]), relative["unit"])
        if "boundary" in relative:
            start_ms, end_ms = around(at_ms, relative["unit"])
            at_ms = start_ms if relative["boundary"] == "start" else end_ms - 1
        return at_ms, at_ms + 1

    def values(self, operand: Json, item: Json, steps: Json) -> tuple[list[Any], bool]:  # noqa: PLR0911 - one for each kind
        """Return the values of an operand, and whether they are the elements of one list."""
        if not isinstance(operand, dict):
            return (operand if isinstance(operand, list) else [operand]), False
        if "operator" in operand:
            return self.aggregate(operand)
        if "alias" in operand:
            return of_item("events", steps[operand["alias"]], operand["path"])
        model, path = operand["model"], operand["path"]
        if item is not None and item[0] == model:
            return of_item(model, item[1], path)
        if model in ITEMS:
            return [value for one in self.user[model] for value in of_item(model, one, path)[0]], False
        if model == "user" and path in FACTS:
            return present(self.user[path])
        if model in ("user", "user_attributes"):
            return present(self.user["attributes"].get(path))
        if model == "consent":
            return present(self.user["consent"].get(path))
        return list(self.user[model].get(path, [])), False

    def aggregate(self, operand: Json) -> tuple[list[Any], bool]:
        """Return what the values of all items that a condition holds for come to."""
        model, path = operand["operand"]["model"], operand["operand"]["path"]
        items = [
            one
            for one in self.user[model]
            if "condition" not in operand or self.holds(operand["condition"], (model, one), {})
        ]
        told = [of_item(model, one, path)[0] for one in items]
        if operand["operator"] == "count":
            return [len([one for one in told if one])], False
        values = [value for one in told for value in one]
        if operand["operator"] == "list":
            return values, True
        numbers = [number for number in map(number_in, values) if number is not None]
        if operand["operator"] == "sum":
            return [sum(numbers, Fraction(0))], False
        if not numbers:
            return [], False
        made: dict[str, Callable[[], Any]] = {
            "min": lambda: min(numbers),
            "max": lambda: max(numbers),
            "avg": lambda: sum(numbers, Fraction(0)) / len(numbers),
        }
        return [made[operand["operator"]]()], False


def present(value: Any) -> tuple[list[Any], bool]:
    """Return a value as the list of what there is."""
    if isinstance(value, list):
        return value, True
    return ([] if value is None else [value]), False


def of_item(model: str, item: Any, path: str) -> tuple[list[Any], bool]:
    """Return a field of an item."""
    if model == "events" and path not in ("event_id", "type", "name", "timestamp", "message_id"):
        way = ["custom_attributes", path[len("attributes.") :]] if path.startswith("attributes.") else path.split(".")
        reached = list(follow(item["data"], way))
        if len(reached) == 1 and isinstance(reached[0], list):
            return [one for one in reached[0] if isinstance(one, str | bool | int | float)], True
        return [one for one in reached if isinstance(one, str | bool | int | float)], False
    return present(item.get(path))


def follow(data: Any, way: list[str]) -> Iterator[Any]:
    """Go a way into a document, and into all elements of the lists on it."""
    if not way:
        yield data
    elif isinstance(data, list):
        for one in data:
            yield from follow(one, way)
    elif isinstance(data, dict) and way[0] in data:
        yield from follow(data[way[0]], way[1:])


def compare(operator: str, left: Any, right: Any, *, is_list: bool) -> bool:  # noqa: PLR0911 - one for each kind
    """Whether two values stand in a relation."""
    if operator in ("equals", "in") or (operator == "contains" and is_list):
        if isinstance(right, bool):
            return text(left).strip() == text(right)
        if isinstance(right, str):
            return text(left) == text(right)
        return number_in(left) is not None and number_in(left) == number_in(right)
    if operator == "contains":
        return text(right) in text(left)
    if operator == "starts_with":
        return text(left).startswith(text(right))
    if operator == "ends_with":
        return text(left).endswith(text(right))
    if operator == "matches":
        return matches(text(left), text(right))
    one, other = number_in(left), number_in(right)
    if one is None or other is None:
        date = day_or_instant(right) if isinstance(right, str) and other is None else None
        return date is not None and compare_time(operator, when(left), date)
    return {
        "less_than": one < other,
        "less_than_equal": one <= other,
        "greater_than": one > other,
        "greater_than_equal": one >= other,
    }[operator]


def compare_time(operator: str, at_ms: int | None, date: tuple[int, int]) -> bool:
    """Whether a time is before, in or after a span."""
    if at_ms is None:
        return False
    from_ms, to_ms = date
    return {
        "less_than": at_ms < from_ms,
        "less_than_equal": at_ms < to_ms,
        "greater_than": at_ms >= to_ms,
        "greater_than_equal": at_ms >= from_ms,
        "equals": from_ms <= at_ms < to_ms,
    }[operator]


def matches(told: str, pattern: str) -> bool:
    """Whether a text has the form of a pattern with stars and question marks."""
    if not pattern:
        return not told
    if pattern[0] == "*":
        return any(matches(told[cut:], pattern[1:]) for cut in range(len(told) + 1))
    return bool(told) and pattern[0] in ("?", told[0]) and matches(told[1:], pattern[1:])


def text(value: Any) -> str:
    """Return a value as text, without regard to case."""
    if isinstance(value, Fraction):
        return str(int(value)) if value.denominator == 1 else str(float(value))
    return (str(value).lower() if isinstance(value, bool) else str(value)).casefold()


def number_in(value: Any) -> Fraction | None:
    """Read a number."""
    if isinstance(value, bool):
        return None
    try:
        return Fraction(value) if not isinstance(value, float) else Fraction(str(value))
    except ValueError:
        return None


def when(value: Any) -> int | None:
    """Read a time."""
    number = number_in(value)
    if number is not None:
        return int(number)
    span = day_or_instant(value) if isinstance(value, str) else None
    return None if span is None else span[0]


def day_or_instant(told: str) -> tuple[int, int] | None:
    """Read a day or a time."""
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    from_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return from_ms, from_ms + (DAY_MS if len(told) == len("2026-01-01") else 1)


def at_of(at_ms: int) -> datetime:
    """Return a time as the calendar has it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def ms_of(at: datetime) -> int:
    """Return a time of the calendar in milliseconds."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def shifted(at_ms: int, offset: int, unit: str) -> int:
    """Go some units on."""
    if unit in LENGTHS:
        return at_ms + offset * LENGTHS[unit] * 1_000
    at = at_of(at_ms)
    count = at.year * 12 + at.month - 1 + offset * MONTHS[unit]
    for day in range(at.day, 0, -1):
        try:
            return ms_of(at.replace(year=count // 12, month=count % 12 + 1, day=day))
        except ValueError:
            continue
    raise AssertionError("every month has a first")


def around(at_ms: int, unit: str) -> tuple[int, int]:
    """Return from when to before when the unit goes that a time lies in."""
    at = at_of(at_ms)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in MONTHS:
        months = MONTHS[unit]
        start = midnight.replace(month=(at.month - 1) // months * months + 1, day=1)
        return ms_of(start), shifted(ms_of(start), 1, unit)
    starts = {
        "second": at.replace(microsecond=0),
        "minute": at.replace(second=0, microsecond=0),
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "day": midnight,
        "week": midnight - timedelta(days=at.weekday()),
    }
    return ms_of(starts[unit]), ms_of(starts[unit]) + LENGTHS[unit] * 1_000
