"""Describes whom a request of a data subject can be about, and the answers of our own API about such requests."""

from knownas.api.own_privacy import DIGITS
from knownas.api.schema_parts import FLAG, MPID, TEXT, TYPES, Schema, closed_object, enum_of, list_of, object_of, ref
from knownas.core.identity.decision import Guard
from knownas.core.identity.kinds import IdentityType, Surface, name_on
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, SUBJECT_MPIDS_MAX
from knownas.core.privacy.request import Encoding, RequestType
from knownas.service.privacy.subject_finding import Why
from knownas.service.privacy.subject_preview import Fate
from knownas.store.privacy import Counts


def privacy_schemas() -> Schema:
    """Return the named schemas."""
    let_in = object_of("What was let in again.", let_in={"const": 1, "description": "How many identities."})
    return {"PrivacyPreview": _preview(), "LetIn": let_in, **_subjects()}


def preview_body(made: Schema) -> Schema:
    """Return the schema of whom a request would be about: a profile alone, or identities and profiles, of which there is one at least."""
    alone, several = ref("SubjectAlone"), ref("SubjectIdentities")
    members: Schema = {
        **made["properties"],
        "subject_identities": {
            "description": "By the names that OpenDSR has for types; `mpid` alone.",
            "anyOf": [alone, several],
        },
        "mpids": {"type": "array", "items": {"anyOf": [MPID, ref("MpidNumber")]}, "maxItems": SUBJECT_MPIDS_MAX},
    }
    return {
        **made,
        "properties": members,
        "anyOf": [
            {"required": ["mpids"], "properties": {"subject_identities": several, "mpids": {"minItems": 1}}},
            {
                "required": ["subject_identities"],
                "properties": {"subject_identities": {"allOf": [several], "minProperties": 1}},
            },
            {
                "required": ["subject_identities"],
                "properties": {"subject_identities": alone, "mpids": {"maxItems": 0}},
            },
        ],
    }


def _subjects() -> Schema:
    names = sorted(name for kind in IdentityType if (name := name_on(Surface.DSR, kind)) is not None)
    named: Schema = {"anyOf": [MPID, ref("MpidNumber")]}
    values: Schema = {"anyOf": [ref("IdentityValue"), {"type": "integer", "minimum": MPID_MIN, "maximum": MPID_MAX}]}
    digests = [
        _given({"type": "string", "pattern": f"^[0-9a-fA-F]{{{digits}}}$"}, one) for one, digits in DIGITS.items()
    ]
    return {
        "SubjectAlone": closed_object("A profile by its MPID.", {"mpid": _given(named, Encoding.RAW)}),
        "SubjectIdentities": {
            "type": "object",
            "description": "Identities of a person, each as it is or as its digest.",
            "propertyNames": {"enum": names},
            "additionalProperties": {"anyOf": [_given(values, Encoding.RAW), *digests]},
            "maxProperties": SUBJECT_IDENTITIES_MAX,
        },
    }


def _given(value: Schema, encoding: Encoding) -> Schema:
    """Return the schema of an identity in an encoding; raw is what it is if nothing is said."""
    required = ["value"] if encoding is Encoding.RAW else ["value", "encoding"]
    members: Schema = {"value": value, "encoding": {"const": encoding.value}}
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


def _preview() -> Schema:
    number: Schema = {"type": "integer", "minimum": 0}
    counts = object_of("How much there is, store by store.", **dict.fromkeys(Counts._fields, number))
    workspace = object_of(
        "A workspace of the scope, and what would become of what it has.",
        workspace=number,
        name=TEXT,
        residency=_or_null({**TEXT, "description": "Where the workspace says that its data lie."}),
        is_asked={**FLAG, "description": "Whether the request would be this workspace's."},
        outcome=enum_of(Fate),
        counts=counts,
    )
    profile = object_of("", mpid=MPID, environment=enum_of(Environment), known=FLAG)
    record = object_of(
        "The identities, which belong to the scope.",
        identities=number,
        outcome=enum_of(Fate),
        kept_for_workspaces={**list_of(number), "description": "Other workspaces that know the person."},
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
        why=enum_of(Why),
        unmatched_digests={**number, "description": "Digests that are of no value that anybody has."},
        profile=_or_null(profile),
        workspaces=list_of(workspace),
        identity_record=_or_null(record),
        shared_with=_or_null(shared),
        log_lines=_or_null(lines),
        out_of_reach=list_of(unreached),
        not_reached={**list_of(TEXT), "description": "What an erasure could not reach, in sentences."},
        further={
            **list_of({"type": "object"}),
            "description": "Of a request that names several, the others: each as this, without `further`.",
        },
    )


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
