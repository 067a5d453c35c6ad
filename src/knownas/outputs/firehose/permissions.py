"""Decides which of the identities that somebody wishes to send a partner permits, and in which encoding (platform §7.6).

The rule of a connection is made from this before anything is sent: what a partner does not permit can't be wished, and what it permits as
a digest only is sent as one. Where it requires some, users with none of these are not sent; one of them is enough.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Choice, Requirement
from knownas.core.translation.target import MPID, Target
from knownas.outputs.firehose.registration import NAMES, Permission, Registration

REQUIREMENT: Final = Requirement.ANY
"""What `required` means in the protocol: of several, any will do."""

ACCESSES: Final[Mapping[Target, str]] = {
    MPID: "allow_access_mpid",
    IdentityType.DEVICE_APPLICATION_STAMP: "allow_access_device_application_stamp",
}
"""What is no identity in the protocol, but a member that has a permission of its own."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a partner permits of what is wished, by type: the encodings in which it takes a type, the one it named first in front.

    `refused` says in a sentence why a type is not permitted. `required` are those of which a user needs one (`REQUIREMENT`), wished or not;
    none means that nobody needs any.
    """

    encodings: Mapping[Target, tuple[Encoding, ...]]
    refused: Mapping[Target, str]
    required: frozenset[Target]


def permitted(registration: Registration, wished: Iterable[Target]) -> Permitted:
    """Hold what is wished against what a partner permits."""
    encodings: dict[Target, tuple[Encoding, ...]] = {}
    refused: dict[Target, str] = {}
    for target in dict.fromkeys(wished):
        found = _encodings(registration, target)
        if found:
            encodings[target] = found
        else:
            refused[target] = _why_not(target)
    return Permitted(encodings, refused, _required(registration))


def places_of(registration: Registration) -> tuple[Place, ...]:
    """Return what a partner permits as places for identities, each for one type and usually filled, for `place.rule_of` with `REQUIREMENT`.

    Without any, nothing can be sent to the partner about a user.
    """
    required = _required(registration)
    return tuple(
        Place(
            target.value,
            frozenset({target}),
            (target,),
            found[0],
            frozenset(found),
            choice=Choice.ALL,
            required=target in required,
        )
        for target in (*IdentityType, MPID)
        if (found := _encodings(registration, target))
    )


def _encodings(registration: Registration, target: Target) -> tuple[Encoding, ...]:
    access = ACCESSES.get(target)
    if access is not None:
        return (Encoding.RAW,) if access in registration.allowed else ()
    return tuple(dict.fromkeys(one.encoding for one in _permissions(registration, target)))


def _permissions(registration: Registration, target: Target) -> tuple[Permission, ...]:
    return registration.of_type.get(target, ()) if isinstance(target, IdentityType) else ()


def _required(registration: Registration) -> frozenset[Target]:
    return frozenset(_required_types(registration))


def _required_types(registration: Registration) -> Iterator[IdentityType]:
    for kind, found in registration.of_type.items():
        if any(one.required for one in found):
            yield kind


def _why_not(target: Target) -> str:
    if isinstance(target, IdentityType) and target not in ACCESSES and not NAMES[target]:
        return f"{target.value} has no name in the partner protocol"
    return f"the partner has no permission for {target.value}"
