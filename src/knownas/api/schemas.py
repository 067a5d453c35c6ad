"""Describes every body of IDSync and of our own API as JSON Schema, from the types that decode and encode them.

The structs say which members there are; what they can't say (the spellings of the identity types, lengths, ranges)
is refined here from the same constants that the decoders use.
"""

from typing import Final

import msgspec

from knownas.api.connection_wire import ConnectionBody, ErasuresBody, InputConnectionBody, connection_schemas
from knownas.api.group_wire import GroupBody
from knownas.api.limits import SEED_VALUES_MAX
from knownas.api.own import ExplainBody, SeedBody
from knownas.api.own_audiences import AudienceBody, AudiencePreviewBody
from knownas.api.own_jobs import RehearsalBody
from knownas.api.own_letting_in import LetInBody
from knownas.api.own_outputs import ChangedOutputBody, OutputBody
from knownas.api.own_policy import PolicyBody
from knownas.api.own_privacy import PreviewBody
from knownas.api.own_toxic import ToxicBody
from knownas.api.own_undo import UndoBody
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR, LOOKUP_ERROR, NOT_FOUND_ERROR, VALIDATION_ERROR
from knownas.api.schema_parts import (
    CURSOR,
    DECISION_ID,
    FLAG,
    MPID,
    MPID_OR_NULL,
    NEW_MPID,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TYPES,
    Schema,
    enum_of,
    object_of,
    ref,
    values_of,
)
from knownas.api.schemas_activation import activation_schemas
from knownas.api.schemas_definition import DEFINITION, definition_schemas
from knownas.api.schemas_evidence import evidence_schemas
from knownas.api.schemas_health import health_schemas
from knownas.api.schemas_identity_changes import identity_change_schemas
from knownas.api.schemas_jobs import job_schemas, policy_schemas
from knownas.api.schemas_live import live_schemas
from knownas.api.schemas_privacy import preview_body, privacy_schemas
from knownas.api.schemas_toxic import toxic_schemas
from knownas.api.schemas_user_data import user_data_schemas
from knownas.api.schemas_vendor import vendor_schemas
from knownas.api.wire import IdentifyBody, IdentityAnswer, ModifyAnswer, ModifyBody
from knownas.core.history.counterfactual import CASES_MAX, HadBeen, Over
from knownas.core.history.document import PREVIOUS_MPID
from knownas.core.history.recollection import Untold
from knownas.core.identity.decision import ChangeKind, DecidedBy, Guard, LookupEffect, Refusal, Skip
from knownas.core.identity.kinds import DEVICE_TYPES, KINDS, IdentityType, Surface, types_named_on
from knownas.core.identity.observation import RESOLVING, Endpoint, Environment
from knownas.core.identity.policy import EnvironmentPools
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX, MODIFY_CHANGES_MAX
from knownas.service.limits import MOVES_TOLD_MAX, POLICY_NOTE_CHARACTERS_MAX

_NAMES: Final = types_named_on(Surface.IDSYNC)
_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}


def component_schemas() -> Schema:
    """Return all named schemas."""
    bodies = [
        IdentifyBody,
        ModifyBody,
        IdentityAnswer,
        ModifyAnswer,
        SeedBody,
        ExplainBody,
        UndoBody,
        PolicyBody,
        RehearsalBody,
        ToxicBody,
        LetInBody,
        PreviewBody,
        AudienceBody,
        GroupBody,
        AudiencePreviewBody,
        ConnectionBody,
        InputConnectionBody,
        ErasuresBody,
        OutputBody,
        ChangedOutputBody,
    ]
    _, made = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schemas: Schema = {
        **made,
        **_identities(),
        **_receipts(),
        "Undone": _undone(),
        **toxic_schemas(),
        **health_schemas(),
        **_moved_data(),
        **_profiles(),
        **job_schemas(),
        **policy_schemas(),
        **evidence_schemas(),
        **user_data_schemas(),
        **privacy_schemas(),
        **vendor_schemas(),
        **activation_schemas(),
        **definition_schemas(),
        **connection_schemas(),
        **_errors(),
    }
    schemas["PreviewBody"] = preview_body(schemas["PreviewBody"])
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
            "propertyNames": TYPES,
            "additionalProperties": ref("IdentityValue"),
        },
        ("IdentityAnswer", "context"): {"type": "null", "description": "Always null; kept for the SDKs."},
        ("IdentityAnswer", "is_ephemeral"): {
            **FLAG,
            "description": "Whether a client may forget this profile when it changes to another one.",
        },
        ("IdentityAnswer", "is_logged_in"): {**FLAG, "description": "Whether the profile is known."},
        ("IdentityAnswer", "mpid"): MPID,
        ("ModifyAnswer", "mpid"): MPID,
        ("ModifyResult", "modified_mpid"): MPID,
        ("ModifyResult", "identity_type"): TYPES,
        ("SeedBody", "identities"): _seed_identities(),
        ("SeedBody", "mpid"): {
            "anyOf": [MPID, ref("MpidNumber"), {"type": "null"}],
            "description": "The MPID that the profile keeps; null or missing for a new one.",
        },
        ("ToxicBody", "type"): TYPES,
        ("ToxicBody", "value"): ref("IdentityValue"),
        ("LetInBody", "type"): TYPES,
        ("LetInBody", "value"): ref("IdentityValue"),
        ("UndoneIdentity", "type"): TYPES,
        ("UndoneIdentity", "value"): ref("IdentityValue"),
        ("RehearsalBody", "policy"): ref("Policy"),
        ("PolicyBody", "policy"): ref("Policy"),
        ("PolicyBody", "note"): {"type": "string", "maxLength": POLICY_NOTE_CHARACTERS_MAX},
        ("AudienceBody", "definition"): ref(DEFINITION),
        ("AudiencePreviewBody", "definition"): ref(DEFINITION),
        **{
            (name, "erasures"): {"anyOf": [ref("ErasuresBody"), {"type": "null"}]}
            for name in ("OutputBody", "ChangedOutputBody")
        },
        ("ExplainBody", "endpoint"): {"enum": values_of(RESOLVING)},
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
            "anyOf": [MPID, number, {"enum": ["", "0"]}, {"type": "null"}],
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
        "propertyNames": TYPES,
        "additionalProperties": {"type": "array", "items": ref("IdentityValue"), "minItems": 1},
    }
    return {
        "Profile": object_of(
            "A profile and its identity record.",
            mpid=MPID,
            scope=TEXT,
            environment={"enum": [*values_of(Environment), EnvironmentPools.SHARED.value]},
            known={**FLAG, "description": "Whether the record holds a login ID."},
            orphan={**FLAG, "description": "Whether nothing leads to the profile any more."},
            created_at=TIME,
            last_active_at=TIME,
            source_mpid={**MPID_OR_NULL, "description": "The anonymous profile it is linked from."},
            leads_to={
                **MPID_OR_NULL,
                "description": "Of a profile that would never have been made, after a decision was taken back: who answers for "
                "it now.",
            },
            identities={**values, "description": "The identity record: what the profile can be looked up by."},
            carried_identities={**values, "description": "What it knows besides, outside the priority."},
        ),
        "HistoryItem": object_of(
            "One identity added to, removed from or moved to or from a profile.",
            at=TIME,
            decision_id=DECISION_ID,
            change=enum_of(ChangeKind),
            type=TYPES,
            value=ref("IdentityValue"),
            from_mpid={**MPID_OR_NULL, "description": "The profile that lost a moved value."},
            to_mpid={**MPID_OR_NULL, "description": "The profile that got a moved value."},
        ),
        "History": object_of(
            "A page of a profile's history, oldest first. A page can hold more items than `limit`: it counts decisions.",
            items={"type": "array", "items": ref("HistoryItem")},
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Where the next page starts; null at the end."},
        ),
        **identity_change_schemas(),
        **live_schemas(),
    }


def _receipts() -> Schema:
    mpids: Schema = {"type": "array", "items": MPID}
    identity: Schema = {"type": TYPES, "value": ref("IdentityValue")}
    rejection = object_of("", mpid=MPID, guard=enum_of(Guard))
    return {
        "LookupStep": object_of(
            "One type looked up: who holds the value, who was rejected by which guard, and who was left.",
            **identity,
            candidates=mpids,
            rejected={"type": "array", "items": rejection},
            more={**FLAG, "description": "Whether the value sits on more profiles than a lookup considers."},
            effect=enum_of(LookupEffect),
            left=mpids,
        ),
        "Change": object_of(
            "One identity added to, removed from or moved to a profile.",
            change=enum_of(ChangeKind),
            **identity,
            mpid=NEW_MPID,
            from_mpid=MPID_OR_NULL,
        ),
        "Skipped": object_of(
            "An identity of the request that the profile did not get.",
            **identity,
            why=enum_of(Skip),
            holder=MPID_OR_NULL,
        ),
        "Outcome": {"oneOf": _outcomes()},
        "Receipt": object_of(
            "A decision whole: what was asked, what was answered, and the steps from one to the other.",
            decision_id={"anyOf": [DECISION_ID, {"type": "null"}], "description": "Null if it was only explained."},
            at=TIME,
            scope=TEXT,
            environment={"enum": values_of(Environment)},
            input={**TEXT, "description": "The input that asked."},
            endpoint=enum_of(Endpoint),
            policy_version={"type": "integer", "minimum": 1},
            changed={**FLAG, "description": "Whether something was, or would be, written because of it."},
            observation={"type": "object", "description": "The request as the log keeps it."},
            outcome=ref("Outcome"),
            receipt=object_of(
                "The steps of the decision.",
                policy_version={"type": "integer", "minimum": 1},
                steps={"type": "array", "items": ref("LookupStep"), "maxItems": len(IdentityType)},
                decided_by=enum_of(DecidedBy),
                decided_at={"anyOf": [TYPES, {"type": "null"}]},
            ),
            changes={"type": "array", "items": ref("Change")},
            skipped={"type": "array", "items": ref("Skipped")},
            counterfactual=ref("Counterfactual"),
            story=object_of(
                "The decision in words.",
                headline=TEXT,
                sentences={**_TEXTS, "description": "What was looked up, and what came of it."},
                counterfactual={**_TEXTS, "description": "Which single identity decided, if any did."},
            ),
        ),
        **_counterfactuals(),
    }


def _counterfactuals() -> Schema:
    nothing: Schema = {"type": "null"}
    outcome = ref("Outcome")
    case = object_of(
        "What would have been answered, had one identity been absent, or another.",
        type={
            "anyOf": [TYPES, {"const": PREVIOUS_MPID}],
            "description": "`previous_mpid` is the client's, not a type.",
        },
        value=TEXT,
        had_been=enum_of(HadBeen),
        changes_answer={
            "type": ["boolean", "null"],
            "description": "Whether another profile would have answered, or none, or another kind of profile would have "
            "been made; null if that is open.",
        },
        answer={"anyOf": [outcome, nothing], "description": "Null if it is not told, or one of several."},
        possible={"type": "array", "items": outcome, "description": "All it can be, if it is one of several."},
        untold={"anyOf": [enum_of(Untold), nothing], "description": "Why it is not told."},
        sentence=TEXT,
    )
    return {
        "CounterfactualCase": case,
        "Counterfactual": object_of(
            "What would have been answered instead, for each single identity of the request, and for its previous MPID.",
            over={
                "anyOf": [enum_of(Over), nothing],
                "description": "Which records this is decided over; null if none.",
            },
            untold={"anyOf": [enum_of(Untold), nothing], "description": "Why there are no cases."},
            cases={"type": "array", "items": ref("CounterfactualCase"), "maxItems": CASES_MAX},
        ),
    }


def _undone() -> Schema:
    decision: Schema = {
        "anyOf": [DECISION_ID, {"type": "null"}],
        "description": "The decision that took it back, which can be taken back too; null for a preview.",
    }
    changed: Schema = {
        "type": "array",
        "items": MPID,
        "description": "The profiles that are others than before, new, or gone.",
    }
    return object_of(
        "What taking a decision back changes.",
        decision_id=decision,
        changed=changed,
        moved={"type": "array", "items": ref("MovedData"), "maxItems": MOVES_TOLD_MAX},
        left={"type": "array", "items": ref("LeftData"), "maxItems": MOVES_TOLD_MAX},
        more={"type": "boolean", "description": "Whether more was moved, or left, than is named."},
    )


def _moved_data() -> dict[str, Schema]:
    count: Schema = {"type": "integer", "minimum": 0}
    where: dict[str, Schema] = {"workspace": {"type": "integer"}, "environment": {"enum": values_of(Environment)}}
    return {
        "MovedData": object_of(
            "Batches that are another profile's now. `from_mpid` null: they count again; `to_mpid` null: they don't any more.",
            **where,
            from_mpid=MPID_OR_NULL,
            to_mpid=MPID_OR_NULL,
            batches=count,
            events=count,
        ),
        "LeftData": object_of(
            "What stayed in a section that batches have left: no batch that is kept says where it came from.",
            **where,
            mpid=MPID,
            what={"type": "array", "items": {"type": "string"}},
        ),
    }


def _outcomes() -> list[Schema]:
    """Return the closed set of outcomes, in the order of `core.identity.decision.Outcome`."""
    results: Schema = {"type": "array", "items": ref("ModifyResult")}
    named: Schema = {"mpid": MPID, "known": FLAG}
    made: Schema = {"mpid": NEW_MPID, "known": FLAG}
    return [
        object_of("An existing profile answers.", kind={"const": "returned"}, **named, became_known=FLAG),
        object_of("A new profile answers.", kind={"const": "created"}, **made, source_mpid=MPID_OR_NULL),
        object_of("Nothing can be returned.", kind={"const": "not_found"}),
        object_of("The request is refused.", kind={"const": "refused"}, reason=enum_of(Refusal), message=TEXT),
        object_of("A modify was carried out.", kind={"const": "modified"}, **named, results=results),
        object_of("A profile came over.", kind={"const": "seeded"}, **named),
        object_of("The history was corrected.", kind={"const": "corrected"}, mpids={"type": "array", "items": MPID}),
    ]


def _errors() -> Schema:
    error = object_of(
        "",
        code={"enum": [BAD_REQUEST, INTERNAL_ERROR, LOOKUP_ERROR, NOT_FOUND_ERROR, VALIDATION_ERROR]},
        message=TEXT,
        reason={**TEXT, "description": "The stable reason code; also in the header X-Refusal-Reason."},
    )
    one: Schema = {"type": "array", "items": error, "minItems": 1, "maxItems": 1}
    identity = object_of(
        "A refusal of IDSync. The capitalised members repeat it the way the SDKs read it, unless the scope's "
        "`error_body` says `documented_only`.",
        errors=one,
    )
    identity["properties"] |= {
        "Errors": one,
        "ErrorCode": error["properties"]["code"],
        "StatusCode": {"type": "integer"},
        "RequestId": {**TEXT_OR_NULL, "description": "The decision's id; null if there was no decision."},
    }
    own = object_of("", code={**TEXT, "description": "The stable reason code."}, message=TEXT)
    own["properties"] |= {
        "allowed": {"type": "array", "items": {"type": "string"}, "description": "What could have been given."},
        "see": {"type": "string", "description": "Where to read on."},
        "faults": {
            "type": "array",
            "items": {
                "anyOf": [
                    object_of("Of a policy.", path=TEXT, message=TEXT, allowed=TEXT_OR_NULL),
                    object_of("Of another document; `place` is a JSON pointer.", place=TEXT, message=TEXT),
                ]
            },
            "description": "All that is wrong with a document.",
        },
    }
    return {"IdentityError": identity, "Error": object_of("A refusal: a stable code and a sentence.", error=own)}
