"""Writes down which identities a destination has said that it takes, with the connection that was made by that, and reads it back."""

from collections.abc import Iterable

import msgspec

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Choice, Requirement, Take
from knownas.core.translation.target import MPID, Target
from knownas.service.delivery.destination import AskedPlaces


class KeptPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place, as `core.translation.place` has it."""

    name: str
    accepts: tuple[str, ...]
    usual: tuple[str, ...] = ()
    encoding: Encoding = Encoding.RAW
    encodings: tuple[Encoding, ...] = (Encoding.RAW,)
    form: Form | None = None
    choice: Choice = Choice.FIRST
    values: Take = Take.ALL
    required: bool = False


class KeptPlaces(msgspec.Struct, frozen=True):
    """The places of a destination, and what it means that some are required."""

    places: tuple[KeptPlace, ...]
    requirement: Requirement


def kept_places(asked: AskedPlaces) -> KeptPlaces:
    """Write what a destination has said."""
    return KeptPlaces(tuple(map(_kept, asked.places)), asked.requirement)


def asked_places(kept: KeptPlaces) -> AskedPlaces:
    """Read what a destination has said."""
    return AskedPlaces(tuple(map(_place, kept.places)), kept.requirement)


def _kept(place: Place) -> KeptPlace:
    return KeptPlace(
        place.name,
        tuple(sorted(one.value for one in place.accepts)),
        tuple(one.value for one in place.usual),
        place.encoding,
        tuple(sorted(place.encodings)),
        place.form,
        place.choice,
        place.values,
        place.required,
    )


def _place(kept: KeptPlace) -> Place:
    return Place(
        kept.name,
        frozenset(_targets(kept.accepts)),
        tuple(_targets(kept.usual)),
        kept.encoding,
        frozenset(kept.encodings),
        kept.form,
        kept.choice,
        kept.values,
        kept.required,
    )


def _targets(names: Iterable[str]) -> Iterable[Target]:
    return (MPID if one == MPID.value else IdentityType(one) for one in names)
