"""Decodes the bodies of IDSync into observations (idsync §4.2, §4.3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from knownas.api.duplicate_keys import has_repeated_keys, names_twice
from knownas.core.identity.kinds import Identity, IdentityType, Surface, types_named_on, value_fault
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.identity.record import MPID_MAX, MPID_MIN, parse_mpid, valid_mpid
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX, MODIFY_CHANGES_MAX


class IdentifyBody(msgspec.Struct, frozen=True):
    """The body of identify, login, logout and search. Members that decide nothing are passed over."""

    environment: Environment
    known_identities: dict[str, str | None]
    previous_mpid: str | int | None = None


class IdentityChangeBody(msgspec.Struct, frozen=True):
    """One change of a modify. Roku leaves members out that are null."""

    identity_type: str
    old_value: str | None = None
    new_value: str | None = None


class ModifyBody(msgspec.Struct, frozen=True):
    """The body of modify."""

    environment: Environment
    identity_changes: list[IdentityChangeBody]


class IdentityAnswer(msgspec.Struct, frozen=True):
    """The answer of identify, login, logout and search, in the recorded order of members."""

    context: None
    matched_identities: dict[str, str]
    is_ephemeral: bool
    mpid: str
    is_logged_in: bool


class ModifyResult(msgspec.Struct, frozen=True):
    """One (type, MPID) that a modify changed."""

    identity_type: str
    modified_mpid: str


class ModifyAnswer(msgspec.Struct, frozen=True):
    """The answer of modify; `mpid` and `is_logged_in` keep the web SDK's state right (idsync §4.3)."""

    change_results: list[ModifyResult]
    mpid: str
    is_logged_in: bool


class Malformed(Exception):
    """The body can't be understood. `reason` is a stable code."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


Body = TypeVar("Body")

NAME_CHARACTERS_SHOWN: Final = 64
"""Characters of a name that a refusal or a note repeats."""

_IDENTIFY: Final = msgspec.json.Decoder(IdentifyBody)
_MODIFY: Final = msgspec.json.Decoder(ModifyBody)
_NAMES: Final[Mapping[str, IdentityType]] = types_named_on(Surface.IDSYNC)
_QUOTED: Final[Mapping[str, bytes]] = {name: f'"{name}"'.encode() for name in _NAMES}
INVALID_MPID: Final = "mpid is a signed 64-bit integer, and not 0."
_PREVIOUS_MPID: Final = f"previous_mpid must be an integer from {MPID_MIN} to {MPID_MAX}, or null."
_IDENTIFY_MEMBERS: Final = ("environment", "known_identities", "previous_mpid")


def identity_request(endpoint: Endpoint, body: bytes, at_ms: int, source: str) -> IdentityRequest:
    """Decode an identify, login, logout or search.

    Null and empty identities are dropped (idsync §3.2 step 1); a request left without any is for the rules.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong, a name or value can't be an identity.
    """
    decoded = decode_document(_IDENTIFY, body)
    given = decoded.known_identities
    identities: list[Identity] = []
    for name, value in given.items():
        kind = _NAMES.get(name)
        if kind is None:
            raise _unknown_type(name)
        if value:
            identities.append(Identity(kind, value))
    plain = b"\\" not in body and body.isascii()
    if not (plain and _each_key_once(body, given)):
        refuse_repeated_keys(body, lambda body: names_twice(body, _IDENTIFY_MEMBERS, "known_identities"))
    for one in identities:
        # Without an escape and outside ASCII's range nothing forbidden can stand in a value; its length is left.
        if not plain or len(one.value) > IDENTITY_VALUE_CHARACTERS_MAX:
            _refuse_fault(one)
    if len(identities) > 1:
        identities.sort()
        _refuse_two_spellings(identities)
    return IdentityRequest(
        endpoint,
        at_ms,
        decoded.environment,
        source,
        tuple(identities),
        optional_mpid(decoded.previous_mpid, "invalid_previous_mpid", _PREVIOUS_MPID),
    )


def _each_key_once(body: bytes, given: Iterable[str]) -> bool:
    """Whether a body without escapes surely repeats no key of ours: one that stands twice is there twice in quotes."""
    count = body.count
    for name in given:
        if count(_QUOTED[name]) > 1:
            return False
    return count(b'"environment"') == 1 and count(b'"known_identities"') == 1 and count(b'"previous_mpid"') <= 1


def _refuse_fault(one: Identity) -> None:
    fault = value_fault(one.value)
    if fault is not None:
        raise Malformed("invalid_identity", f"{one.type.value}: {fault}.")


def _refuse_two_spellings(identities: Sequence[Identity]) -> None:
    """Refuse two names of one type, which stand next to each other when sorted."""
    last = None
    for kind, _ in identities:
        if kind is last:
            raise Malformed("identity_type_twice", f"Two spellings of {kind.value} name the same identity type.")
        last = kind


def modify_request(mpid: int, body: bytes, at_ms: int, source: str, *, stamp: bool, moves: bool) -> ModifyRequest:
    """Decode a modify. `stamp`: the device application stamp may be changed; `moves`: unique values may be taken.

    Raises:
        Malformed: as for identify.
    """
    decoded = decode_document(_MODIFY, body)
    changes = decoded.identity_changes
    refuse_repeated_keys(body)
    if len(changes) > MODIFY_CHANGES_MAX:
        raise Malformed("too_many_changes", f"A request may make {MODIFY_CHANGES_MAX} changes.")
    return ModifyRequest(
        at_ms, decoded.environment, source, mpid, tuple(_change(one, stamp=stamp) for one in changes), moves
    )


def decode_document(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """Decode a JSON body.

    Raises:
        Malformed: it is not JSON, nested too deep, or not what the decoder wants.
    """
    try:
        if not body.isascii():
            # The decoder does not look into the strings that it passes over.
            body.decode()
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("malformed_json", f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise _too_deep() from error


def shaped(document: object, shape: type[Body]) -> Body:
    """Give a decoded JSON document a shape, as if it had been decoded into it.

    Raises:
        Malformed: it is not what the shape wants, or nested too deep.
    """
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    except RecursionError as error:
        raise _too_deep() from error


def refuse_repeated_keys(body: bytes, repeats: Callable[[bytes], bool] = has_repeated_keys) -> None:
    """Refuse a valid JSON body of which different readers may read different things.

    Raises:
        Malformed: a key stands twice in an object, at any depth or where `repeats` looks; or the body is too deep.
    """
    try:
        repeated = repeats(body)
    except RecursionError as error:
        raise _too_deep() from error
    if repeated:
        raise Malformed("duplicate_key", "An object of the body has the same key twice.")


def _invalid(error: msgspec.ValidationError) -> Malformed:
    return Malformed("invalid_member", f"{error}.")


def _too_deep() -> Malformed:
    return Malformed("too_deep", "The body is nested too deep.")


def _unknown_type(name: str) -> Malformed:
    sentence = f"{shortened(name)!r} is not an identity type; see the reference for the list."
    return Malformed("unknown_identity_type", sentence)


def identities_named(given: Mapping[str, str | None], names: Mapping[str, IdentityType]) -> tuple[Identity, ...]:
    """Read identities by the names that a surface has for their types; null and empty ones are dropped.

    Raises:
        Malformed: a name or a value can't be an identity's, or two names are one type's.
    """
    found: dict[IdentityType, str] = {}
    for name, value in given.items():
        kind = names.get(name)
        if kind is None:
            raise Malformed("unknown_identity_type", f"{shortened(name)!r} is not an identity type.")
        if not value:
            continue
        fault = value_fault(value)
        if fault is not None:
            raise Malformed("invalid_identity", f"{name}: {fault}.")
        if found.setdefault(kind, value) != value:
            raise Malformed("identity_type_twice", f"Two spellings of {kind.value} name the same identity type.")
    return tuple(sorted(Identity(kind, value) for kind, value in found.items()))


def shortened(name: str) -> str:
    """Return a name as a refusal repeats it."""
    return name if len(name) <= NAME_CHARACTERS_SHOWN else name[:NAME_CHARACTERS_SHOWN] + "…"


def optional_mpid(given: str | int | None, reason: str, sentence: str) -> int | None:
    """Read an MPID that may be missing; "" and 0 are how SDKs say that there is none.

    Raises:
        Malformed: it is no MPID, with this reason and sentence.
    """
    if given is None or given in ("", "0", 0):
        return None
    mpid = parse_mpid(given) if isinstance(given, str) else valid_mpid(given)
    if mpid is None:
        raise Malformed(reason, sentence)
    return mpid


def _change(given: IdentityChangeBody, *, stamp: bool) -> IdentityChange:
    kind = _NAMES.get(given.identity_type)
    if kind is None:
        raise _unknown_type(given.identity_type)
    if kind is IdentityType.DEVICE_APPLICATION_STAMP and not stamp:
        raise Malformed("device_application_stamp", "The device application stamp can't be modified in this scope.")
    for value in (given.old_value, given.new_value):
        fault = value_fault(value) if value else None
        if fault is not None:
            raise Malformed("invalid_identity", f"{kind.value}: {fault}.")
    return IdentityChange(kind, given.old_value or None, given.new_value or None)
