"""Serves the part of our own API by which rules are rehearsed, and the history is resolved under those in force."""

from typing import Any, Final

import msgspec
from starlette.requests import Request

from knownas.api.body_parts import Moment
from knownas.api.own_operation import Operation, Refusal, json_body, path_rules, rfc3339_ms
from knownas.config.faults import InvalidConfiguration
from knownas.config.policies import read_policy_document
from knownas.core.identity.document import Document
from knownas.core.identity.policy import Policy
from knownas.service.history.folds import ToRehearse
from knownas.service.history.rehearsing import OtherPools, asked_with, job_document
from knownas.service.identity.question import Rules
from knownas.service.jobs import Job, JobKind, TooManyWait
from knownas.service.limits import JOBS_WAITING_MAX
from knownas.service.server import Service

ACCEPTED: Final = 202


class RehearsalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The rules to rehearse, as a scope of the configuration has them, and the time whose observations count."""

    policy: dict[str, Any]
    from_: Moment | None = None
    to: Moment | None = None


_REHEARSAL: Final = msgspec.json.Decoder(RehearsalBody)


async def begin_rehearsal(service: Service, request: Request) -> tuple[int, Document]:
    """Rehearse other rules on the history of a scope.

    Folds what was observed under the rules that were in force and under these, in the background, and compares. Writes
    neither records nor log. What the policy leaves out is its strategy's preset.
    """
    rules = path_rules(service, request)
    body = await json_body(request, _REHEARSAL)
    policy = asked_policy(body.policy)
    rehearsal = ToRehearse(rules.scope, policy, _time(body.from_, "from"), _time(body.to, "to"))
    asked = asked_with(rules.policy, rehearsal)
    if isinstance(asked, OtherPools):
        raise Refusal(409, "other_pools", asked.sentence)
    return ACCEPTED, {"id": (await _added(service, JobKind.REHEARSAL, rules, asked)).id}


async def show_rehearsal(service: Service, request: Request) -> tuple[int, Document]:
    """Show how far a rehearsal is, and its report when it is done."""
    return await _shown(service, request, JobKind.REHEARSAL)


async def list_rehearsals(service: Service, request: Request) -> tuple[int, Document]:
    """List the rehearsals of a scope that are remembered, the newest first, without their reports."""
    return await _listed(service, request, JobKind.REHEARSAL)


async def begin_resolution(service: Service, request: Request) -> tuple[int, Document]:
    """Resolve the history of a scope again under the rules in force.

    Works in the background, one component after the other. Profiles that go on keep their MPIDs; one that goes leads to who
    answers now. Comes to what a rehearsal of these rules tells.
    """
    rules = path_rules(service, request)
    return ACCEPTED, {"id": (await _added(service, JobKind.RESOLUTION, rules, {})).id}


async def show_resolution(service: Service, request: Request) -> tuple[int, Document]:
    """Show how far a resolution is, and what it came to when it is done."""
    return await _shown(service, request, JobKind.RESOLUTION)


async def list_resolutions(service: Service, request: Request) -> tuple[int, Document]:
    """List the resolutions of a scope that are remembered, the newest first, without what they came to."""
    return await _listed(service, request, JobKind.RESOLUTION)


async def _added(service: Service, kind: JobKind, rules: Rules, asked: dict[str, Any]) -> Job:
    try:
        return await service.jobs.add(kind, rules.scope, asked)
    except TooManyWait as error:
        sentence = f"{JOBS_WAITING_MAX} rehearsals and resolutions wait already; ask again when one of them is done."
        raise Refusal(409, "too_many_jobs_wait", sentence) from error


async def _shown(service: Service, request: Request, kind: JobKind) -> tuple[int, Document]:
    rules = path_rules(service, request)
    found = await service.jobs.find(kind, rules.scope, request.path_params["id"])
    if found is None:
        raise Refusal(404, "unknown_job", f"There is no {kind.value} with this id in the scope, or no longer.")
    return 200, job_document(*found)


async def _listed(service: Service, request: Request, kind: JobKind) -> tuple[int, Document]:
    rules = path_rules(service, request)
    jobs = await service.jobs.listed(kind, rules.scope)
    return 200, {f"{kind.value}s": [job_document(one, None) for one in jobs]}


def asked_policy(given: dict[str, Any]) -> Policy:
    """Return the policy that somebody sends.

    Raises:
        Refusal: with all that is wrong with it.
    """
    policy = read_policy_document(given)
    if isinstance(policy, InvalidConfiguration):
        faults = [{"path": one.path, "message": one.message, "allowed": one.allowed} for one in policy.faults]
        raise Refusal(400, "invalid_policy", f"The policy has {len(faults)} faults.", faults=faults)
    return policy


def _time(given: str | None, name: str) -> int | None:
    if given is None:
        return None
    at_ms = rfc3339_ms(given)
    if at_ms is None:
        example = "2026-05-03T12:00:00Z"
        raise Refusal(400, "invalid_time", f"{name} is a time of RFC 3339 with an offset, such as {example}.")
    return at_ms


JOB_OPERATIONS: Final = (
    Operation("POST", "/api/scopes/{scope}/rehearsals", "beginRehearsal", begin_rehearsal, RehearsalBody),
    Operation("GET", "/api/scopes/{scope}/rehearsals", "listRehearsals", list_rehearsals),
    Operation("GET", "/api/scopes/{scope}/rehearsals/{id}", "showRehearsal", show_rehearsal),
    Operation("POST", "/api/scopes/{scope}/resolutions", "beginResolution", begin_resolution),
    Operation("GET", "/api/scopes/{scope}/resolutions", "listResolutions", list_resolutions),
    Operation("GET", "/api/scopes/{scope}/resolutions/{id}", "showResolution", show_resolution),
)
