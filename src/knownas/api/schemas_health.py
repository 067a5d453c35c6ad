"""Describes the body that tells whether identity resolution is healthy."""

from knownas.api.schema_parts import MPID, TEXT, TEXT_OR_NULL, TIME, TYPES, Schema, enum_of, list_of, object_of, ref
from knownas.core.health.intervals import Span
from knownas.core.health.tally import Came
from knownas.core.identity.observation import Environment
from knownas.service.jobs import JobKind, JobState
from knownas.service.toxic.list import ToxicState

_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE_OR_NULL: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_INPUT: dict[str, Schema] = {
    "workspace": {
        **TEXT_OR_NULL,
        "description": "Null where the input is not known, or not in the configuration any more.",
    },
    "input": TEXT_OR_NULL,
}


def health_schemas() -> Schema:
    """Return the named schemas of the health of identity."""
    return {"IdentityHealth": _health(), "Traffic": _traffic()}


def _health() -> Schema:
    traffic: Schema = {
        "anyOf": [ref("Traffic"), {"type": "null"}],
        "description": "Null where nothing was counted yet.",
    }
    return object_of(
        "What came of requests, and how profiles stand.",
        scope=TEXT,
        environment=enum_of(Environment),
        by=enum_of(Span),
        intervals=list_of(object_of("An hour or a day, which begins at a time.", at=TIME, traffic=traffic)),
        whole=ref("Traffic"),
        refused_before_scope={
            **list_of(object_of("", surface=TEXT, reason=TEXT, count=_COUNT)),
            "description": "Refused before it was known for which scope, such as for a key that nobody has.",
        },
        profiles=_or_null(
            object_of(
                "How many profiles there are.",
                as_of=TIME,
                estimated={
                    "type": "boolean",
                    "description": "Whether a part of all was counted, and the rest follows from it.",
                },
                known=_COUNT,
                anonymous=_COUNT,
                orphans={**_COUNT, "description": "Profiles to which no identity leads."},
            )
        ),
        devices=_or_null(_devices()),
        toxic=object_of("Values on the list of toxic identities.", **{one.value: _COUNT for one in ToxicState}),
        self_check=_or_null(object_of("What the last self-check found.", at=TIME, differing=_COUNT)),
        self_check_failed=_or_null(
            object_of("A later one that did not come to its end.", asked_at=TIME, why=TEXT_OR_NULL)
        ),
        jobs_under_way=list_of(
            object_of("A job.", id=TEXT, kind=enum_of(JobKind), state=enum_of(JobState), asked_at=TIME)
        ),
        history_since=_or_null({**TIME, "description": "When the oldest line of the log was written."}),
    )


def _devices() -> Schema:
    crowd = object_of(
        "A device that many anonymous profiles share, by one of these.",
        type=TYPES,
        anonymous_profiles=_COUNT,
        mpid=MPID,
    )
    return object_of(
        "How many anonymous profiles devices have.",
        as_of=TIME,
        count={**_COUNT, "description": "Identities of device types that any profile has."},
        anonymous_profiles={
            **list_of(object_of("", at_least=_COUNT, devices=_COUNT)),
            "description": "How many of these have at least so many anonymous profiles.",
        },
        largest=list_of(crowd),
    )


def _traffic() -> Schema:
    return object_of(
        "What came of requests in some time.",
        requests=_COUNT,
        decisions=object_of(
            "What decisions came to. `created_known`: a new profile of a known user; `created_without_identities`: one that nothing "
            "leads to.",
            **{one.value: _COUNT for one in Came},
        ),
        known_share={
            **_SHARE_OR_NULL,
            "description": "Of the decisions that a profile answered, the share that a known one did; null if there were none.",
        },
        matches={
            "type": "object",
            "propertyNames": TYPES,
            "additionalProperties": _COUNT,
            "description": "Decisions that found a profile, by the type of identity that decided.",
        },
        ties={
            **_COUNT,
            "description": "Those of them in which the identities left several profiles, and a further rule decided.",
        },
        new_profiles=list_of(object_of("Profiles that an input made.", **_INPUT, count=_COUNT)),
        refusals=list_of(object_of("Requests that were refused.", **_INPUT, surface=TEXT, reason=TEXT, count=_COUNT)),
    )


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
