"""Shows the policies of all scopes, and of one scope what is in force, its versions, and what was rehearsed."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from knownas.console.page import NOBODY, Answer, Asked, Page, Shown
from knownas.console.places import POLICIES
from knownas.console.policy_draft import FLAGS, STRATEGY_WORDS, Difference, differences
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.core.identity.policy import Policy
from knownas.service.identity.publishing import Version
from knownas.service.identity.question import Rules
from knownas.service.jobs import JobKind


class ScopeRow(NamedTuple):
    """A scope as a line of the table: what is in force, and since when; the version is None for one that was not published here."""

    scope: str
    policy: Policy
    version: Version | None


class VersionRow(NamedTuple):
    """A version, and in what it differs from the one before it; None where that is not told."""

    version: Version
    changed: Sequence[Difference] | None


async def show_policies(asked: Asked) -> Answer:
    """Show what is in force in each scope."""
    rows: list[ScopeRow] = []
    for scope, rules in asked.service.directory.scopes.items():
        versions = await asked.service.publishing.versions(scope)
        mine = next((one for one in versions if one.policy.version == rules.policy.version), None)
        rows.append(ScopeRow(scope, rules.policy, mine))
    return Shown("policies.html", POLICIES.title, NOBODY, {"rows": rows})


async def show_policy(asked: Asked) -> Answer:
    """Show the rules of a scope, where they come from, and what was tried."""
    rules = rules_of(asked)
    versions = await asked.service.publishing.versions(rules.scope)
    rows = [
        VersionRow(one, differences(versions[place + 1].policy, one.policy) if place + 1 < len(versions) else None)
        for place, one in enumerate(versions)
    ]
    values = {
        "scope": rules.scope,
        "policy": rules.policy,
        "strategy_words": STRATEGY_WORDS[rules.policy.strategy],
        "flags": FLAGS,
        "rows": rows,
        "resolutions": await asked.service.jobs.listed(JobKind.RESOLUTION, rules.scope),
        "rehearsals": await asked.service.jobs.listed(JobKind.REHEARSAL, rules.scope),
    }
    return Shown("policy.html", rules.scope, NOBODY, values)


def rules_of(asked: Asked) -> Rules:
    """Return the rules of the scope of the address.

    Raises:
        Refusal: there is no such scope.
    """
    rules = asked.service.directory.rules(asked.request.path_params["scope"])
    if rules is None:
        raise Refusal(404, "unknown_scope", "The configuration has no scope of this name.", "Go back to the policies.")
    return rules


PAGES: Final = (
    Page("GET", "/policies", "listPolicies", Right.READ, show_policies, POLICIES),
    Page("GET", "/policies/{scope}", "showScopePolicy", Right.READ, show_policy),
)
