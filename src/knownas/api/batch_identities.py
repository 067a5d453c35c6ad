"""Reads who a batch of events is about: the identities of the user and of the device (platform §1.5, idsync §5.1)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from knownas.api.wire import NAME_CHARACTERS_SHOWN, Malformed
from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType, Surface, types_named_on, value_fault

EVENT_NAMES: Final[Mapping[str, IdentityType]] = types_named_on(Surface.EVENTS)
"""The identity types by their names in a batch."""

Members = Mapping[str, Any]


def identities_of(user: Members | list[Any], device: Members, stamp: object, notes: list[str]) -> tuple[Identity, ...]:
    """Gather the identities of user and device in canonical order; what can't be one is noted.

    `user` are values by type, or the list that a batch has when the vendor hands it out (platform §7.7).

    Raises:
        Malformed: two members give a type different values.
    """
    found: dict[IdentityType, str] = {}
    for name, value in _listed(user) if isinstance(user, list) else user.items():
        kind = EVENT_NAMES.get(name)
        if kind is None or kind in DEVICE_TYPES:
            notes.append(f"user_identities.{name[:NAME_CHARACTERS_SHOWN]}: no such identity type")
        else:
            _take(found, kind, value, f"user_identities.{name}", notes)
    for name, value in device.items():
        kind = EVENT_NAMES.get(name)
        if kind is not None and kind in DEVICE_TYPES:
            _take(found, kind, value, f"device_info.{name}", notes)
    _take(found, IdentityType.DEVICE_APPLICATION_STAMP, stamp, "mp_deviceid", notes)
    return tuple(sorted([Identity(kind, value) for kind, value in found.items()]))


def _listed(given: list[Any]) -> Iterator[tuple[str, object]]:
    for one in given:
        if isinstance(one, dict):
            members = cast("Members", one)
            yield str(members.get("identity_type")), members.get("identity")


def _take(found: dict[IdentityType, str], kind: IdentityType, value: object, where: str, notes: list[str]) -> None:
    if value is None or value == "":
        return
    if isinstance(value, bool) or not isinstance(value, str | int):
        notes.append(f"{where}: a text is wanted")
        return
    text = str(value)
    fault = value_fault(text)
    if fault is not None:
        notes.append(f"{where}: {fault}")
    elif found.setdefault(kind, text) != text:
        raise Malformed("identity_type_twice", f"Two members give {kind.value} different values.")
