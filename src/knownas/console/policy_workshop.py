"""Serves the workshop in which a scope's rules are edited, checked while somebody types, rehearsed, and published."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec

from knownas.config.policies import read_policy
from knownas.console.limits import POLICY_CHARACTERS_MAX
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done, not_done
from knownas.console.policies import rules_of
from knownas.console.policy_draft import (
    CHOICES,
    FLAGS,
    STRATEGY_WORDS,
    SWITCHES,
    Draft,
    differences,
    draft_from,
    draft_of,
)
from knownas.console.policy_jobs import begin_job
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.policy import Policy, Strategy
from knownas.service.history.folds import ToRehearse
from knownas.service.history.rehearsing import OtherPools, asked_with
from knownas.service.identity.policies import policy_document
from knownas.service.identity.publishing import NeedsRestart, NothingNew, Outdated, Published
from knownas.service.identity.question import Rules
from knownas.service.jobs import JobKind
from knownas.service.limits import POLICY_NOTE_CHARACTERS_MAX

_ENCODER: Final = msgspec.json.Encoder()
_DAY: Final = "%Y-%m-%d"


async def show_editor(asked: Asked) -> Answer:
    """Show the form with the rules that are in force, or with those of a version."""
    rules = rules_of(asked)
    given = asked.query.text("version")
    policy = rules.policy
    if given:
        versions = await asked.service.publishing.versions(rules.scope)
        found = next((one.policy for one in versions if str(one.policy.version) == given), None)
        if found is None:
            raise not_taken("This scope has no such version.")
        policy = found
    return _edited(rules, draft_of(policy))


async def check(asked: Asked) -> Answer:
    """Show the form again, with what is wrong with it, and what it would change."""
    rules = rules_of(asked)
    return _edited(rules, draft_from(asked.form, rules.policy), _period(asked))


async def rehearse(asked: Asked) -> Answer:
    """Begin a rehearsal of the form's rules, or show the form with what is wrong with it."""
    rules, times = rules_of(asked), _period(asked)
    draft = draft_from(asked.form, rules.policy)
    if draft.policy is None:
        return _edited(rules, draft, times, status=HTTPStatus.BAD_REQUEST)
    rehearsal = ToRehearse(rules.scope, draft.policy, _day_ms(times["from"]), _day_ms(times["to"]))
    asked_for = asked_with(rules.policy, rehearsal)
    if isinstance(asked_for, OtherPools):
        # Not a field of the form: the rules in force are others by now.
        return Moved(f"/policies/{rules.scope}", NOBODY, not_done(asked_for.sentence))
    return await begin_job(asked, rules, JobKind.REHEARSAL, asked_for)


async def review(asked: Asked) -> Answer:
    """Show what the form's rules would change, and ask whether they are to be published."""
    rules = rules_of(asked)
    draft = draft_from(asked.form, rules.policy)
    if draft.policy is None:
        return _edited(rules, draft, _period(asked), status=HTTPStatus.BAD_REQUEST)
    return reviewed(rules, draft.policy, rehearsal="")


def reviewed(rules: Rules, policy: Policy, rehearsal: str) -> Shown:
    """Return the question whether rules are to be published; `rehearsal` is the id of theirs, "" if there was none."""
    values = {
        "scope": rules.scope,
        "version": rules.policy.version,
        "changed": differences(rules.policy, policy),
        "policy_text": _ENCODER.encode(policy_document(policy)).decode(),
        "rehearsal": rehearsal,
        "note_most": POLICY_NOTE_CHARACTERS_MAX,
    }
    return Shown("policy_publish.html", "Publish", NOBODY, values, (Crumb(rules.scope, f"/policies/{rules.scope}"),))


async def publish(asked: Asked) -> Answer:
    """Put rules in force."""
    rules = rules_of(asked)
    back = f"/policies/{rules.scope}"
    policy = read_policy(asked.form.raw("policy", POLICY_CHARACTERS_MAX))
    after, note = asked.form.text("after"), asked.form.text("note", POLICY_NOTE_CHARACTERS_MAX)
    if not isinstance(policy, Policy) or not after.isascii() or not after.isdigit():
        raise not_taken("This is not what the page sends.")
    match await asked.service.publishing.publish(rules, policy, int(after), asked.who.who, note):
        case Published(version):
            sentence = f"Version {version} is in force. What is there already stays as it was decided."
            return Moved(back, NOBODY, done(sentence))
        case NothingNew(version):
            return Moved(back, NOBODY, not_done(f"These rules are in force already, as version {version}."))
        case Outdated(version):
            sentence = f"Nothing was published: version {version} came from somebody else meanwhile. Look at it first."
            return Moved(back, NOBODY, not_done(sentence))
        case NeedsRestart(members):
            return Moved(back, NOBODY, not_done(f"{' and '.join(members)} can only be changed in the configuration."))


def _period(asked: Asked) -> Mapping[str, str]:
    """Return the days between which observations count, as written."""
    times = {name: asked.form.text(name) for name in ("from", "to")}
    for one in times.values():
        _day_ms(one)
    return times


def _day_ms(text: str) -> int | None:
    """Return when a day begins in UTC, in Unix milliseconds; None if none is given.

    Raises:
        Refusal: it is no day.
    """
    if not text:
        return None
    try:
        return int(datetime.strptime(text, _DAY).replace(tzinfo=UTC).timestamp() * 1_000)
    except ValueError:
        raise not_taken("A day is written as 2026-05-01.") from None


def _edited(rules: Rules, draft: Draft, times: Mapping[str, str] | None = None, status: int = 200) -> Shown:
    values: dict[str, Any] = {
        "scope": rules.scope,
        "version": rules.policy.version,
        "draft": draft,
        "changed": [] if draft.policy is None else differences(rules.policy, draft.policy),
        "used": [one for one in draft.rows if one.is_used],
        "unused": [one for one in draft.rows if not one.is_used],
        "strategies": [(one.value, one.value) for one in Strategy],
        "strategy_words": list(STRATEGY_WORDS.items()),
        "flags": FLAGS,
        "choices": CHOICES,
        "switches": SWITCHES,
        "times": times or {"from": "", "to": ""},
    }
    trail = (Crumb(rules.scope, f"/policies/{rules.scope}"),)
    return Shown("policy_edit.html", "Edit the rules", NOBODY, values, trail, status)


PAGES: Final = (
    Page("GET", "/policies/{scope}/edit", "editPolicy", Right.POLICIES, show_editor),
    Page("POST", "/policies/{scope}/check", "checkPolicy", Right.POLICIES, check),
    Page("POST", "/policies/{scope}/rehearse", "beginPolicyRehearsal", Right.POLICIES, rehearse),
    Page("POST", "/policies/{scope}/review", "reviewPolicy", Right.POLICIES, review),
    Page("POST", "/policies/{scope}/publish", "publishScopePolicy", Right.POLICIES, publish),
)
