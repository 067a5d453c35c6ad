"""The open partner protocol as schemas that forbid everything they don't name, and a partner that answers by it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

from tests.outputs.receiving import Answering, Received, answering

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
INTEGER: Final[Schema] = {"type": "integer"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
USER_TYPES: Final = [
    "other", "customer", "facebook", "twitter", "google", "microsoft", "yahoo", "email", "other2", "other3", "other4", "other5",
    "other6", "other7", "other8", "other9", "other10", "mobile_number", "phone_number_2", "phone_number_3",
]  # fmt: skip
DEVICE_TYPES: Final = [
    "android_id", "google_advertising_id", "ios_advertising_id", "ios_vendor_id", "google_cloud_messaging_token",
    "apple_push_notification_token", "roku_advertising_id", "microsoft_advertising_id", "microsoft_publisher_id",
    "fire_advertising_id", "roku_publisher_id",
]  # fmt: skip
DSR_TYPES: Final = [
    "controller_customer_id", "android_advertising_id", "android_id", "email", "fire_advertising_id", "ios_advertising_id",
    "ios_vendor_id", "microsoft_advertising_id", "microsoft_publisher_id", "roku_publisher_id", "roku_advertising_id",
]  # fmt: skip
ENCODINGS: Final = ["raw", "md5", "sha1", "sha256"]


def closed(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object that has some members, may have others, and has nothing else."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def listed(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def one_of(*words: str) -> Schema:
    """Return the schema of a word of several."""
    return {"enum": list(words)}


def identity(types: Sequence[str]) -> Schema:
    """Return the schema of an identity."""
    return closed({"type": one_of(*types), "encoding": one_of(*ENCODINGS), "value": TEXT})


PARTNER_IDENTITY: Final = closed({"type": TEXT, "encoding": one_of(*ENCODINGS), "value": TEXT})
ACCOUNT: Final = closed({"account_id": INTEGER, "account_settings": TEXTS})
AUDIENCE: Final = closed(
    {
        "audience_id": INTEGER,
        "audience_name": TEXT,
        "audience_subscription_settings": TEXTS,
        "action": one_of("add", "delete"),
    }
)
PROFILE: Final = closed(
    {
        "user_identities": listed(identity(USER_TYPES)),
        "device_identities": listed(identity(DEVICE_TYPES)),
        "partner_identities": listed(PARTNER_IDENTITY),
        "audiences": {**listed(AUDIENCE), "minItems": 1},
    },
    {"mpid": {"type": "string", "pattern": "^-?[0-9]+$"}},
)
CONSENT: Final = closed(
    {"consented": BOOLEAN},
    {"document": TEXT, "timestamp_unixtime_ms": INTEGER, "location": TEXT, "hardware_id": TEXT},
)
_DEVICE: Final = {
    "build_id": TEXT, "brand": TEXT, "product": TEXT, "name": TEXT, "manufacturer": TEXT, "os_version": TEXT, "model": TEXT,
    "screen_height": INTEGER, "screen_width": INTEGER, "country": TEXT, "locale_language": TEXT, "locale_country": TEXT,
    "timezone_offset": INTEGER, "is_tablet": BOOLEAN, "application_name": TEXT, "application_version": TEXT,
    "application_package": TEXT,
}  # fmt: skip
_NETWORK: Final = {
    "network_country": TEXT, "network_carrier": TEXT, "network_code": TEXT, "network_mobile_country_code": TEXT,
}  # fmt: skip
_RADIOS: Final = {
    "screen_dpi": INTEGER, "supports_telephony": BOOLEAN, "has_nfc": BOOLEAN, "bluetooth_enabled": BOOLEAN,
    "bluetooth_version": TEXT,
}  # fmt: skip
_APPLE: Final = {
    **_DEVICE, **_NETWORK, "cpu_architecture": TEXT, "radio_access_technology": TEXT, "att_timestamp_unixtime_ms": INTEGER,
    "att_authorization_status": TEXT,
}  # fmt: skip
_WEB: Final = {
    **{name: what for name, what in _DEVICE.items() if not name.startswith("application")}, **_NETWORK, "screen_dpi": INTEGER,
    "device_manufacturer": TEXT, "device_model": TEXT, "device_country": TEXT, "radio_access_technology": TEXT,
}  # fmt: skip
_ENVIRONMENTS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "unknown": {}, "ios": _APPLE, "tvos": _APPLE, "android": {**_DEVICE, **_NETWORK, **_RADIOS}, "mobileweb": _WEB,
    "roku": {**_DEVICE, "cpu_architecture": TEXT}, "xbox": {**_DEVICE, **_RADIOS}, "firetv": {**_DEVICE, **_RADIOS},
    "alexa": {**_DEVICE, **_RADIOS}, "smarttv": {**_DEVICE, **_RADIOS},
}  # fmt: skip
_ANY_ENVIRONMENT: Final = {
    "client_ip_address": TEXT, "sdk_version": TEXT, "http_header_user_agent": TEXT, "identities": listed(identity(DEVICE_TYPES)),
}  # fmt: skip
ENVIRONMENT: Final = {
    "oneOf": [closed({"type": one_of(kind)}, {**_ANY_ENVIRONMENT, **own}) for kind, own in _ENVIRONMENTS.items()]
}
PRODUCT: Final = closed(
    {},
    {
        "id": TEXT, "name": TEXT, "brand": TEXT, "category": TEXT, "variant": TEXT, "coupon_code": TEXT, "position": INTEGER,
        "price": NUMBER, "quantity": NUMBER, "total_amount": NUMBER, "attributes": TEXTS,
    },
)  # fmt: skip
PROMOTION: Final = closed({}, {"id": TEXT, "name": TEXT, "creative": TEXT, "position": TEXT})
_FREE: Final = {"attributes": TEXTS, "custom_flags": TEXTS}
_STATES: Final = one_of("install", "upgrade", "initialize", "exit", "background", "foreground")
_EVENTS: Final[Mapping[str, tuple[Mapping[str, Schema], Mapping[str, Schema]]]] = {
    "custom_event": (
        {
            "name": TEXT,
            "custom_event_type": one_of(
                "unknown", "navigation", "location", "search", "transaction", "user_content", "user_preference", "social", "other", "media"
            ),
        },
        _FREE,
    ),
    "attribution": ({"name": TEXT}, {"partner_name": TEXT, "publisher_name": TEXT, "campaign_name": TEXT, "attributes": TEXTS}),
    "screen_view": ({"screen_name": TEXT}, _FREE),
    "session_start": ({}, {}),
    "session_end": ({}, {"session_length_ms": INTEGER}),
    "error": ({"is_crash": BOOLEAN}, {"message": TEXT, "stack_trace": TEXT, "breadcrumbs": listed(TEXT), "attributes": TEXTS}),
    "privacy_setting_change": ({"setting": one_of("app_data_collection"), "is_enabled": BOOLEAN}, {}),
    "push_subscription": ({"action": one_of("subscribe", "unsubscribe"), "token": TEXT}, {}),
    "application_state_transition": ({"application_state": _STATES}, {"launch_referral": TEXT}),
    "push_message_receipt": ({}, {"payload": TEXT}),
    "push_message_open": ({}, {"payload": TEXT}),
    "user_attribute_change": ({}, {"added": TEXTS, "removed": TEXTS}),
    "user_identity_change": ({}, {"added": listed(identity(USER_TYPES)), "removed": listed(identity(USER_TYPES))}),
    "product_action": (
        {
            "action": one_of(
                "add_to_wishlist", "remove_from_wish_list", "add_to_cart", "remove_from_cart", "checkout", "purchase", "refund",
                "checkout_option", "click", "view_detail",
            )
        },
        {
            "transaction_id": TEXT, "affiliation": TEXT, "total_amount": NUMBER, "tax_amount": NUMBER, "shipping_amount": NUMBER,
            "currency_code": TEXT, "coupon_code": TEXT, "products": listed(PRODUCT), **_FREE,
        },
    ),
    "promotion_action": ({"action": one_of("unknown", "view", "click")}, {"promotions": listed(PROMOTION), **_FREE}),
    "impression": (
        {},
        {"impressions": listed(closed({}, {"impression_list_name": TEXT, "products": listed(PRODUCT)})), **_FREE},
    ),
}  # fmt: skip
EVENT_TYPES: Final = (*_EVENTS,)
_LOCATION: Final = closed({"latitude": NUMBER, "longitude": NUMBER}, {"accuracy": NUMBER})
_EVENT_HEAD: Final = {"id": UUID, "timestamp_ms": INTEGER}
_EVENT_REST: Final = {"source_id": TEXT, "session_id": INTEGER, "location": _LOCATION}
EVENT: Final = {
    "oneOf": [
        closed({"type": one_of(kind), **_EVENT_HEAD, **required}, {**_EVENT_REST, **optional})
        for kind, (required, optional) in _EVENTS.items()
    ]
}
NOTIFICATION: Final = {
    "oneOf": [
        closed(
            {"type": one_of(f"{law}_consent_state"), "purpose": TEXT},
            {f"old_{law}_consent_state": CONSENT, f"new_{law}_consent_state": CONSENT},
        )
        for law in ("gdpr", "ccpa")
    ]
}
_CONSENTS: Final = {"type": "object", "additionalProperties": CONSENT}
_REQUESTS: Final[Mapping[str, tuple[Mapping[str, Schema], Mapping[str, Schema]]]] = {
    "module_registration": ({}, {}),
    "audience_subscription": (
        {
            "account": ACCOUNT,
            "audience_id": INTEGER,
            "audience_name": TEXT,
            "audience_subscription_settings": TEXTS,
            "action": one_of("add", "update", "remove"),
        },
        {},
    ),
    "audience_membership_change": ({"account": ACCOUNT}, {"user_profiles": {**listed(PROFILE), "minItems": 1}}),
    "dsr_processing": (
        {
            "account": ACCOUNT,
            "subject_request_id": UUID,
            "subject_request_type": one_of("erasure"),
            "submitted_time": NUMBER,
            "subject_identities": {
                **closed({}, {name: closed({"encoding": one_of(*ENCODINGS), "value": TEXT}) for name in DSR_TYPES}),
                "minProperties": 1,
            },
            "api_version": one_of("3.0"),
            "regulation": one_of("gdpr", "ccpa"),
        },
        {},
    ),
    "event_processing": (
        {
            "source_id": TEXT,
            "account": ACCOUNT,
            "user_identities": listed(identity(USER_TYPES)),
            "partner_identities": listed(PARTNER_IDENTITY),
            "runtime_environment": ENVIRONMENT,
            "events": listed(EVENT),
        },
        {
            "user_attributes": TEXTS,
            "user_attribute_lists": {"type": "object", "additionalProperties": listed(TEXT)},
            "source_channel": TEXT,
            "device_application_stamp": TEXT,
            "consent_state": closed({}, {"gdpr_consent_state": _CONSENTS, "ccpa_consent_state": _CONSENTS}),
            "system_notifications": listed(NOTIFICATION),
            "mpid": {"type": "string", "pattern": "^-?[0-9]+$"},
            "platform_fields": closed({}, {"workspace_id": INTEGER, "dataplan_id": TEXT, "dataplan_version": INTEGER}),
        },
    ),
}
_HEAD: Final = {"id": UUID, "timestamp_ms": INTEGER, "firehose_version": one_of("3.2.0")}
_VALIDATORS: Final = {
    f"{kind}_request": Draft202012Validator(
        closed({"type": one_of(f"{kind}_request"), **_HEAD, **required}, optional),
        format_checker=FormatChecker(["uuid"]),
    )
    for kind, (required, optional) in _REQUESTS.items()
}
HEADERS: Final = {
    "host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent", "authorization",
}  # fmt: skip


def assert_is_request(request: Received) -> dict[str, Any]:
    """Fail unless a request is one of the protocol, down to each member. Returns its members."""
    assert request.method == "POST"
    assert request.headers.keys() == HEADERS
    assert request.headers["authorization"] == "Token t0ken"
    members = request.json
    _VALIDATORS[members["type"]].validate(members)
    return members


def permission(kind: str, encoding: str = "raw", *, required: bool = False) -> dict[str, Any]:
    """Return a permission for a type of identities."""
    return {"type": kind, "encoding": encoding, "required": required}


EVERYTHING: Final[Mapping[str, Any]] = {
    "user_identities": [permission(kind, encoding) for kind in USER_TYPES for encoding in ENCODINGS],
    "device_identities": [permission(kind, encoding) for kind in DEVICE_TYPES for encoding in ENCODINGS],
    "allow_access_mpid": True,
    "allow_access_device_application_stamp": True,
    "allow_access_location": True,
    "allow_access_ip_address": True,
    "allow_access_http_user_agent": True,
    "allow_device_info": True,
    "allow_user_attributes": True,
    "allow_consent_state": True,
    "allow_platform_fields": True,
    "allow_eventless_batches": True,
}
"""A partner that may see everything."""

EVERY_EVENT: Final[Mapping[str, Any]] = {
    "supported_event_types": [*EVENT_TYPES],
    "supported_runtime_environments": [*_ENVIRONMENTS],
    "supported_system_notification_types": ["gdpr_consent_state", "ccpa_consent_state"],
    "max_data_age_hours": -1,
}


def response(kind: str, **members: Any) -> Answering:
    """Return an answer of the protocol."""
    head = {"type": f"{kind}_response", "id": "94453043-4b61-4b74-a7b2-b9da238dd764", "timestamp_ms": 0}
    return answering(200, {**head, "firehose_version": "3.2.0", **members})


def registration(
    permissions: Mapping[str, Any] = EVERYTHING, events: Mapping[str, Any] | None = EVERY_EVENT, **members: Any
) -> Answering:
    """Return what a partner says of itself that takes everything, unless something else is said."""
    parts: dict[str, Any] = {
        "name": "A partner",
        "version": "1.0",
        "sdk_version": "3.2.0",
        "description": "Takes what it gets",
        "permissions": permissions,
        "audience_processing_registration": {"bulk_configuration": {"bulk_forward_wait_for_messages": 4}},
        "dsr_processing_registration": {"supported_dsr_types": ["erasure"], "domain": "partner.example"},
    }
    if events is not None:
        parts["event_processing_registration"] = events
    return response("module_registration", **{**parts, **members})
