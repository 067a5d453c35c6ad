"""Says what the documents of connections are for the description of the API, in the words and limits of their readers.

The readers (`service.delivery.wish_form` and the forms that use it) decode them, since they tell every fault at once with its place. What
rests on several members, or on the output, is said in words.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from knownas.api.schema_parts import Schema, closed_object, ref
from knownas.core.audience.reading_text import DEFINITION_CHARACTERS_MAX
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.consent import CCPA_PURPOSE, Regulation
from knownas.core.translation.data_filter import USER_IDENTITY
from knownas.core.translation.forwarding_rules import PERCENT_MAX, SAMPLING_KEY_BYTES_MAX, Effect, Where
from knownas.core.translation.limits import (
    CONSENTS_NEEDED_MAX,
    FILTERED_POINTS_MAX,
    FORWARDING_RULES_MAX,
    SLOTS_MAX,
    WANTED_MAX,
)
from knownas.core.translation.numbering_plans import CALLING_CODES
from knownas.core.translation.rule import OnIdentityChange, Take, Users
from knownas.core.translation.target import MPID
from knownas.service.delivery.forwarding_form import FIRST_STEPS, POINT_STEPS_MAX
from knownas.service.delivery.wish_form import CONNECTION_SETTINGS_MAX, HASHES, INTEGER_MAX

_TEXT: Final[Schema] = {"type": "string", "maxLength": DEFINITION_CHARACTERS_MAX}
_FILLED: Final[Schema] = {**_TEXT, "minLength": 1}

Text = Annotated[str, Meta(extra_json_schema=_FILLED)]
AnyText = Annotated[str, Meta(extra_json_schema=_TEXT)]
Sent = Annotated[str, Meta(extra_json_schema=ref("SentIdentity"))]
Several = Annotated[list[Sent], Meta(extra_json_schema={"maxItems": WANTED_MAX})]
EachOnce = Annotated[list[Sent], Meta(extra_json_schema={"maxItems": WANTED_MAX, "uniqueItems": True})]
Number = Annotated[int, Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)]
OutputName = Annotated[
    str | Annotated[int, Meta(ge=1)],
    Meta(description="The id of an output of the workspace, or its name.", extra_json_schema={"minLength": 1}),
]


class SentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is sent of whom. Which identities and places there are is said by the type of the output (`GET /api/output-types`).

    Of each type that may go out something must be left after what is excluded. `default_calling_code` and `plus_left_out` exclude each other.
    """

    identities: (
        Annotated[
            EachOnce,
            Meta(
                description="The types that may go out; needed where the output has no places of its own. Each once, and each must fill a place."
            ),
        ]
        | UnsetType
    ) = UNSET
    hash: (
        Annotated[
            str | bool,
            Meta(
                description="How values are hashed; true is sha256, false not at all. The places have to take it.",
                extra_json_schema={"enum": list(HASHES)},
            ),
        ]
        | UnsetType
    ) = UNSET
    places: (
        Annotated[
            dict[str, EachOnce],
            Meta(
                description="What fills a place of the output, by its name, in order: types that it takes.",
                extra_json_schema={"maxProperties": SLOTS_MAX},
            ),
        ]
        | UnsetType
    ) = UNSET
    values: Take | UnsetType = UNSET
    devices: Take | UnsetType = UNSET
    excluded: (
        Annotated[
            Several, Meta(description="Types that never go out, not even if they are wanted; something else has to be.")
        ]
        | UnsetType
    ) = UNSET
    users: Users | UnsetType = UNSET
    send_anonymous_users: (
        Annotated[
            bool,
            Meta(
                description="false: nobody of whom only the MPID would be sent; then something else has to be wanted."
            ),
        ]
        | UnsetType
    ) = UNSET
    send_limited_ad_tracking: bool | UnsetType = UNSET
    send_opted_out_users: bool | UnsetType = UNSET
    send_unlike_a_person: bool | UnsetType = UNSET
    consents: (
        Annotated[
            list[Annotated[dict[str, str], Meta(extra_json_schema=ref("ConsentNeeded"))]],
            Meta(extra_json_schema={"maxItems": CONSENTS_NEEDED_MAX}),
        ]
        | UnsetType
    ) = UNSET
    default_calling_code: Annotated[str, Meta(extra_json_schema=ref("CallingCode"))] | UnsetType = UNSET
    plus_left_out: Annotated[bool, Meta(description="Not together with default_calling_code.")] | UnsetType = UNSET
    environments: (
        Annotated[list[Environment], Meta(extra_json_schema={"minItems": 1, "maxItems": len(Environment)})] | UnsetType
    ) = UNSET
    settings: (
        Annotated[
            dict[str, AnyText | Number | bool],
            Meta(
                description="What the output's type wants to be set of a connection.",
                extra_json_schema={"maxProperties": CONNECTION_SETTINGS_MAX},
            ),
        ]
        | UnsetType
    ) = UNSET


class ErasuresBody(SentBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an output gets of whoever asks to be erased, if its type can be told of that: members of a connection."""

    on_identity_change: OnIdentityChange | UnsetType = UNSET


class ConnectionBody(SentBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an audience is connected with an output: which identities go out, in which form, of whom.

    The members are those of the how-to on connecting an audience; what is wrong with any is told with its place.
    """

    output: OutputName
    on_identity_change: OnIdentityChange | UnsetType = UNSET


class AttributeRuleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="attribute"):
    """Matches if an attribute has a value, compared as text."""

    of: Where
    name: Text
    value: AnyText
    effect: Effect


class AttributionRuleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="attribution"):
    """Matches users whom a publisher has brought."""

    publisher: Text
    effect: Effect


class ConsentRuleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="consent"):
    """Matches users whose statement about a purpose is this one."""

    regulation: Regulation
    purpose: Text
    consented: bool
    effect: Effect


class KnownUsersRuleBody(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="known_users_only"
):
    """Forwards users with a login ID only."""


RuleBody = AttributeRuleBody | AttributionRuleBody | ConsentRuleBody | KnownUsersRuleBody


class SamplingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of the users, always the same ones with the same key."""

    percent: Annotated[float, Meta(ge=0, le=PERCENT_MAX)]
    key: Annotated[
        str,
        Meta(
            description=f"{SAMPLING_KEY_BYTES_MAX} bytes in UTF-8 at most.",
            extra_json_schema={"maxLength": SAMPLING_KEY_BYTES_MAX},
        ),
    ] = ""


Points = Annotated[
    list[Annotated[list[str], Meta(extra_json_schema=ref("DataPoint"))]],
    Meta(extra_json_schema={"maxItems": FILTERED_POINTS_MAX}),
]


class DataFilterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which data points go out. None is switched both off and on."""

    off: Points = []
    on: Points = []
    send_new: bool = True


class InputConnectionBody(SentBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an input, named by its lasting key or its name, is connected with an output: what of its events goes out, with which identities.

    The members are those of the how-to on forwarding events; what is wrong with any is told with its place.
    """

    input: Annotated[Text, Meta(description="The lasting key of an input of the workspace, or its name.")]
    output: OutputName
    data_filter: DataFilterBody | UnsetType = UNSET
    rules: Annotated[list[RuleBody], Meta(extra_json_schema={"maxItems": FORWARDING_RULES_MAX - 1})] | UnsetType = UNSET
    sampling: SamplingBody | UnsetType = UNSET
    eventless: bool | UnsetType = UNSET


def connection_schemas() -> Schema:
    """Return the named schemas that the bodies above refer to."""
    types: list[Any] = [one.value for one in IdentityType]
    user_identity: Schema = {"const": USER_IDENTITY}
    return {
        "SentIdentity": {
            "type": "string",
            "description": "An identity type, or the MPID itself. Other spellings of a type are accepted too.",
            "enum": [*types, MPID.value],
        },
        "CallingCode": {
            "type": "string",
            "description": "Of a country, without +.",
            "enum": sorted(CALLING_CODES, key=int),
        },
        "ConsentNeeded": {
            "description": "A purpose that a user has to have consented to; of CCPA, one that the user must not have opted out of.",
            "anyOf": [
                closed_object("", {"regulation": {"const": Regulation.GDPR.value}, "purpose": _FILLED}),
                closed_object("", {"regulation": {"const": Regulation.CCPA.value}, "purpose": {"const": CCPA_PURPOSE}}),
            ],
        },
        "DataPoint": {
            "description": "The path of a data point: event type, kind, name, attribute. An identity is one by its type alone.",
            "anyOf": [
                {
                    "type": "array",
                    "prefixItems": [{"enum": [one for one in FIRST_STEPS if one != USER_IDENTITY]}],
                    "items": _TEXT,
                    "minItems": 1,
                    "maxItems": POINT_STEPS_MAX,
                },
                {"type": "array", "prefixItems": [user_identity], "minItems": 1, "maxItems": 1},
                {"type": "array", "prefixItems": [user_identity, ref("IdentityType")], "minItems": 2, "maxItems": 2},
            ],
        },
    }
