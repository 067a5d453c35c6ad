"""Serves the part of our own API by which a scope's policy is shown and published."""

from typing import Any, Final

import msgspec
from starlette.requests import Request

from knownas.api.own_jobs import asked_policy
from knownas.api.own_operation import Operation, Refusal, json_body, path_rules
from knownas.core.identity.document import Document
from knownas.service.identity.policies import policy_document
from knownas.service.identity.publishing import NeedsRestart, NothingNew, Outdated, Published, Version
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import POLICY_NOTE_CHARACTERS_MAX
from knownas.service.security.auditing import ADMIN
from knownas.service.server import Service


class PolicyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules to put in force, as a scope of the configuration has them, the version that they are to follow, and why."""

    policy: dict[str, Any]
    after_version: int
    note: str = ""


_POLICY: Final = msgspec.json.Decoder(PolicyBody)


async def show_policy(service: Service, request: Request) -> tuple[int, Document]:
    """Return the policy of a scope that is in force here, and the versions that there are or were, the newest first."""
    return 200, await _shown(service, path_rules(service, request))


async def publish_policy(service: Service, request: Request) -> tuple[int, Document]:
    """Put other rules in force, as the next version of a scope's policy.

    They hold here at once, and on other servers over the same database within seconds. What is there already stays as it was
    decided; a resolution brings it under the new rules. They stay in force until others are published, or until the configuration's rules of the
    scope change. What the policy leaves out is its strategy's preset.
    """
    rules = path_rules(service, request)
    body = await json_body(request, _POLICY)
    if len(body.note) > POLICY_NOTE_CHARACTERS_MAX:
        raise Refusal(400, "note_too_long", f"A note has at most {POLICY_NOTE_CHARACTERS_MAX} characters.")
    policy = asked_policy(body.policy)
    match await service.publishing.publish(rules, policy, body.after_version, ADMIN, body.note):
        case Published() | NothingNew():
            return 200, await _shown(service, rules)
        case Outdated(version):
            raise Refusal(409, "policy_outdated", f"The newest version of this policy is {version}, another one.")
        case NeedsRestart(members):
            sentence = (
                f"{' and '.join(members)} can only be changed in the configuration, and hold from the next start."
            )
            raise Refusal(409, "policy_needs_restart", sentence)


async def _shown(service: Service, rules: Rules) -> Document:
    policy = rules.policy
    return {
        "scope": rules.scope,
        "version": policy.version,
        "policy": policy_document(policy),
        "versions": [_version(one) for one in await service.publishing.versions(rules.scope)],
    }


def _version(one: Version) -> Document:
    made = one.publication
    return {
        "version": one.policy.version,
        "since": rfc3339(one.since_ms),
        "published_by": None if made is None else made.by,
        "note": None if made is None else made.note,
        "policy": policy_document(one.policy),
    }


POLICY_OPERATIONS: Final = (
    Operation("GET", "/api/scopes/{scope}/policy", "showPolicy", show_policy),
    Operation("PUT", "/api/scopes/{scope}/policy", "publishPolicy", publish_policy, PolicyBody),
)
