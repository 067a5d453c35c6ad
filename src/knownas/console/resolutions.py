"""Serves the way by which what is there already is brought under the rules in force: the question, how far it is, what it came to."""

from typing import Any, Final

from knownas.console.page import NOBODY, Answer, Asked, Crumb, Page, Shown
from knownas.console.policies import rules_of
from knownas.console.policy_jobs import begin_job, job_of, path_of
from knownas.console.rights import Right
from knownas.core.identity.document import Document
from knownas.service.history.rehearsing import rehearsed_policy
from knownas.service.identity.question import Rules
from knownas.service.jobs import Job, JobKind, JobState

_LEFT: Final = {
    "too_large": "too much hangs together to be folded at once",
    "unexplained": "they are not what the log says: a check of the database names the differences",
    "erased": "somebody would be another profile who was erased, and nobody can tell any more",
}
"""Why profiles are left as they are, by the name that a report gives it."""


async def show_question(asked: Asked) -> Answer:
    """Ask whether the past is to be brought under the rules, and say whether that was rehearsed."""
    rules = rules_of(asked)
    jobs = await asked.service.jobs.listed(JobKind.REHEARSAL, rules.scope)
    rehearsed = next((one for one in jobs if one.state is JobState.DONE and _is_of(one, rules)), None)
    values = {"scope": rules.scope, "version": rules.policy.version, "rehearsed": rehearsed}
    return Shown("resolution_begin.html", "Bring the past under the rules", NOBODY, values, _trail(rules))


async def begin(asked: Asked) -> Answer:
    """Begin to resolve the history under the rules in force."""
    rules = rules_of(asked)
    return await begin_job(asked, rules, JobKind.RESOLUTION, {})


async def show_resolution(asked: Asked) -> Answer:
    """Show how far a resolution is, and what it came to."""
    rules = rules_of(asked)
    job, report = await job_of(asked, rules, JobKind.RESOLUTION)
    values = {
        "scope": rules.scope,
        "here": path_of(rules, job),
        "job": job,
        "is_over": job.is_over,
        "is_failed": job.state is JobState.FAILED,
        "report": report,
        "left": [] if report is None else _left(report),
    }
    return Shown("resolution.html", "Resolution", NOBODY, values, _trail(rules))


def _is_of(job: Job, rules: Rules) -> bool:
    """Whether a rehearsal was about the rules that are in force now, on all that was observed."""
    whole = job.asked["from_ms"] is None and job.asked["to_ms"] is None
    return whole and rehearsed_policy(job).rules_equal(rules.policy)


def _left(report: Document) -> list[tuple[str, Any]]:
    return [(says, report[name]) for name, says in _LEFT.items()]


def _trail(rules: Rules) -> tuple[Crumb, ...]:
    return (Crumb(rules.scope, f"/policies/{rules.scope}"),)


PAGES: Final = (
    Page("GET", "/policies/{scope}/resolve", "reviewResolution", Right.POLICIES, show_question),
    Page("POST", "/policies/{scope}/resolve", "beginScopeResolution", Right.POLICIES, begin),
    Page("GET", "/policies/{scope}/resolutions/{id}", "showScopeResolution", Right.READ, show_resolution),
)
