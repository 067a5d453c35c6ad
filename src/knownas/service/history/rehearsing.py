"""Takes rehearsals and resolutions as jobs: what is asked for, what it needs, and what it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from knownas.core.identity.document import Document
from knownas.core.identity.policy import Policy
from knownas.service.history.correcting import Correcting
from knownas.service.history.folds import Folds, Tell, ToRehearse
from knownas.service.history.resolving import KnowsRules, Resolving, resolved_document
from knownas.service.history.undoing import Apart
from knownas.service.identity.policies import decode_policy, policy_document
from knownas.service.identity.receipts import rfc3339
from knownas.service.jobs import Job, JobKind, Work
from knownas.store.port import StoredPolicy

_UNPUBLISHED: Final = 1
"""The version under which a policy is read that has none; none is told."""


@dataclass(frozen=True, slots=True)
class OtherPools:
    """A policy can't be rehearsed: it would keep profiles in other pools than the scope has."""

    sentence: str = (
        "settings.environment_pools can't be rehearsed: it decides which pools there are, and each is folded by itself."
    )


def asked_with(in_force: Policy, rehearsal: ToRehearse) -> dict[str, Any] | OtherPools:
    """Return what a job is asked with for a rehearsal, or why there can be none."""
    if rehearsal.policy.settings.environment_pools is not in_force.settings.environment_pools:
        return OtherPools()
    return {
        "policy": policy_document(rehearsal.policy),
        "from_ms": rehearsal.from_ms,
        "to_ms": rehearsal.to_ms,
    }


def rehearsed_policy(job: Job) -> Policy:
    """Return the rules that a rehearsal is about."""
    return decode_policy(StoredPolicy(job.scope, _UNPUBLISHED, 0, msgspec.json.encode(job.asked["policy"])))


def works_of(
    directory: KnowsRules, correcting: Correcting, folds: Folds | None, apart: Apart | None = None
) -> Mapping[JobKind, Work]:
    """Return what does jobs; nothing where nobody folds."""
    if folds is None:
        return {}

    async def rehearse(job: Job, tell: Tell) -> Document:
        rehearsal = ToRehearse(job.scope, rehearsed_policy(job), job.asked["from_ms"], job.asked["to_ms"])
        await correcting.settle()
        return await folds.rehearse(rehearsal, tell)

    async def resolve(job: Job, tell: Tell) -> Document:
        return resolved_document(
            await Resolving(directory, correcting, folds.differing, apart).resolve(job.scope, tell)
        )

    return {JobKind.REHEARSAL: rehearse, JobKind.RESOLUTION: resolve}


def job_document(job: Job, report: Document | None) -> Document:
    """Show a job."""
    document: Document = {
        "id": job.id,
        "scope": job.scope,
        "state": job.state,
        "asked_at": rfc3339(job.asked_ms),
        "finished_at": None if job.finished_ms is None else rfc3339(job.finished_ms),
        "progress": {"doing": job.doing, "done": job.done, "of": job.of},
        "why": job.why,
        "report": report,
    }
    if job.kind is JobKind.REHEARSAL:
        document["policy"] = job.asked["policy"]
        for name in ("from", "to"):
            at_ms = job.asked[f"{name}_ms"]
            document[name] = None if at_ms is None else rfc3339(at_ms)
    return document
