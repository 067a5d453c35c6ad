"""Decodes what is asked of the Profile API, and writes profiles down the way it answers (platform §4).

An MPID is a JSON number here, written as the integer that it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from knownas.api.wire import Malformed, decode_document, refuse_repeated_keys, shortened
from knownas.core.identity.kinds import (
    DEVICE_TYPES,
    KINDS,
    Identity,
    IdentityType,
    Surface,
    name_on,
    types_named_on,
    value_fault,
)
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import Record
from knownas.core.profile.attributes import shown
from knownas.core.profile.consent import Consent, Consents
from knownas.core.profile.section import Section
from knownas.core.profile.whole import whole_of

QUERY_BYTES_MAX: Final = 2_048
"""Bytes of a query; all fields with an environment take 150."""

QUERIES_REMEMBERED_MAX: Final = 1_024
"""Queries whose meaning is remembered: a client asks for the same fields again and again."""

QUERY_PARAMETERS_MAX: Final = 32
"""Parameters of a query to the Profile API."""


class ProfileField(StrEnum):
    """A part of a profile that has to be asked for by name; platform §4.1. `consent_state` is an extension."""

    DEVICE_IDENTITIES = "device_identities"
    USER_IDENTITIES = "user_identities"
    USER_ATTRIBUTES = "user_attributes"
    AUDIENCE_MEMBERSHIPS = "audience_memberships"
    ATTRIBUTION = "attribution"
    CONSENT_STATE = "consent_state"


class Asked(NamedTuple):
    """What a query asks for: fields, and the environment if it names one."""

    fields: frozenset[ProfileField]
    environment: Environment | None


class Subject(NamedTuple):
    """Whose profile a resolve asks for."""

    environment: Environment | None
    identity: Identity


class IdentityBody(msgspec.Struct, frozen=True):
    """The identity of a resolve; its type is spelled as the Profile API spells it (platform §1.5)."""

    type: str
    value: str


class ResolveBody(msgspec.Struct, frozen=True):
    """The body of a resolve: exactly one identity. Members that decide nothing are passed over."""

    identity: IdentityBody
    environment_type: Environment | None = None


class ShownIdentity(msgspec.Struct, frozen=True, gc=False):
    """An identity of an answer. `encoding` says that the value is as it was sent, not hashed."""

    type: str
    encoding: str
    value: str


CalculatedAttributes = Mapping[str, str | list[str]]
"""The values of calculated attributes by their names."""

Memberships = tuple[tuple[int, str, int | None], ...]
"""The audiences that a user is in: id, name, and when the membership lapses by time alone (Unix milliseconds), if ever; platform §6.4."""

_FIELDS: Final[Mapping[str, ProfileField]] = {field.value: field for field in ProfileField}
_ENVIRONMENTS: Final[Mapping[str, Environment]] = {one.value: one for one in Environment}
_RESOLVE: Final = msgspec.json.Decoder(ResolveBody)
_TYPES: Final = types_named_on(Surface.PROFILE)
_NAME_OF: Final[Mapping[IdentityType, str]] = {
    kind.type: name for kind in KINDS if (name := name_on(Surface.PROFILE, kind.type)) is not None
}
_PLACE_OF: Final[Mapping[IdentityType, int]] = {kind.type: place for place, kind in enumerate(KINDS)}
"""The order in which identities are listed: that of the types' numbers."""

_DEVICE_NAMES: Final = {kind: name for kind, name in _NAME_OF.items() if kind in DEVICE_TYPES}
_USER_NAMES: Final = {kind: name for kind, name in _NAME_OF.items() if kind not in DEVICE_TYPES}


@lru_cache(QUERIES_REMEMBERED_MAX)
def asked_of(query: bytes) -> Asked:
    """Decode a query.

    The environment may be called `environment`, as everywhere else, or `environment_type`, as in the body of a
    resolve; the vendor names neither for a read by MPID.

    Raises:
        Malformed: no field is named, or one that is not there, or an environment that is none, or two of them.
    """
    if len(query) > QUERY_BYTES_MAX:
        raise Malformed("query_too_long", f"A query may have {QUERY_BYTES_MAX} bytes.")
    try:
        given = parse_qs(query.decode("ascii"), max_num_fields=QUERY_PARAMETERS_MAX)
    except ValueError as error:
        raise Malformed("malformed_query", "The query can't be read.") from error
    names = [name for one in given.get("fields", ()) for part in one.split(",") if (name := part.strip())]
    if not names:
        raise Malformed("no_fields", f"Name the fields you want: fields={','.join(_FIELDS)}.")
    unknown = [name for name in names if name not in _FIELDS]
    if unknown:
        raise Malformed("unknown_field", f"{shortened(unknown[0])!r} is no field; there are {', '.join(_FIELDS)}.")
    environments = [*given.get("environment", ()), *given.get("environment_type", ())]
    wrong = [one for one in environments if one not in _ENVIRONMENTS]
    if wrong:
        raise Malformed("unknown_environment", f"{shortened(wrong[0])!r} is no environment: production or development.")
    if len(set(environments)) > 1:
        raise _two_environments()
    environment = _ENVIRONMENTS[environments[0]] if environments else None
    return Asked(frozenset(_FIELDS[name] for name in names), environment)


def environment_of(asked: Asked, named: Environment | None) -> Environment:
    """Return the environment that a query and a body ask for; production where neither names one.

    Raises:
        Malformed: they name two.
    """
    if asked.environment is not None and named not in (None, asked.environment):
        raise _two_environments()
    return named or asked.environment or Environment.PRODUCTION


def subject_of(body: bytes) -> Subject:
    """Decode the body of a resolve.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong, or the identity can't be one.
    """
    decoded = decode_document(_RESOLVE, body)
    refuse_repeated_keys(body)
    kind = _TYPES.get(decoded.identity.type)
    if kind is None:
        raise Malformed("unknown_identity_type", f"{shortened(decoded.identity.type)!r} is no identity type here.")
    fault = value_fault(decoded.identity.value)
    if fault is not None:
        raise Malformed("invalid_identity", f"{decoded.identity.type}: {fault}.")
    return Subject(decoded.environment_type, Identity(kind, decoded.identity.value))


def profile_document(
    record: Record,
    section: Section | None,
    fields: frozenset[ProfileField],
    calculated: CalculatedAttributes,
    others: Sequence[Section] = (),
    memberships: Memberships = (),
) -> dict[str, Any]:
    """Write a profile down: what every answer has, and the fields that were asked for; platform §4.2.

    `section` is what the workspace knows of it, None if the profile was never seen there: then the times are those
    of the identity record, which all workspaces of a scope share. `calculated` are the workspace's calculated
    attributes; one of them hides an attribute of the same name. `others` are the sections of the scope's other
    workspaces, for what holds of the profile as a whole. `memberships` are the workspace's audiences that it is in.
    """
    whole = whole_of(others if section is None else (section, *others))
    document: dict[str, Any] = {
        "mpid": record.mpid,
        "created_timestamp_ms": record.created_ms if whole.first_seen_ms is None else whole.first_seen_ms,
        "last_stored_timestamp_ms": record.active_ms if section is None else section.last_seen_ms,
        "is_opted_out": whole.opted_out,
        "limit_ad_tracking": whole.limit_ad_tracking,
    }
    if ProfileField.DEVICE_IDENTITIES in fields:
        document["device_identities"] = _device_identities(record, section)
    if ProfileField.USER_IDENTITIES in fields:
        document["user_identities"] = _identities(record, _USER_NAMES, devices=False)
    document["account_userattributes"] = None
    if ProfileField.USER_ATTRIBUTES in fields:
        attributes: Mapping[str, str | list[str]] = {} if section is None else shown(section.attributes)
        document["user_attributes"] = {**attributes, **calculated}
    if ProfileField.AUDIENCE_MEMBERSHIPS in fields:
        document["audience_memberships"] = [
            {"audience_id": number, "audience_name": name, "expiration_timestamp_ms": until_ms}
            for number, name, until_ms in memberships
        ]
    if ProfileField.ATTRIBUTION in fields:
        document["attribution"] = [
            {"publisher": one.publisher, "campaign": one.campaign, "timestamp_ms": one.at_ms}
            for one in (() if section is None else section.attributions)
        ]
    if ProfileField.CONSENT_STATE in fields:
        document["consent_state"] = {} if section is None else _consent_state(section.consents)
    return document


def _device_identities(record: Record, section: Section | None) -> list[ShownIdentity]:
    """List the device identities of the record, and those of the workspace's devices, the last seen first."""
    if section is None or not section.devices:
        return _identities(record, _DEVICE_NAMES, devices=True)
    held = _held(record, devices=True)
    for device in section.devices:
        for kind, value in device.ids.items():
            held[Identity(kind, value)] = None
        if device.stamp is not None:
            held[Identity(IdentityType.DEVICE_APPLICATION_STAMP, device.stamp)] = None
    return _listed(held)


def _identities(record: Record, names: Mapping[IdentityType, str], *, devices: bool) -> list[ShownIdentity]:
    """List the identities of a record that name devices, or those that don't; `names` are those of such types."""
    if record.carried:
        return _listed(_held(record, devices=devices))
    held = record.identities
    kinds = [kind for kind in held if kind in names]
    if len(kinds) > 1:
        kinds.sort(key=_PLACE_OF.__getitem__)
    return [ShownIdentity(names[kind], "none", value) for kind in kinds for value in held[kind]]


def _held(record: Record, *, devices: bool) -> dict[Identity, None]:
    """Return the identities of a record, looked up by or carried, that name devices, or those that don't."""
    held: dict[Identity, None] = {}
    for values in (record.identities, record.carried):
        for kind in values:
            if (kind in DEVICE_TYPES) is devices:
                for value in values[kind]:
                    held[Identity(kind, value)] = None
    return held


def _listed(held: Iterable[Identity]) -> list[ShownIdentity]:
    """Write identities down by the order of their types; those of a type stay as they stand."""
    in_order = sorted(held, key=lambda one: _PLACE_OF[one.type])
    return [ShownIdentity(_NAME_OF[kind], "none", value) for kind, value in in_order if kind in _NAME_OF]


def _consent_state(consents: Consents) -> dict[str, dict[str, dict[str, Any]]]:
    """Write consent down as events bring it; platform §5.9."""
    state: dict[str, dict[str, dict[str, Any]]] = {}
    for purpose in sorted(consents):
        state.setdefault(purpose.regulation.value, {})[purpose.name] = _statement(consents[purpose])
    return state


def _statement(consent: Consent) -> dict[str, Any]:
    said = {"document": consent.document, "location": consent.location, "hardware_id": consent.hardware_id}
    given = {name: text for name, text in said.items() if text is not None}
    return {"consented": consent.consented, "timestamp_unixtime_ms": consent.at_ms, **given}


def _two_environments() -> Malformed:
    return Malformed("two_environments", "The request names both environments.")
