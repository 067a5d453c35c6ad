"""Shows a rehearsal: how far it is, and what it came to, in numbers, pictures, and profiles to open."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from knownas.console.charts import Chart, Series, bar_chart
from knownas.console.masking import ShownIdentity
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Page, Shown
from knownas.console.policies import rules_of
from knownas.console.policy_draft import differences
from knownas.console.policy_jobs import job_of, path_of
from knownas.console.policy_workshop import reviewed
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.record import parse_mpid
from knownas.service.history.rehearsing import rehearsed_policy
from knownas.service.jobs import JobKind, JobState

_KINDS: Final = {
    "joined": "would be one",
    "parted": "would part",
    "appeared": "would appear",
    "vanished": "would vanish",
    "mpid_changed": "would be known by another MPID",
}
"""What other rules can do to profiles, by the name that a report gives it."""

_EXAMPLES_SHOWN: Final = 10
_LARGEST_SHOWN: Final = 8


class Cluster(NamedTuple):
    """A profile in one of the worlds; `is_there` if it can be opened."""

    mpid: str
    is_known: bool
    size: int
    observations: int
    identities: Sequence[ShownIdentity]
    is_there: bool


class Example(NamedTuple):
    """What would become of some profiles."""

    before: Sequence[Cluster]
    after: Sequence[Cluster]


class Pool(NamedTuple):
    """What would become of an environment's profiles."""

    environment: str
    report: Mapping[str, Any]
    answered_share: float
    changes: Chart
    largest: Chart
    examples: Sequence[tuple[str, Sequence[Example]]]


async def show_rehearsal(asked: Asked) -> Answer:
    """Show how far a rehearsal is, and its report when it is done."""
    rules = rules_of(asked)
    job, report = await job_of(asked, rules, JobKind.REHEARSAL)
    policy = rehearsed_policy(job)
    pools = [] if report is None else [_pool(asked, one) for one in _listed(report, "pools")]
    values = {
        "scope": rules.scope,
        "here": path_of(rules, job),
        "job": job,
        "is_over": job.is_over,
        "is_failed": job.state is JobState.FAILED,
        "from_ms": job.asked["from_ms"],
        "to_ms": job.asked["to_ms"],
        "changed": differences(rules.policy, policy),
        "is_in_force": rules.policy.rules_equal(policy),
        "pools": pools,
    }
    about = sorted({mpid for one in pools for mpid in _shown_mpids(one)})
    trail = (Crumb(rules.scope, f"/policies/{rules.scope}"),)
    return Shown("rehearsal.html", "Rehearsal", about or NOBODY, values, trail)


async def show_publishing(asked: Asked) -> Answer:
    """Ask whether the rules of a rehearsal are to be published."""
    rules = rules_of(asked)
    job, _ = await job_of(asked, rules, JobKind.REHEARSAL)
    if not job.is_over:
        raise not_taken("The rehearsal is not done yet.")
    return reviewed(rules, rehearsed_policy(job), job.id)


def _listed(document: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    return document[name]


def _pool(asked: Asked, report: Mapping[str, Any]) -> Pool:
    profiles, observations = report["profiles"], report["observations"]
    counts = [
        profiles["joined"],
        profiles["parted"],
        profiles["appeared"],
        profiles["vanished"],
        report["users"]["mpid_changed"],
    ]
    changes = bar_chart(
        "Profiles that would be others",
        "How many profiles would be joined, part, appear, vanish, or be known by another MPID.",
        ("joined", "part", "appear", "vanish", "other MPID"),
        (Series("profiles", counts),),
    )
    largest = report["largest"]
    sizes = [[one["size"] for one in largest[world][:_LARGEST_SHOWN]] for world in ("before", "after")]
    length = max(map(len, sizes))
    largest_chart = bar_chart(
        "Identities of the largest profiles",
        "How many identities the largest profiles have, before and after, beside each other.",
        [f"{place + 1}. {world}" for place in range(length) for world in ("before", "after")],
        (
            Series(
                "before", [_at(sizes[0], place) if world == 0 else 0 for place in range(length) for world in (0, 1)]
            ),
            Series("after", [_at(sizes[1], place) if world == 1 else 0 for place in range(length) for world in (0, 1)]),
        ),
    )
    examples = [
        (says, [_example(asked, one) for one in report["examples"].get(kind, ())[:_EXAMPLES_SHOWN]])
        for kind, says in _KINDS.items()
    ]
    return Pool(
        report["environment"] or "all environments",
        report,
        report["answered_otherwise"] / observations if observations else 0.0,
        changes,
        largest_chart,
        [one for one in examples if one[1]],
    )


def _at(values: Sequence[int], place: int) -> int:
    return values[place] if place < len(values) else 0


def _example(asked: Asked, told: Mapping[str, Any]) -> Example:
    there = {one["mpid"] for one in told["before"]}
    before, after = ([_cluster(asked, one, there) for one in told[world]] for world in ("before", "after"))
    return Example(before, after)


def _cluster(asked: Asked, told: Mapping[str, Any], there: set[str]) -> Cluster:
    identities = [asked.identity(kind, value) for kind, value in told["identities"]]
    return Cluster(
        told["mpid"], told["known"], told["size"], told["observations"], identities, is_there=told["mpid"] in there
    )


def _shown_mpids(pool: Pool) -> Iterator[int]:
    """Yield the profiles whose identities a page shows."""
    for _, examples in pool.examples:
        for example in examples:
            for one in example.before:
                mpid = parse_mpid(one.mpid)
                if mpid is not None:
                    yield mpid


PAGES: Final = (
    Page("GET", "/policies/{scope}/rehearsals/{id}", "showPolicyRehearsal", Right.READ, show_rehearsal),
    Page("GET", "/policies/{scope}/rehearsals/{id}/publish", "reviewRehearsed", Right.POLICIES, show_publishing),
)
