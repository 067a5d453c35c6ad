"""Begins the check of the database against its history, and shows how far one is and what it found."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from knownas.console.masking import ShownIdentity
from knownas.console.page import NOBODY, Answer, Asked, Moved, Page, Shown, done, not_done
from knownas.console.places import HEALTH
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.core.identity.record import parse_mpid
from knownas.service.jobs import EVERY_SCOPE, JobKind, JobState, TooManyWait
from knownas.service.limits import JOBS_WAITING_MAX

CHECKS_PATH: Final = f"{HEALTH.path}/checks"

_WHYS: Final[Mapping[str, str]] = {
    "logged_otherwise": "the log has noted another result than it folds to",
    "not_in_record": "what the log folds to is not stored so",
    "changed_past_log": "it was changed, and no line says so",
    "not_in_log": "no line of the log makes it",
}
"""What is wrong with a profile, by the name that a report gives it."""

_NOT_THERE: Final = "not there"


class Side(NamedTuple):
    """A profile as it is stored, or as the log folds: what it is, and its identities."""

    says: str
    identities: Sequence[ShownIdentity]


class Difference(NamedTuple):
    """A profile that is not stored as its log folds. `path` is of the first decision after which it is not, "" if there is none."""

    mpid: str
    why: str
    more: str
    path: str
    stored: Side
    folded: Side


class Pool(NamedTuple):
    """What was found in a pool."""

    name: str
    report: Mapping[str, Any]
    differences: Sequence[Difference]


async def begin(asked: Asked) -> Answer:
    """Begin a check, and go to where it can be followed; to the one that is under way, if there is one."""
    try:
        job_id = await asked.service.self_check.ask()
    except TooManyWait:
        sentence = f"{JOBS_WAITING_MAX} jobs wait already. Try again when one of them is done."
        return Moved(HEALTH.path, NOBODY, not_done(sentence))
    return Moved(check_path(job_id), NOBODY, done("The check is asked for. It goes on if you leave this page."))


async def show_check(asked: Asked) -> Answer:
    """Show how far a check is, and what it has found when it is done."""
    found = await asked.service.jobs.find(JobKind.SELF_CHECK, EVERY_SCOPE, asked.request.path_params["id"])
    if found is None:
        raise Refusal(404, "unknown_job", "There is no such check, or no longer.", "Begin at the page of health.")
    job, report = found
    pools = [] if report is None else [_pool(asked, one) for one in _listed(report, "pools")]
    values = {
        "here": check_path(job.id),
        "job": job,
        "is_over": job.is_over,
        "is_failed": job.state is JobState.FAILED,
        "report": report,
        "pools": pools,
        "health_path": HEALTH.path,
    }
    named = [parse_mpid(one.mpid) for pool in pools for one in pool.differences]
    return Shown("self_check.html", "Self-check", [one for one in named if one is not None] or NOBODY, values)


def check_path(job_id: str) -> str:
    """Return where a check can be followed."""
    return f"{CHECKS_PATH}/{job_id}"


def _listed(document: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    return document[name]


def _pool(asked: Asked, report: Mapping[str, Any]) -> Pool:
    name = f"{report['scope']}, {report['environment'] or 'all environments'}"
    return Pool(name, report, [_difference(asked, one) for one in _listed(report, "differences")])


def _difference(asked: Asked, told: Mapping[str, Any]) -> Difference:
    first = told["first_observation"]
    path = "" if first is None else f"/decisions/{first['decision_id']}"
    stored, folded = _side(asked, told["stored"]), _side(asked, told["folded"])
    return Difference(told["mpid"], _WHYS[told["why"]], told["more"] or "", path, stored, folded)


def _side(asked: Asked, record: Mapping[str, Any] | None) -> Side:
    if record is None:
        return Side(_NOT_THERE, ())
    held: Mapping[str, Sequence[str]] = record["identities"]
    shown = [asked.identity(kind, value) for kind, values in held.items() for value in values]
    return Side("known" if record["known"] else "anonymous", shown)


PAGES: Final = (
    Page("POST", CHECKS_PATH, "beginCheck", Right.HEALTH, begin, HEALTH),
    Page("GET", f"{CHECKS_PATH}/{{id}}", "showCheck", Right.READ, show_check, HEALTH),
)
