"""Decides which statement about a purpose of a regulation counts: the one made last (platform §5.9)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.limits import CONSENT_PURPOSES_MAX


class Regulation(StrEnum):
    """The law that a statement is made under."""

    GDPR = "gdpr"
    CCPA = "ccpa"


CCPA_PURPOSE: Final = "data_sale_opt_out"
"""The one purpose of CCPA; consent to it means that the user has opted out of the sale of data."""


class Purpose(NamedTuple):
    """What consent is given or refused for."""

    regulation: Regulation
    name: str


class Consent(NamedTuple):
    """A statement: whether consent was given, when (Unix milliseconds), and under which document, where, by what."""

    consented: bool
    at_ms: int
    document: str | None = None
    location: str | None = None
    hardware_id: str | None = None


Consents = Mapping[Purpose, Consent]


def with_consents(held: Consents, given: Iterable[tuple[Purpose, Consent]]) -> tuple[Consents, tuple[Purpose, ...]]:
    """Return the statements after others were made, and the new purposes that there was no room for.

    An older statement never replaces a newer one.
    """
    merged = dict(held)
    left_out: list[Purpose] = []
    for purpose, consent in given:
        before = merged.get(purpose)
        if before is None:
            if len(merged) < CONSENT_PURPOSES_MAX:
                merged[purpose] = consent
            else:
                left_out.append(purpose)
        elif consent.at_ms >= before.at_ms:
            merged[purpose] = consent
    return merged, tuple(dict.fromkeys(left_out))
