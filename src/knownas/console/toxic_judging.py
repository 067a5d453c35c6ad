"""Serves the way by which a value is released or blocked: what would change, the question, and the deed."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from knownas.console.page import Answer, Asked, Crumb, Moved, Page, Shown, done
from knownas.console.places import HEALTH
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.console.toxic_values import LIST_PATH, PASTS, STATES, Verb, judging_path, list_path, pool_of, value_path
from knownas.core.identity.kinds import Identity, IdentityType, value_fault
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX
from knownas.service.limits import DIFFERENCES_TOLD_MAX, LONG_REQUEST_SECONDS
from knownas.service.toxic.deciding import Judgement, is_watched
from knownas.service.toxic.list import Past, ToxicState


class _Words(NamedTuple):
    """What a verb does, and how it is said."""

    state: ToxicState
    title: str
    button: str
    does: str


_WORDS: Final[Mapping[Verb, _Words]] = {
    Verb.RELEASE: _Words(
        ToxicState.RELEASED,
        "Release",
        "Release it",
        "It counts as a person's again, in everything that was ever said with it, and is never toxic any more. "
        "What it named together becomes one again.",
    ),
    Verb.BLOCK: _Words(
        ToxicState.QUARANTINED,
        "Block",
        "Block it",
        "It matches nothing and joins nobody, in everything that was ever said with it and from now on. What only it held together is taken apart.",
    ),
}


async def show_release(asked: Asked) -> Answer:
    """Show what would change if a value counted again, and ask."""
    return await _show(asked, Verb.RELEASE)


async def show_block(asked: Asked) -> Answer:
    """Show what would change if a value counted nowhere, and ask."""
    return await _show(asked, Verb.BLOCK)


async def release(asked: Asked) -> Answer:
    """Let a value count again, and never be toxic any more."""
    return await _do(asked, Verb.RELEASE)


async def block(asked: Asked) -> Answer:
    """Let a value count nowhere."""
    return await _do(asked, Verb.BLOCK)


async def _show(asked: Asked, verb: Verb) -> Answer:
    named = _named(asked)
    would = await _judged(asked, verb, named, preview=True)
    before = asked.service.toxic.listed.find(pool_of(asked), named)
    words = _WORDS[verb]
    values = {
        "identity": asked.identity(named.type.value, named.value),
        "words": words,
        "before": before,
        "before_says": "" if before is None else STATES[before.state],
        "is_so": before is not None and before.state is words.state and before.past is not Past.PENDING,
        "past_stays": "" if would.value.past in (Past.PENDING, Past.UNTOUCHED) else PASTS[would.value.past],
        "changed": would.changed[:DIFFERENCES_TOLD_MAX],
        "more_changed": max(0, len(would.changed) - DIFFERENCES_TOLD_MAX),
        "count": len(would.changed),
        "action": judging_path(asked, verb),
        "fields": {"type": named.type.value, "value": named.value},
        "back": list_path(asked),
    }
    trail = (Crumb("Toxic values", list_path(asked)),)
    return Shown("toxic_judging.html", words.title, would.changed, values, trail)


async def _do(asked: Asked, verb: Verb) -> Answer:
    named = _named(asked)
    judgement = await _judged(asked, verb, named, preview=False)
    count, value = len(judgement.changed), judgement.value
    changed = "1 profile has changed" if count == 1 else f"{count:,} profiles have changed"
    told = done(f"The value is {value.state} now, and {changed}. {PASTS[value.past]}")
    return Moved(_place_of(asked, named), judgement.changed, told)


async def _judged(asked: Asked, verb: Verb, named: Identity, *, preview: bool) -> Judgement:
    if not is_watched(asked.service.directory.scopes[asked.scope]):
        raise not_taken("Nothing is done about toxic values in this scope: its settings.toxic.mode is off.")
    toxic = asked.service.toxic
    judge = toxic.release if verb is Verb.RELEASE else toxic.block
    return await judge(pool_of(asked), named, preview=preview)


def _named(asked: Asked) -> Identity:
    """Return the identity that is meant. It is sent in a form, so that no address keeps it.

    Raises:
        Refusal: it can't be one, or the visitor may not see it.
    """
    asked.require(Right.SEE_IDENTITIES)
    kind, value = asked.form.text("type"), asked.form.raw("value", IDENTITY_VALUE_CHARACTERS_MAX)
    if kind not in set(IdentityType):
        raise not_taken("There is no such identity type.")
    fault = value_fault(value)
    if fault is not None:
        raise not_taken(f"This is no identity: {fault}.")
    return Identity(IdentityType(kind), value)


def _place_of(asked: Asked, named: Identity) -> str:
    """Return the page of a value; the list if it is not on it, as when that is full."""
    pool = pool_of(asked)
    places = (number for number, one in enumerate(asked.service.toxic.listed.of(pool), 1) if one.identity == named)
    number = next(places, None)
    return list_path(asked) if number is None else value_path(number, asked.scope, asked.environment.value)


PAGES: Final = (
    Page(
        "POST", f"{LIST_PATH}/release/review", "reviewRelease", Right.HEALTH, show_release, HEALTH, LONG_REQUEST_SECONDS
    ),
    Page("POST", f"{LIST_PATH}/release", "releaseToxicValue", Right.HEALTH, release, HEALTH, LONG_REQUEST_SECONDS),
    Page("POST", f"{LIST_PATH}/block/review", "reviewBlock", Right.HEALTH, show_block, HEALTH, LONG_REQUEST_SECONDS),
    Page("POST", f"{LIST_PATH}/block", "blockToxicValue", Right.HEALTH, block, HEALTH, LONG_REQUEST_SECONDS),
)
