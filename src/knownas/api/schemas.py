"""Describes every body of the HTTP surfaces as JSON Schema, from the types that decode and encode them.

The structs say which members there are; what they can't say (the spellings of the identity types, lengths, ranges)
is refined here from the same constants that the decoders use.
"""

import inspect
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from knownas.api.limits import SEED_VALUES_MAX
from knownas.api.own import ExplainBody, SeedBody
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR, LOOKUP_ERROR, NOT_FOUND_ERROR, VALIDATION_ERROR
from knownas.api.wire import IdentifyBody, IdentityAnswer, ModifyAnswer, ModifyBody
from knownas.core.identity.decision import ChangeKind, DecidedBy, Guard, LookupEffect, Refusal, Skip
from knownas.core.identity.kinds import DEVICE_TYPES, KINDS, IdentityType, Surface, types_named_on
from knownas.core.identity.observation import RESOLVING, Endpoint, Environment
from knownas.core.identity.policy import EnvironmentPools
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX, MODIFY_CHANGES_MAX
from knownas.core.profile.event import Channel
from knownas.service.decisions import DECISION_ID_DIGITS

Schema = dict[str, Any]

DECISION_ID: Final[Schema] = {"type": "string", "pattern": f"^[0-9a-f]{{{DECISION_ID_DIGITS}}}$"}
CURSOR: Final[Schema] = {"type": "string", "pattern": "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"}
"""Eight bytes in URL-safe Base64 without padding, the highest bit 0; see `own`."""

_TYPES: Final[Schema] = {"$ref": "#/components/schemas/IdentityType"}
_MPID: Final[Schema] = {"$ref": "#/components/schemas/Mpid"}
_MPID_OR_NULL: Final[Schema] = {"anyOf": [_MPID, {"type": "null"}]}
_NEW_MPID: Final[Schema] = {**_MPID_OR_NULL, "description": "Null if the profile was not made, only explained."}
_TIME: Final[Schema] = {"type": "string", "format": "date-time", "description": "RFC 3339, in UTC."}
_FLAG: Final[Schema] = {"type": "boolean"}
_TEXT: Final[Schema] = {"type": "string"}
_NAMES: Final = types_named_on(Surface.IDSYNC)


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def component_schemas() -> Schema:
    """Return all named schemas."""
    bodies = [IdentifyBody, ModifyBody, IdentityAnswer, ModifyAnswer, SeedBody, ExplainBody]
    _, made = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schemas: Schema = {**made, **_identities(), **_receipts(), **_profiles(), **_user_data(), **_errors()}
    for (name, member), refined in _refinements().items():
        told = schemas[name]["properties"][member]
        schemas[name]["properties"][member] = refined | {key: told[key] for key in ("default",) if key in told}
    schemas["IdentityChangeBody"]["description"] += (
        " Without an `old_value` it adds, without a `new_value` it removes; an empty string counts as null."
    )
    return dict(sorted(schemas.items()))


def _refinements() -> dict[tuple[str, str], Schema]:
    """Return what the structs leave open, by struct and member."""
    stamp = IdentityType.DEVICE_APPLICATION_STAMP
    return {
        ("IdentifyBody", "known_identities"): ref("KnownIdentities"),
        ("IdentifyBody", "previous_mpid"): ref("PreviousMpid"),
        ("ModifyBody", "identity_changes"): {
            "type": "array",
            "items": ref("IdentityChangeBody"),
            "maxItems": MODIFY_CHANGES_MAX,
        },
        ("IdentityChangeBody", "identity_type"): {
            "description": f"`{stamp}` is accepted too where the scope's `modify_device_application_stamp` is on.",
            "enum": sorted(_NAMES.keys() - {stamp}),
        },
        ("IdentityChangeBody", "old_value"): ref("IdentityValueOrNull"),
        ("IdentityChangeBody", "new_value"): ref("IdentityValueOrNull"),
        ("IdentityAnswer", "matched_identities"): {
            "type": "object",
            "description": "The identities of the request that are on the profile: those of devices only if no other "
            "is, or if `return_matches` asks for all.",
            "propertyNames": _TYPES,
            "additionalProperties": ref("IdentityValue"),
        },
        ("IdentityAnswer", "context"): {"type": "null", "description": "Always null; kept for the SDKs."},
        ("IdentityAnswer", "is_ephemeral"): {
            **_FLAG,
            "description": "Whether a client may forget this profile when it changes to another one.",
        },
        ("IdentityAnswer", "is_logged_in"): {**_FLAG, "description": "Whether the profile is known."},
        ("IdentityAnswer", "mpid"): _MPID,
        ("ModifyAnswer", "mpid"): _MPID,
        ("ModifyResult", "modified_mpid"): _MPID,
        ("ModifyResult", "identity_type"): _TYPES,
        ("SeedBody", "identities"): _seed_identities(),
        ("SeedBody", "mpid"): {
            "anyOf": [_MPID, ref("MpidNumber"), {"type": "null"}],
            "description": "The MPID that the profile keeps; null or missing for a new one.",
        },
        ("ExplainBody", "endpoint"): {"enum": _values(RESOLVING)},
        ("ExplainBody", "known_identities"): ref("AnyIdentities"),
        ("ExplainBody", "previous_mpid"): ref("PreviousMpid"),
    }


def _identities() -> Schema:
    names = [kind.type.value for kind in KINDS]
    spellings = ", ".join(f"`{name}`" for name in sorted(_NAMES.keys() - set(names)))
    either = f" Accepted too, instead of the documented name of the type: {spellings}."
    given = {name: ref("IdentityValueOrNull") for name in names}
    one_each: Schema = {"type": "object", "properties": given, "additionalProperties": False}
    filled: Schema = {"type": "string", "minLength": 1}
    value: Schema = {"maxLength": IDENTITY_VALUE_CHARACTERS_MAX, "pattern": r"^[^\u0000]*$"}
    number: Schema = {"type": "integer", "minimum": MPID_MIN, "maximum": MPID_MAX}
    return {
        "IdentityType": {
            "description": "An identity type by its IDSync name. Of devices: " + ", ".join(sorted(DEVICE_TYPES)) + ".",
            "enum": names,
        },
        "IdentityValue": {
            "type": "string",
            "minLength": 1,
            **value,
            "description": "Compared exactly, to the byte. Lengths count Unicode code points. NUL is refused.",
        },
        "IdentityValueOrNull": {
            "type": ["string", "null"],
            **value,
            "description": "An identity value; null and the empty string say that there is none.",
        },
        "AnyIdentities": {**one_each, "description": f"Identities by type.{either}"},
        "KnownIdentities": {
            **one_each,
            "anyOf": [{"properties": {name: filled}, "required": [name]} for name in names],
            "description": f"Identities by type, at least one of them neither null nor empty.{either}",
        },
        "Mpid": {
            "type": "string",
            "description": "The name of a profile: a signed 64-bit integer other than 0, in decimal.",
            "pattern": _mpid_pattern(),
        },
        "MpidNumber": {
            "description": "An MPID as a number.",
            "anyOf": [
                {"type": "integer", "minimum": MPID_MIN, "maximum": -1},
                {"type": "integer", "minimum": 1, "maximum": MPID_MAX},
            ],
        },
        "PreviousMpid": {
            "description": "The MPID of the previous answer, as a string or number; null, 0 and the empty string say "
            "that there was none. It settles ties and opens nothing.",
            "anyOf": [_MPID, number, {"enum": ["", "0"]}, {"type": "null"}],
        },
    }


def _mpid_pattern() -> str:
    """Return the pattern of a 64-bit decimal that is not 0, as strict as `record.parse_mpid`."""
    limit = str(MPID_MAX)
    below = [
        f"{limit[:place]}[0-{int(digit) - 1}][0-9]{{{len(limit) - place - 1}}}"
        for place, digit in enumerate(limit)
        if digit != "0"
    ]
    shorter = f"[0-9]{{1,{len(limit) - 1}}}"
    return f"^(?!-?0+$)(?:-?(?:{'|'.join([shorter, *below, limit])})|{MPID_MIN})$"


def _seed_identities() -> Schema:
    values: Schema = {"type": "array", "items": ref("IdentityValue"), "maxItems": SEED_VALUES_MAX}
    return {
        "type": "object",
        "description": f"Values by type, {SEED_VALUES_MAX} in all at most.",
        "properties": dict.fromkeys(sorted(_NAMES), values),
        "additionalProperties": False,
    }


def _profiles() -> Schema:
    values: Schema = {
        "type": "object",
        "propertyNames": _TYPES,
        "additionalProperties": {"type": "array", "items": ref("IdentityValue"), "minItems": 1},
    }
    return {
        "Profile": _object(
            "A profile and its identity record.",
            mpid=_MPID,
            scope=_TEXT,
            environment={"enum": [*_values(Environment), EnvironmentPools.SHARED.value]},
            known={**_FLAG, "description": "Whether the record holds a login ID."},
            orphan={**_FLAG, "description": "Whether nothing leads to the profile any more."},
            created_at=_TIME,
            last_active_at=_TIME,
            source_mpid={**_MPID_OR_NULL, "description": "The anonymous profile it is linked from."},
            identities={**values, "description": "The identity record: what the profile can be looked up by."},
            carried_identities={**values, "description": "What it knows besides, outside the priority."},
        ),
        "HistoryItem": _object(
            "One identity added to, removed from or moved to or from a profile.",
            at=_TIME,
            decision_id=DECISION_ID,
            change=_enum(ChangeKind),
            type=_TYPES,
            value=ref("IdentityValue"),
            from_mpid={**_MPID_OR_NULL, "description": "The profile that lost a moved value."},
            to_mpid={**_MPID_OR_NULL, "description": "The profile that got a moved value."},
        ),
        "History": _object(
            "A page of a profile's history, oldest first. A page can hold more items than `limit`: it counts decisions.",
            items={"type": "array", "items": ref("HistoryItem")},
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Where the next page starts; null at the end."},
        ),
    }


def _receipts() -> Schema:
    mpids: Schema = {"type": "array", "items": _MPID}
    identity: Schema = {"type": _TYPES, "value": ref("IdentityValue")}
    rejection = _object("", mpid=_MPID, guard=_enum(Guard))
    return {
        "LookupStep": _object(
            "One type looked up: who holds the value, who was rejected by which guard, and who was left.",
            **identity,
            candidates=mpids,
            rejected={"type": "array", "items": rejection},
            more={**_FLAG, "description": "Whether the value sits on more profiles than a lookup considers."},
            effect=_enum(LookupEffect),
            left=mpids,
        ),
        "Change": _object(
            "One identity added to, removed from or moved to a profile.",
            change=_enum(ChangeKind),
            **identity,
            mpid=_NEW_MPID,
            from_mpid=_MPID_OR_NULL,
        ),
        "Skipped": _object(
            "An identity of the request that the profile did not get.",
            **identity,
            why=_enum(Skip),
            holder=_MPID_OR_NULL,
        ),
        "Outcome": {"oneOf": _outcomes()},
        "Receipt": _object(
            "A decision whole: what was asked, what was answered, and the steps from one to the other.",
            decision_id={"anyOf": [DECISION_ID, {"type": "null"}], "description": "Null if it was only explained."},
            at=_TIME,
            scope=_TEXT,
            environment={"enum": _values(Environment)},
            input={**_TEXT, "description": "The input that asked."},
            endpoint=_enum(Endpoint),
            policy_version={"type": "integer", "minimum": 1},
            changed={**_FLAG, "description": "Whether something was, or would be, written because of it."},
            observation={"type": "object", "description": "The request as the log keeps it."},
            outcome=ref("Outcome"),
            receipt=_object(
                "The steps of the decision.",
                policy_version={"type": "integer", "minimum": 1},
                steps={"type": "array", "items": ref("LookupStep"), "maxItems": len(IdentityType)},
                decided_by=_enum(DecidedBy),
                decided_at={"anyOf": [_TYPES, {"type": "null"}]},
            ),
            changes={"type": "array", "items": ref("Change")},
            skipped={"type": "array", "items": ref("Skipped")},
            story=_object(
                "The decision in words.", headline=_TEXT, sentences={"type": "array", "items": {"type": "string"}}
            ),
        ),
    }


def _outcomes() -> list[Schema]:
    """Return the closed set of outcomes, in the order of `core.identity.decision.Outcome`."""
    results: Schema = {"type": "array", "items": ref("ModifyResult")}
    named: Schema = {"mpid": _MPID, "known": _FLAG}
    made: Schema = {"mpid": _NEW_MPID, "known": _FLAG}
    return [
        _object("An existing profile answers.", kind={"const": "returned"}, **named, became_known=_FLAG),
        _object("A new profile answers.", kind={"const": "created"}, **made, source_mpid=_MPID_OR_NULL),
        _object("Nothing can be returned.", kind={"const": "not_found"}),
        _object("The request is refused.", kind={"const": "refused"}, reason=_enum(Refusal), message=_TEXT),
        _object("A modify was carried out.", kind={"const": "modified"}, **named, results=results),
        _object("A profile came over.", kind={"const": "seeded"}, **named),
    ]


def _user_data() -> Schema:
    any_object: Schema = {"type": "object"}
    items: Schema = {"type": "array", "items": any_object}
    section = _object(
        "What one workspace knows of a profile.",
        workspace={"type": "integer"},
        environment={"enum": _values(Environment)},
        first_seen_at=_TIME,
        last_seen_at=_TIME,
        attributes={**any_object, "description": "`{value, at, deleted}` by name."},
        consents=items,
        devices=items,
        attributions=items,
        opted_out={"anyOf": [_FLAG, {"type": "null"}]},
        inputs={**any_object, "description": "When each input last sent something."},
        notes={"type": "array", "items": _TEXT},
    )
    receipt = _object(
        "What became of a batch of events: `kept` on a profile, or `refused` with a reason.",
        receipt_id=DECISION_ID,
        source_request_id={"anyOf": [_TEXT, {"type": "null"}]},
        at=_TIME,
        scope=_TEXT,
        workspace={"type": "integer"},
        environment={"enum": _values(Environment)},
        input=_TEXT,
        channel=_enum(Channel),
        decision_id={"anyOf": [DECISION_ID, {"type": "null"}], "description": "The decision that found the profile."},
        outcome={"enum": ["kept", "refused"]},
        notes={"type": "array", "items": _TEXT, "description": "What was left out or cut."},
    )
    receipt["properties"] |= {
        "mpid": _MPID,
        "profile": {"enum": ["created", "found", "named"]},
        "events": {"type": "integer"},
        "repeated_events": {"type": "integer", "description": "Events that were taken before."},
        "reason": {**_TEXT, "description": "The stable reason code of a refusal."},
        "sentence": _TEXT,
    }
    sections: Schema = {"type": "array", "items": ref("Section")}
    return {
        "Section": section,
        "Sections": _object("What each workspace knows of a profile.", mpid=_MPID, items=sections),
        "Events": _object(
            "Batches of events as they were sent.",
            items=items,
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null at the end."},
        ),
        "BatchReceipt": receipt,
        "Alias": _object(
            "What became of an alias request.",
            request_id=_TEXT,
            workspace={"type": "integer"},
            environment={"enum": _values(Environment)},
            state={"enum": ["done", "queued", "rejected"]},
            reason={"anyOf": [_TEXT, {"type": "null"}], "description": "The stable reason code of a rejection."},
            message={"anyOf": [_TEXT, {"type": "null"}]},
            source_mpid=_MPID,
            destination_mpid=_MPID,
            start=_TIME,
            end=_TIME,
            device_application_stamp={"anyOf": [_TEXT, {"type": "null"}]},
            requested_at=_TIME,
            due_at=_TIME,
            settled_at={"anyOf": [_TIME, {"type": "null"}]},
        ),
        "Retention": _object(
            "For how long things are kept, what is too old now, and what the last run did.",
            settings=any_object,
            now=any_object,
            last_run={"anyOf": [any_object, {"type": "null"}]},
        ),
        "BatchReceipts": _object("Receipts, newest first.", items={"type": "array", "items": ref("BatchReceipt")}),
    }


def _errors() -> Schema:
    error = _object(
        "",
        code={"enum": [BAD_REQUEST, INTERNAL_ERROR, LOOKUP_ERROR, NOT_FOUND_ERROR, VALIDATION_ERROR]},
        message=_TEXT,
        reason={**_TEXT, "description": "The stable reason code; also in the header X-Refusal-Reason."},
    )
    one: Schema = {"type": "array", "items": error, "minItems": 1, "maxItems": 1}
    identity = _object(
        "A refusal of IDSync. The capitalised members repeat it the way the SDKs read it, unless the scope's "
        "`error_body` says `documented_only`.",
        errors=one,
    )
    identity["properties"] |= {
        "Errors": one,
        "ErrorCode": error["properties"]["code"],
        "StatusCode": {"type": "integer"},
        "RequestId": {**_TEXT, "description": "The decision's id; empty if there was no decision."},
    }
    own = _object("", code={**_TEXT, "description": "The stable reason code."}, message=_TEXT)
    own["properties"] |= {
        "allowed": {"type": "array", "items": {"type": "string"}, "description": "What could have been given."},
        "see": {"type": "string", "description": "Where to read on."},
    }
    return {"IdentityError": identity, "Error": _object("A refusal: a stable code and a sentence.", error=own)}


def _object(description: str, **members: Schema) -> Schema:
    """Return the schema of an object that has all of these members."""
    schema: Schema = {"type": "object", "properties": members, "required": list(members)}
    return {"description": description, **schema} if description else schema


def _values(values: Iterable[StrEnum]) -> list[str]:
    return sorted(one.value for one in values)


def _enum(values: type[StrEnum]) -> Schema:
    return {"enum": _values(values), "description": inspect.getdoc(values) or ""}


def with_codes(name: str, path: Iterable[str], codes: Iterable[str]) -> Schema:
    """Return an error schema narrowed to some reason codes; `path` leads to the member that holds the code."""
    narrowed: Schema = {"enum": sorted(codes)}
    for step in reversed(list(path)):
        narrowed = {"items": narrowed} if step == "[]" else {"properties": {step: narrowed}}
    return {"allOf": [ref(name), narrowed]}
