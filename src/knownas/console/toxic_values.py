"""Shows the values of a scope that behave unlike a person's: a list by state, and of each one why it is there and whom it joins."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlencode

from knownas.console.limits import LISTED_A_PAGE
from knownas.console.masking import ShownIdentity
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Page, Shown
from knownas.console.places import HEALTH
from knownas.console.refusal import Refusal, not_taken
from knownas.console.rights import Right
from knownas.console.workspace_asked import before_number, environment_choice, path_number
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.toxic.deciding import is_watched
from knownas.service.toxic.list import Past, ToxicState, ToxicValue
from knownas.service.toxic.showing import joined_by
from knownas.store.port import Pool

LIST_PATH: Final = f"{HEALTH.path}/toxic"

STATES: Final[Mapping[ToxicState, str]] = {
    ToxicState.QUARANTINED: "It matches nothing and joins nobody.",
    ToxicState.WATCHED: "It is only listed: it matches and joins as ever.",
    ToxicState.RELEASED: "It counts as a person's, and is never toxic any more.",
}
"""What each state means for requests."""

_REASONS: Final[Mapping[ToxicReason, str]] = {
    ToxicReason.PATTERN: "it looks like what stands there instead of a value",
    ToxicReason.KNOWN_USERS: "it has met more users than one person's would",
    ToxicReason.DEVICES: "it has met more devices than one person's would",
    ToxicReason.SCOPES: "it has been seen in more identity scopes than it should",
    ToxicReason.BY_HAND: "somebody has said so",
}
PASTS: Final[Mapping[Past, str]] = {
    Past.UNTOUCHED: "Nothing of the past was to be changed.",
    Past.PENDING: "The past is being corrected.",
    Past.CORRECTED: "The past was corrected: earlier requests count as the state says.",
    Past.TOO_LARGE: "The past is as it was: more hangs together by the value than is folded at once.",
    Past.UNEXPLAINED: "The past is as it was: the history does not explain the profiles. A self-check names the differences.",
    Past.ERASED: "The past is as it was: the value was on a profile that was erased.",
}
"""What has become of earlier requests."""


class Verb(StrEnum):
    """What somebody can do about a value."""

    RELEASE = "release"
    BLOCK = "block"


class Row(NamedTuple):
    """A value on the list, for a page. `number` is its place among those of its pool, the one listed first at 1."""

    number: int
    identity: ShownIdentity
    value: ToxicValue
    path: str


async def show_values(asked: Asked) -> Answer:
    """Show the values that are on the list, those that were listed last first."""
    pool, state = pool_of(asked), _state(asked)
    before = before_number(asked)
    await asked.service.toxic.following.take_up()
    listed = list(enumerate(asked.service.toxic.listed.of(pool), 1))
    chosen = [(number, one) for number, one in listed if state in (None, one.state)]
    found = [_row(asked, *one) for one in reversed(chosen) if before is None or one[0] < before]
    shown = found[:LISTED_A_PAGE]
    scopes = [(one, one) for one in asked.service.directory.scopes]
    states = [("", "All"), *((one.value, one.value.capitalize()) for one in STATES)]
    values = {
        "choices": (
            ("scope", "Scope", scopes, asked.scope),
            environment_choice(asked),
            ("state", "State", states, "" if state is None else state.value),
        ),
        "rows": shown,
        "count": len(chosen),
        "next": asked.address(before=str(shown[-1].number)) if len(found) > len(shown) else "",
        "reasons": _REASONS,
        "types": [(one.value, one.value) for one in IdentityType],
        "block": judging_path(asked, Verb.BLOCK, "/review"),
        "is_watched": is_watched(asked.service.directory.scopes[asked.scope]),
        "mode": asked.service.directory.scopes[asked.scope].policy.settings.toxic.mode,
    }
    return Shown("toxic_values.html", "Toxic values", NOBODY, values)


async def show_one(asked: Asked) -> Answer:
    """Show a value: why it is on the list, what that does to requests, and the profiles that it joins or would."""
    pool, number = pool_of(asked), path_number(asked)
    await asked.service.toxic.following.take_up()
    listed = asked.service.toxic.listed.of(pool)
    if not 0 < number <= len(listed):
        sentence = "The list of toxic values has no such place in this scope and environment."
        raise Refusal(404, "unknown_toxic_value", sentence, "Begin at the list.")
    value = listed[number - 1]
    joins = await joined_by(asked.service.store, value)
    values = {
        "row": _row(asked, number, value),
        "says": STATES[value.state],
        "reason": _REASONS[value.reason],
        "past": PASTS[value.past],
        "joins": joins,
        "may_judge": asked.who.may(Right.HEALTH) and not asked.who.masks,
        "release": judging_path(asked, Verb.RELEASE, "/review"),
        "block": judging_path(asked, Verb.BLOCK, "/review"),
        "list_path": list_path(asked),
    }
    trail = (Crumb("Toxic values", list_path(asked)),)
    return Shown("toxic_value.html", f"Toxic value {number}", joins or NOBODY, values, trail)


def pool_of(asked: Asked) -> Pool:
    """Return the pool whose values are asked for, by scope and environment.

    Raises:
        Refusal: there is no such scope or environment.
    """
    return asked.service.directory.scopes[asked.scope].pool(asked.environment)


def list_path(asked: Asked, state: str = "") -> str:
    """Return where the values of the scope and environment that are asked for are listed, those in a state or all."""
    chosen = {"state": state} if state else {}
    return f"{LIST_PATH}?{urlencode({'scope': asked.scope, 'environment': asked.environment.value, **chosen})}"


def value_path(number: int, scope: str, environment: str) -> str:
    """Return where a value is shown. It goes by its place on the list, so that no address holds an identity."""
    return f"{LIST_PATH}/{number}?{urlencode({'scope': scope, 'environment': environment})}"


def judging_path(asked: Asked, verb: Verb, step: str = "") -> str:
    """Return where the form is sent by which something is done about a value, or a `step` before it."""
    return f"{LIST_PATH}/{verb}{step}?{urlencode({'scope': asked.scope, 'environment': asked.environment.value})}"


def _row(asked: Asked, number: int, value: ToxicValue) -> Row:
    path = value_path(number, asked.scope, asked.environment.value)
    return Row(number, asked.identity(value.type.value, value.value), value, path)


def _state(asked: Asked) -> ToxicState | None:
    given = asked.query.text("state")
    if given and given not in set(ToxicState):
        raise not_taken("A value is watched, quarantined or released.")
    return ToxicState(given) if given else None


PAGES: Final = (
    Page("GET", LIST_PATH, "listToxicValues", Right.READ, show_values, HEALTH),
    Page("GET", f"{LIST_PATH}/{{id}}", "showToxicValue", Right.READ, show_one, HEALTH),
)
