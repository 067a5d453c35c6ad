"""Describes what rehearsals, resolutions and checks are answered with as JSON Schema."""

from typing import Final

from knownas.api.schema_parts import (
    DECISION_ID,
    FLAG,
    MPID,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
)
from knownas.config.policies import policy_schema
from knownas.service.jobs import JobState

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_VERSION: Final[Schema] = {"type": "integer", "minimum": 1}
_TIME_OR_NULL: Final[Schema] = {"anyOf": [TIME, {"type": "null"}]}


_POLICY: Final = """\
The rules of a scope, as the configuration has them. What is left out, or null, is its strategy's preset or default.

`immutable_ids` are among `login_ids` and `unique_ids`; best_match has none of these. There is something to look up: a priority, or `implicit_das`.
A text is printable, and `$${` stands for `${` in it.
"""


def job_schemas() -> Schema:
    """Return the schemas of jobs and their reports."""
    members = {
        "id": DECISION_ID,
        "scope": TEXT,
        "state": enum_of(JobState),
        "asked_at": TIME,
        "finished_at": _TIME_OR_NULL,
        "progress": object_of("How far it is; of 0 where that can't be told.", doing=TEXT, done=_COUNT, of=_COUNT),
        "why": {**TEXT_OR_NULL, "description": "Why it failed."},
    }

    def report(name: str) -> Schema:
        return {"anyOf": [ref(name), {"type": "null"}], "description": "Null until it is done, and in a list."}

    rehearsal = object_of(
        "A rehearsal.",
        **members,
        report=report("RehearsalReport"),
        **{"policy": OBJECT, "from": _TIME_OR_NULL, "to": _TIME_OR_NULL},
    )
    resolution = object_of("A resolution of a scope's history.", **members, report=report("ResolutionReport"))
    return {
        "SelfCheck": object_of(
            "The checks of the database against its history.",
            every_hours={"anyOf": [_COUNT, {"type": "null"}], "description": "Null: only when it is asked for."},
            under_way={"anyOf": [ref("SelfCheckRun"), {"type": "null"}]},
            last={"anyOf": [ref("SelfCheckRun"), {"type": "null"}], "description": "The last that is over."},
        ),
        "SelfCheckRun": object_of(
            "A check.",
            **{name: schema for name, schema in members.items() if name != "scope"},
            report=report("SelfCheckReport"),
        ),
        "SelfCheckReport": object_of(
            "What a check found.",
            observations=_COUNT,
            profiles=_COUNT,
            differing={**_COUNT, "description": "Profiles and rows that are not as the log folds."},
            seconds={"type": "number", "minimum": 0},
            pools={**list_of(OBJECT), "description": "Of each pool what `knownas verify --json` says, shortened."},
        ),
        "JobBegun": object_of("A job that waits for its turn.", id=DECISION_ID),
        "Rehearsal": rehearsal,
        "Rehearsals": object_of("", rehearsals=list_of(ref("Rehearsal"))),
        "RehearsalReport": _rehearsal_report(),
        "RehearsedPool": _rehearsed_pool(),
        "RehearsedProfile": _rehearsed_profile(),
        "Resolution": resolution,
        "Resolutions": object_of("", resolutions=list_of(ref("Resolution"))),
        "ResolutionReport": _resolution_report(),
    }


def policy_schemas() -> Schema:
    """Return the schemas of policies and their versions."""
    written = policy_schema(ref("IdentityType"))
    for listed in (
        written["properties"]["priority"],
        written["properties"]["settings"]["anyOf"][0]["properties"]["tie_break"],
    ):
        listed["anyOf"][0]["uniqueItems"] = True
    return {
        "Policy": {**written, "description": _POLICY},
        "ScopePolicy": object_of(
            "The policy of a scope that is in force on the server that answers, and its versions.",
            scope=TEXT,
            version=_VERSION,
            policy=OBJECT,
            versions={**list_of(ref("PolicyVersion")), "description": "The newest first."},
        ),
        "PolicyVersion": object_of(
            "A version of a policy.",
            version=_VERSION,
            since=TIME,
            published_by={**TEXT_OR_NULL, "description": "Null if it came from the configuration."},
            note={**TEXT_OR_NULL, "description": "Why it was published."},
            policy=OBJECT,
        ),
    }


def _rehearsal_report() -> Schema:
    return object_of(
        "What other rules would make of a history.",
        **{
            "scope": TEXT,
            "policy": OBJECT,
            "policy_version": {**_COUNT, "description": "The version that it has, or would have if published."},
            "from": _TIME_OR_NULL,
            "to": _TIME_OR_NULL,
            "pools": list_of(ref("RehearsedPool")),
        },
    )


def _rehearsed_pool() -> Schema:
    profiles = object_of(
        "Profiles are compared by the observations that they answer; one appears or vanishes with its MPID.",
        **dict.fromkeys(
            (
                "before",
                "after",
                "changed",
                "joined",
                "joined_into",
                "parted",
                "parted_into",
                "appeared",
                "vanished",
            ),
            _COUNT,
        ),
    )
    shown = list_of(ref("RehearsedProfile"))
    examples = list_of(object_of("", before=shown, after=shown))
    kinds = ("joined", "parted", "appeared", "vanished", "mpid_changed")
    return object_of(
        "What would become of one environment's profiles; null is an environment that shares them.",
        environment={"enum": ["development", "production", None]},
        until_seq=_COUNT,
        observations=_COUNT,
        answered_otherwise={**_COUNT, "description": "Observations that another profile would answer."},
        unreadable={**_COUNT, "description": "Lines of the log that were left out."},
        profiles=profiles,
        users=object_of("Known users.", before=_COUNT, after=_COUNT, mpid_changed=_COUNT),
        user_data=object_of(
            "Profiles of before that would be joined, part or vanish and of which a workspace knows something; those that "
            "part or vanish are `moving`.",
            profiles=_COUNT,
            moving=_COUNT,
        ),
        largest=object_of("The largest profiles by their identities.", before=shown, after=shown),
        examples=object_of("Some of each kind.", **dict.fromkeys(kinds, examples)),
    )


def _rehearsed_profile() -> Schema:
    pair: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
    return object_of(
        "A profile in one of the worlds.",
        mpid=MPID,
        known=FLAG,
        size={**_COUNT, "description": "Identities in all."},
        observations={**_COUNT, "description": "Observations that it answers."},
        identities={**list_of(pair), "description": "Some of them: type and value."},
    )


def _resolution_report() -> Schema:
    left = object_of("Components that were left as they are.", components=_COUNT, mpids=list_of(MPID))
    return object_of(
        "What a resolution came to.",
        scope=TEXT,
        policy_version=_COUNT,
        finished={**FLAG, "description": "Whether nothing is left that differs, but what is named here."},
        passes={**_COUNT, "description": "Times that the log was folded."},
        corrections=_COUNT,
        profiles_changed=_COUNT,
        too_large=left,
        unexplained=left,
        erased=left,
    )
