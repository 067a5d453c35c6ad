"""Decides which statement about a purpose of a regulation counts, the one made last, and which are remembered (platform §5.9)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.limits import CONSENT_CHANGES_MAX, CONSENT_PURPOSES_MAX


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

    def says_as(self, other: "Consent") -> bool:
        """Whether two statements say the same, whenever they were made."""
        return self._replace(at_ms=0) == other._replace(at_ms=0)


Consents = Mapping[Purpose, Consent]


class ConsentChange(NamedTuple):
    """A statement that said something else than the one that counted when it came: when it came, and through which input.

    `received_ms` (Unix milliseconds) and `input` are None of a statement that came before changes were remembered.
    """

    purpose: Purpose
    consent: Consent
    received_ms: int | None
    input: str | None


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


def with_changes(
    changes: tuple[ConsentChange, ...], held: Consents, after: Consents, said: Iterable[ConsentChange]
) -> tuple[ConsentChange, ...]:
    """Return the remembered changes after statements that came together. `held` and `after` are what counts before and then.

    SDKs repeat in each batch what was stated once: that is no change. Neither is a statement made again, later, in the same
    words. One that was made earlier than what counts is remembered, although it changes nothing any more; where there
    was no room for its purpose, none is.
    """
    fresh: list[ConsentChange] = []
    for one in said:
        before = held.get(one.purpose)
        if one.purpose not in after or (before is not None and before.says_as(one.consent)):
            continue
        if not any(known[:2] == one[:2] for known in changes):
            fresh.append(one)
    return (*changes, *fresh)[-CONSENT_CHANGES_MAX:] if fresh else changes


def history(changes: Iterable[ConsentChange], held: Consents) -> tuple[ConsentChange, ...]:
    """Return all that is known of how consent changed, by when it was stated.

    What counts now is among it, also if it came before changes were remembered.
    """
    known = list(changes)
    for purpose, consent in held.items():
        if not any(one.purpose == purpose and one.consent.says_as(consent) for one in known):
            known.append(ConsentChange(purpose, consent, None, None))
    return tuple(sorted(known, key=lambda one: (one.consent.at_ms, one.received_ms or 0, one.purpose)))
