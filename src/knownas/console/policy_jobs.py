"""Begins the long work that a scope's rules give, a rehearsal or a resolution, and finds what was begun."""

from typing import Any

from knownas.console.page import NOBODY, Asked, Moved, done, not_done
from knownas.console.refusal import Refusal
from knownas.core.identity.document import Document
from knownas.service.identity.question import Rules
from knownas.service.jobs import Job, JobKind, TooManyWait
from knownas.service.limits import JOBS_WAITING_MAX


async def begin_job(asked: Asked, rules: Rules, kind: JobKind, asked_for: dict[str, Any]) -> Moved:
    """Ask for the work, and go to where it can be followed; back to the rules if too much waits already."""
    try:
        job = await asked.service.jobs.add(kind, rules.scope, asked_for)
    except TooManyWait:
        sentence = f"{JOBS_WAITING_MAX} jobs wait already. Try again when one of them is done."
        return Moved(f"/policies/{rules.scope}", NOBODY, not_done(sentence))
    return Moved(path_of(rules, job), NOBODY, done(f"The {kind} waits for its turn."))


async def job_of(asked: Asked, rules: Rules, kind: JobKind) -> tuple[Job, Document | None]:
    """Return the work that the path names, and its report if it is done.

    Raises:
        Refusal: the scope has none of that id.
    """
    found = await asked.service.jobs.find(kind, rules.scope, asked.request.path_params["id"])
    if found is None:
        sentence = f"This scope has no such {kind}, or no longer."
        raise Refusal(404, "unknown_job", sentence, "Go back to the scope's rules.")
    return found


def path_of(rules: Rules, job: Job) -> str:
    """Return where the work can be followed."""
    return f"/policies/{rules.scope}/{job.kind}s/{job.id}"
