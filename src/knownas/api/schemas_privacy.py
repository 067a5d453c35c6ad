"""Describes the answers of our own API about requests of data subjects."""

from knownas.api.schema_parts import FLAG, MPID, TEXT, TYPES, Schema, enum_of, list_of, object_of
from knownas.core.identity.decision import Guard
from knownas.core.identity.observation import Environment
from knownas.core.privacy.request import RequestType
from knownas.service.subject_preview import Fate
from knownas.store.privacy import Counts


def privacy_schemas() -> Schema:
    """Return the named schemas."""
    return {"PrivacyPreview": _preview()}


def _preview() -> Schema:
    number: Schema = {"type": "integer", "minimum": 0}
    counts = object_of("How much there is, store by store.", **dict.fromkeys(Counts._fields, number))
    workspace = object_of(
        "A workspace of the scope, and what would become of what it has.",
        workspace=number,
        name=TEXT,
        is_asked={**FLAG, "description": "Whether the request would be this workspace's."},
        outcome=enum_of(Fate),
        counts=counts,
    )
    profile = object_of("", mpid=MPID, environment=enum_of(Environment), known=FLAG)
    record = object_of(
        "The identities, which belong to the scope.",
        identities=number,
        outcome=enum_of(Fate),
        kept_for_workspaces=list_of(number),
        kept_for_inputs={**list_of(TEXT), "description": "Inputs that no workspace of the scope has now."},
    )
    shared = object_of(
        "Other profiles that have an identity of the person's as well.",
        profiles=number,
        by_type={"type": "object", "additionalProperties": number},
        is_all={**FLAG, "description": "false: at least so many."},
    )
    lines = object_of("Lines of the log about the profile.", count=number, is_all=FLAG)
    unreached = object_of(
        "Profiles that hold an identity of the request and can't be reached by it.",
        identity_type=TYPES,
        profiles=number,
        guard=enum_of(Guard),
        sentence=TEXT,
    )
    return object_of(
        "What a request of a data subject would touch. Where it reaches nobody, `profile` and what belongs to it are null.",
        workspace=number,
        scope=TEXT,
        subject_request_type=enum_of(RequestType),
        profile=_or_null(profile),
        workspaces=list_of(workspace),
        identity_record=_or_null(record),
        shared_with=_or_null(shared),
        log_lines=_or_null(lines),
        out_of_reach=list_of(unreached),
        not_reached={**list_of(TEXT), "description": "What an erasure could not reach, in sentences."},
    )


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
