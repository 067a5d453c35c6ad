"""Describes the bodies of the vendor-compatible surfaces beside IDSync: events, tokens, profiles, aliases, seeds."""

from typing import Final

from knownas.api.alias import ALIAS_ERROR, INVALID_DATA
from knownas.api.limits import BATCH_BYTES_MAX, BATCHES_A_REQUEST_MAX, EVENTS_A_BATCH_MAX, REQUEST_ID_CHARACTERS_MAX
from knownas.api.profile_wire import ProfileField
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR
from knownas.api.schema_parts import (
    FLAG,
    MPID,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
    values_of,
)
from knownas.api.schemas_opendsr import opendsr_schemas
from knownas.api.seeding_wire import SEEDS_A_USER_MAX, USERS_A_REQUEST_MAX
from knownas.api.token import CLIENT_CREDENTIALS, FIELD_CHARACTERS_MAX, FIELDS_MAX
from knownas.config.calculated import CustomEventType, EventType
from knownas.core.identity.kinds import Surface, types_named_on
from knownas.core.identity.observation import Environment
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX
from knownas.core.profile.conditions import ConditionType, Operator
from knownas.core.profile.definition import AttributeCategory
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import WindowUnit
from knownas.service.security.tokens import AUDIENCE, ISSUER, LIFETIME_SECONDS

_NOTHING: Final[Schema] = {"type": "null"}
_OBJECT_OR_NULL: Final[Schema] = {"type": ["object", "null"]}
_ENVIRONMENTS: Final = values_of(Environment)
_MS: Final[Schema] = {"type": "integer"}
_MS_OR_NULL: Final[Schema] = {"type": ["integer", "null"], "description": "Unix milliseconds."}
_USER: Final[Schema] = {
    "anyOf": [MPID, ref("MpidNumber"), {"enum": ["", "0", 0]}, _NOTHING],
    "description": "The MPID; 0, null and the empty string say that there is none.",
}


def vendor_schemas() -> Schema:
    """Return the named schemas."""
    return {
        **_batch(),
        **_token(),
        **_profile(),
        **_alias(),
        **_seeding(),
        **_web(),
        **_calculated(),
        **opendsr_schemas(),
        **_errors(),
    }


def _batch() -> Schema:
    event: Schema = {
        "description": "One event. What it says is kept as it is; `data` may be nested 50 deep.",
        "type": "object",
        "properties": {
            "event_type": {"type": "string", "minLength": 1},
            "data": {
                **_OBJECT_OR_NULL,
                "description": "`timestamp_unixtime_ms` says when it was, `source_message_id` which event it is.",
            },
        },
        "required": ["event_type"],
    }
    id_text: Schema = {"type": "string", "maxLength": REQUEST_ID_CHARACTERS_MAX, "pattern": r"^[^\u0000]*$"}
    members: Schema = {
        "environment": {"enum": [*_ENVIRONMENTS, None], "description": "production if it is not given."},
        "events": {"type": ["array", "null"], "items": ref("Event"), "maxItems": EVENTS_A_BATCH_MAX},
        "source_request_id": {
            "anyOf": [id_text, {"type": "integer"}, _NOTHING],
            "description": "The sender's id of the batch: a second batch with it changes nothing.",
        },
        "mpid": {**_USER, "description": "The profile that it is about; the identities then find none."},
        "user_identities": {
            "type": ["object", "array", "null"],
            "description": "Values by type, in the names of the Events API; or a list of `{identity_type, identity}`.",
        },
        "device_info": {**_OBJECT_OR_NULL, "description": "Identities of the device, and facts about it."},
        "mp_deviceid": {"description": "The device application stamp: a text."},
        "user_attributes": {**_OBJECT_OR_NULL, "description": "Scalars and lists of scalars by name."},
        "deleted_user_attributes": {"type": ["array", "null"], "description": "Names of attributes to forget."},
        "consent_state": {**_OBJECT_OR_NULL, "description": "`{gdpr|ccpa: {purpose: {consented, …}}}`."},
        "attribution_info": {**_OBJECT_OR_NULL, "description": "`{service_provider, publisher, campaign}`, all three."},
        "batch_id": {"description": "The vendor's id of a batch that is sent again; one that is known is a repeat."},
    }
    told = f"Events of one user. At most {BATCH_BYTES_MAX:,} bytes. Other members are passed over."
    return {
        "Event": event,
        "Batch": {"description": told, "type": "object", "properties": members},
        "Batches": {
            "description": "Batches, each decided by itself: one that can't be taken is kept as refused.",
            "type": "array",
            "items": {"description": "A Batch."},
            "maxItems": BATCHES_A_REQUEST_MAX,
        },
    }


def _token() -> Schema:
    field: Schema = {"type": "string", "minLength": 1, "maxLength": FIELD_CHARACTERS_MAX}
    key = object_of("A public key, as RFC 7517 writes it.", kty=TEXT, crv=TEXT, x=TEXT, y=TEXT, kid=TEXT)
    request = object_of(
        "Who asks for a token, by the client credentials of OAuth 2.",
        client_id=field,
        client_secret=field,
        audience={"enum": [AUDIENCE], "description": "This, or the address at which the server is asked."},
        grant_type={"enum": [CLIENT_CREDENTIALS]},
    )
    form = request | {"description": "The same as a form.", "additionalProperties": TEXT, "maxProperties": FIELDS_MAX}
    return {
        "TokenRequest": request,
        "TokenForm": form,
        "Token": object_of(
            "A token.",
            access_token={**TEXT, "description": "A JWT, signed with ES256."},
            expires_in={"const": LIFETIME_SECONDS, "description": "For how many seconds it is good."},
            token_type={"const": "Bearer"},
        ),
        "Keys": object_of("The keys that verify tokens.", keys=list_of(key)),
        "Discovery": object_of(
            "Where tokens are issued. The addresses are those by which the server was asked.",
            issuer={"const": ISSUER, "description": "The `iss` of every token."},
            token_endpoint=TEXT,
            jwks_uri=TEXT,
            **dict.fromkeys(
                (
                    "grant_types_supported",
                    "response_types_supported",
                    "subject_types_supported",
                    "id_token_signing_alg_values_supported",
                    "token_endpoint_auth_methods_supported",
                ),
                list_of(TEXT),
            ),
        ),
    }


def _profile() -> Schema:
    listed = list_of(object_of("", type=TEXT, encoding={"const": "none"}, value=TEXT))
    answer = object_of(
        "What the workspace knows of the user. The other members are there if `fields` names them.",
        mpid={"type": "integer", "description": "A 64-bit number; read it with a parser that keeps all digits."},
        created_timestamp_ms=_MS,
        last_stored_timestamp_ms=_MS,
        is_opted_out=FLAG,
        limit_ad_tracking={"type": ["boolean", "null"]},
        account_userattributes=_NOTHING,
    )
    answer["properties"] |= {
        ProfileField.DEVICE_IDENTITIES.value: listed,
        ProfileField.USER_IDENTITIES.value: listed,
        ProfileField.USER_ATTRIBUTES.value: {**OBJECT, "description": "Texts, and lists of texts, by name."},
        ProfileField.AUDIENCE_MEMBERSHIPS.value: list_of(
            object_of(
                "",
                audience_id={"type": "integer", "minimum": 1},
                audience_name=TEXT,
                expiration_timestamp_ms={**_MS, "type": ["integer", "null"]},
            )
        ),
        ProfileField.ATTRIBUTION.value: list_of(object_of("", publisher=TEXT, campaign=TEXT, timestamp_ms=_MS)),
        ProfileField.CONSENT_STATE.value: {**OBJECT, "description": "As events bring it."},
    }
    identity = object_of(
        "An identity of an immutable type of the scope.",
        type={"enum": sorted(types_named_on(Surface.PROFILE))},
        value=ref("IdentityValue"),
    )
    body = object_of("Whose profile is asked for.", identity=identity)
    body["properties"]["environment_type"] = {"enum": [*_ENVIRONMENTS, None]}
    return {"UserProfile": answer, "ResolveBody": body}


def _alias() -> Schema:
    mpid: Schema = {"anyOf": [MPID, ref("MpidNumber")]}
    data = object_of("What is to be aliased.", source_mpid=mpid, destination_mpid=mpid)
    data["properties"] |= {
        "start_unixtime_ms": {**_MS_OR_NULL, "description": "The oldest time allowed if it is not given."},
        "end_unixtime_ms": {**_MS_OR_NULL, "description": "Now, if it is not given."},
        "scope": {"enum": ["device", "mpid", None], "description": "mpid: of all devices, whatever the stamp."},
        "device_application_stamp": {
            "anyOf": [ref("IdentityValueOrNull")],
            "description": "Only the events of this device; without it those of all.",
        },
    }
    body = object_of(
        "Give the destination the source's past.",
        request_id={"type": "string", "pattern": f"^[A-Za-z0-9._:-]{{1,{ALIAS_ID_CHARACTERS_MAX}}}$"},
        environment={"enum": _ENVIRONMENTS},
        data=data,
    )
    body["properties"]["request_type"] = {"enum": ["alias", None]}
    return {"AliasBody": body}


def _seeding() -> Schema:
    seed = object_of("A seed for one calculated attribute.", attribute_name=TEXT, calculation_type=TEXT)
    seed["properties"] |= {
        "cutoff_date": {**TEXT, "description": "The one of the attribute's definition."},
        "seed": {**OBJECT, "description": "One of `value`, `list`, `key_value_pairs`, by the calculation type."},
    }
    seed["required"] += ["cutoff_date", "seed"]
    attribute = object_of("A user attribute to set.", attribute_name=TEXT, attribute_value={})
    body = object_of(
        "One user's seeds. `mpid` or `identities` says who it is, and there is at least one seed or attribute.",
        environment={"enum": _ENVIRONMENTS},
    )
    identities: Schema = {"type": ["object", "null"], "additionalProperties": TEXT_OR_NULL}
    body["properties"] |= {
        "mpid": _USER,
        "identities": {**identities, "description": "Values by type, in the names of events or profiles."},
        "calculated_attributes": _of_workspace(seed),
        "user_attributes": _of_workspace(attribute),
    }
    return {
        "SeedingBody": body,
        "SeedingBodies": {"type": "array", "items": ref("SeedingBody"), "maxItems": USERS_A_REQUEST_MAX},
    }


def _of_workspace(items: Schema) -> Schema:
    listed: Schema = {"type": "array", "items": items, "maxItems": SEEDS_A_USER_MAX}
    return {"type": "object", "properties": {"workspace": listed}}


def _web() -> Schema:
    return {
        "WebConfig": object_of(
            "The configuration of the web SDK.",
            appName=TEXT,
            minWebviewBridgeVersion={"type": "integer"},
            workspaceToken=TEXT,
            kitConfigs={"type": "array", "maxItems": 0},
            pixelConfigs={"type": "array", "maxItems": 0},
            flags={"type": "object", "additionalProperties": {"type": ["string", "boolean"]}},
            dataPlanResult=OBJECT,
        ),
        "Audiences": object_of(
            "The audiences that a user is in.",
            dt={"const": "cam"},
            ct=_MS,
            id=MPID,
            audience_memberships=list_of(object_of("", audience_id={"type": "integer", "minimum": 1})),
        ),
        "PlatformAnswer": object_of("What is configured.", data=list_of(OBJECT), dataType=TEXT, errors=_NOTHING),
    }


def _definition() -> Schema:
    point = object_of(
        "Which events count.",
        type={"const": "event"},
        event_name=TEXT_OR_NULL,
        attribute_name=TEXT_OR_NULL,
        event_type={"enum": values_of(EventType)},
        custom_event_type={"enum": [*values_of(CustomEventType), None]},
        attribute_category=enum_of(AttributeCategory),
        use_product_quantity=FLAG,
    )
    condition = object_of(
        "",
        type=enum_of(ConditionType),
        operator=enum_of(Operator),
        attribute_name=TEXT,
        value=TEXT_OR_NULL,
        values={"type": ["array", "null"], "items": TEXT},
        min_value=TEXT_OR_NULL,
        max_value=TEXT_OR_NULL,
    )
    period = object_of(
        "From when on events count: since a day, or within the last days or weeks.",
        type={"enum": ["since", "within"]},
        date=TEXT_OR_NULL,
        within={"type": ["integer", "null"]},
        within_unit={"enum": [*WindowUnit, None]},
    )
    seeding = object_of("Opens it to seeds.", cutoff_date=TEXT)
    return object_of(
        "How a calculated attribute is computed.",
        recipe_type={"const": "event"},
        datapoint=point,
        conditions=list_of(condition),
        calculation_type=enum_of(CalculationType),
        time_period={"anyOf": [period, _NOTHING]},
        seeding={"anyOf": [seeding, _NOTHING]},
    )


def _calculated() -> Schema:
    number: Schema = {"type": "integer", "minimum": 0}
    unset: Schema = {**_NOTHING, "description": "The configuration does not say."}
    by_id: Schema = {**number, "description": "Made from the name, and the same as long as that is."}
    return {
        "CalculatedAttributeDefinition": _definition(),
        "CalculatedAttribute": object_of(
            "A calculated attribute of a workspace, as the configuration defines it.",
            id=by_id,
            name=TEXT,
            description=unset,
            created_by=unset,
            created_on=unset,
            last_modified_on=unset,
            last_modified_by=unset,
            active_definition=ref("CalculatedAttributeDefinition"),
            draft_definition={**_NOTHING, "description": "There are no drafts."},
            audience_count=number,
            activated_on=unset,
            activated_by=unset,
        ),
        "CalculatedAttributeActivation": object_of(
            "What is defined is active.",
            calculated_attribute_id=by_id,
            is_active={"const": True},
            activated_on=unset,
            activated_by=unset,
        ),
        "CalculatedAttributeCalculation": object_of(
            "Events of before are not looked at, so there is nothing to wait for.",
            id=by_id,
            name=TEXT,
            revision_id={**number, "description": "Another one after each change of what decides the value."},
            is_calculated={"const": True},
            calculation_percent_complete={"const": 100},
            estimated_completion_time=_NOTHING,
        ),
    }


def _errors() -> Schema:
    reason: Schema = {**TEXT, "description": "The stable reason code; also in the header X-Refusal-Reason."}
    code: Schema = {**TEXT, "description": "The vendor's code."}
    errors = list_of(object_of("", code=code, message=TEXT, reason=reason)) | {"minItems": 1}
    alias_code: Schema = {"enum": sorted([ALIAS_ERROR, BAD_REQUEST, INTERNAL_ERROR, INVALID_DATA])}
    return {
        "VendorError": object_of("A refusal. Only seeding tells several errors at once.", errors=errors),
        "AliasError": object_of("A refusal.", message=TEXT, code=alias_code, reason=reason),
        "TokenError": object_of("A refusal, as OAuth 2 has it.", error=TEXT, error_description=TEXT, reason=reason),
        "PlatformError": object_of("A refusal.", data=_NOTHING, dataType=TEXT_OR_NULL, errors=errors),
    }
