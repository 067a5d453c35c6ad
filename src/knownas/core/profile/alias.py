"""Decides what an alias does: whether one is taken, whether it is carried out when it is due, and what it changes.

An alias gives a profile the past of another one: its events of a window, when it was first seen, and who brought it
(idsync §4.7, platform §3.5). What the request alone, or a look at the profiles, shows to be wrong is refused at
once. What other requests forbid shows only when the request is due; its sender has had an acceptance by then, so the
reason is kept to be asked for.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.kinds import value_fault
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy
from knownas.core.identity.record import valid_mpid
from knownas.core.limits import ATTRIBUTIONS_MAX, STATUS_NOTES_MAX
from knownas.core.profile.event import Attribution
from knownas.core.profile.section import Section

ALIAS_ID_CHARACTERS_MAX: Final = 128
"""Characters of a request's id; the SDKs send UUIDs, which have 36."""

CLOCK_TOLERANCE_MS: Final = 5 * 60_000
"""How far a window may stick out of what is allowed; it is cut to that.

The SDKs take both ends from the device's clock, and move a start that is too old to exactly the oldest allowed one,
which is too old again by the time it arrives.
"""

ALIASING_STRATEGIES: Final = frozenset({Strategy.DEFAULT, Strategy.PROFILE_CONVERSION, Strategy.PROFILE_LINK})
"""The strategies under which profiles can be aliased; idsync §4.7."""

_ID_PUNCTUATION: Final = frozenset("-_.:")


class AliasRefusal(StrEnum):
    """Why an alias request is refused at once. The value is the stable reason code."""

    NOT_PROVISIONED = "alias_not_provisioned"
    STRATEGY_NOT_SUPPORTED = "strategy_without_alias"
    SAME_MPID = "same_mpid"
    INVERTED_WINDOW = "inverted_window"
    END_IN_FUTURE = "end_in_future"
    START_TOO_OLD = "start_too_old"
    UNKNOWN_MPID = "unknown_mpid"
    REQUEST_ID_TAKEN = "request_id_taken"
    TOO_MANY_REQUESTS = "too_many_aliases"

    @property
    def is_forbidden(self) -> bool:
        """Whether no alias request at all can succeed here, whatever it says."""
        return self in (AliasRefusal.NOT_PROVISIONED, AliasRefusal.STRATEGY_NOT_SUPPORTED)


class AliasRejection(StrEnum):
    """Why an accepted alias request was not carried out. The value is the stable reason code."""

    OVERLAPPING_WINDOW = "overlapping_window"
    SOURCE_WAS_DESTINATION = "source_was_destination"
    DESTINATION_WAS_SOURCE = "destination_was_source"
    PROFILE_GONE = "profile_gone"
    TOO_MANY_EVENTS = "too_many_events"


REJECTION_SENTENCES: Final = {
    AliasRejection.OVERLAPPING_WINDOW: "An earlier request aliased the same source with an overlapping window.",
    AliasRejection.SOURCE_WAS_DESTINATION: "The source was the destination of an earlier request.",
    AliasRejection.DESTINATION_WAS_SOURCE: "The destination was the source of an earlier request.",
    AliasRejection.PROFILE_GONE: "One of the profiles no longer exists.",
    AliasRejection.TOO_MANY_EVENTS: "The window holds more events than one request may copy; ask for shorter windows.",
}


class Window(NamedTuple):
    """A span of time with both its ends, in Unix milliseconds."""

    start_ms: int
    end_ms: int

    def covers(self, at_ms: int) -> bool:
        """Whether a time lies in it."""
        return self.start_ms <= at_ms <= self.end_ms

    def overlaps(self, other: "Window") -> bool:
        """Whether the two have any millisecond in common."""
        return self.start_ms <= other.end_ms and other.start_ms <= self.end_ms


def is_alias_id(text: str) -> bool:
    """Whether a text can be the id of an alias request."""
    known = text.isascii() and all(one.isalnum() or one in _ID_PUNCTUATION for one in text)
    return known and 0 < len(text) <= ALIAS_ID_CHARACTERS_MAX


@dataclass(frozen=True, slots=True)
class AliasRequest:
    """A request to give the destination the source's past. `stamp` None: the events of all the source's devices.

    Raises:
        ValueError: the id has other characters than letters, digits and `-_.:`, or too many; an MPID can't be one;
            the stamp can't be a device application stamp.
    """

    request_id: str
    environment: Environment
    source_mpid: int
    destination_mpid: int
    start_ms: int | None = None
    end_ms: int | None = None
    stamp: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.request_id) <= ALIAS_ID_CHARACTERS_MAX:
            raise ValueError(f"request_id must have 1 to {ALIAS_ID_CHARACTERS_MAX} characters")
        if not is_alias_id(self.request_id):
            raise ValueError("request_id may have letters, digits, and the characters - _ . :")
        if valid_mpid(self.source_mpid) is None or valid_mpid(self.destination_mpid) is None:
            raise ValueError("an MPID is a signed 64-bit integer other than 0")
        fault = None if self.stamp is None else value_fault(self.stamp)
        if fault is not None:
            raise ValueError(f"device_application_stamp: {fault}")


@dataclass(frozen=True, slots=True)
class AliasTerms:
    """What a workspace allows, under its scope's strategy; windows may reach back so many milliseconds."""

    strategy: Strategy
    provisioned: bool
    window_ms: int


class AliasAccepted(NamedTuple):
    """The request is taken; these are the events that it is about."""

    window: Window


class AliasRefused(NamedTuple):
    """The request is refused."""

    reason: AliasRefusal
    sentence: str


def judge(
    request: AliasRequest, terms: AliasTerms, known: AbstractSet[int], now_ms: int
) -> AliasAccepted | AliasRefused:
    """Say whether a request is taken. `known` are those of its profiles that exist in its scope and environment.

    Without a start the window begins at the oldest time allowed, without an end it ends now (idsync §4.7).
    """
    if not terms.provisioned:
        return AliasRefused(AliasRefusal.NOT_PROVISIONED, "Aliasing is not provisioned for this workspace.")
    if terms.strategy not in ALIASING_STRATEGIES:
        sentence = f"The strategy {terms.strategy.value} of this identity scope has no alias."
        return AliasRefused(AliasRefusal.STRATEGY_NOT_SUPPORTED, sentence)
    if request.source_mpid == request.destination_mpid:
        return AliasRefused(AliasRefusal.SAME_MPID, "source_mpid and destination_mpid are the same.")
    window = _window(request, now_ms - terms.window_ms, now_ms)
    if isinstance(window, AliasRefused):
        return window
    for name, mpid in (("source_mpid", request.source_mpid), ("destination_mpid", request.destination_mpid)):
        if mpid not in known:
            sentence = f"{name}: there is no profile {mpid} in this scope and environment."
            return AliasRefused(AliasRefusal.UNKNOWN_MPID, sentence)
    return AliasAccepted(window)


def _window(request: AliasRequest, oldest_ms: int, now_ms: int) -> Window | AliasRefused:
    start_ms = oldest_ms if request.start_ms is None else request.start_ms
    end_ms = now_ms if request.end_ms is None else request.end_ms
    if request.start_ms is not None and start_ms >= end_ms:
        sentence = "The time range is invalid: start_unixtime_ms must be before end_unixtime_ms."
        return AliasRefused(AliasRefusal.INVERTED_WINDOW, sentence)
    if end_ms > now_ms + CLOCK_TOLERANCE_MS or start_ms >= now_ms:
        sentence = "The time range is invalid: end_unixtime_ms is in the future."
        return AliasRefused(AliasRefusal.END_IN_FUTURE, sentence)
    if start_ms < oldest_ms - CLOCK_TOLERANCE_MS or end_ms <= oldest_ms:
        sentence = f"The time range is invalid: start_unixtime_ms may be {oldest_ms} at the earliest."
        return AliasRefused(AliasRefusal.START_TOO_OLD, sentence)
    return Window(max(start_ms, oldest_ms), min(end_ms, now_ms))


class AliasClaim(NamedTuple):
    """An accepted request as others of its workspace and environment see it."""

    request_id: str
    requested_ms: int
    source_mpid: int
    destination_mpid: int
    window: Window

    @property
    def order(self) -> tuple[int, str]:
        """What says which of two requests is the earlier one: the time, then the id."""
        return self.requested_ms, self.request_id


class AliasDone(NamedTuple):
    """The alias is to be carried out."""


class AliasRejected(NamedTuple):
    """The alias is not to be carried out."""

    reason: AliasRejection


class AliasWaits(NamedTuple):
    """It can't be told yet: it depends on whether an earlier request is carried out."""

    request_id: str


def settle(
    claim: AliasClaim, done: Iterable[AliasClaim], queued: Iterable[AliasClaim]
) -> AliasDone | AliasRejected | AliasWaits:
    """Say whether a request that is due is carried out, given the others that name its profiles (idsync §4.7).

    It yields to every earlier request that contradicts it, unless that one was rejected, and to every one that is
    done, since that can't be taken back.
    """
    for other in sorted(done, key=lambda one: one.order):
        reason = contradiction(claim, other)
        if reason is not None:
            return AliasRejected(reason)
    for other in sorted(queued, key=lambda one: one.order):
        if other.order < claim.order and contradiction(claim, other) is not None:
            return AliasWaits(other.request_id)
    return AliasDone()


def contradiction(claim: AliasClaim, other: AliasClaim) -> AliasRejection | None:
    """Say why a request can't be carried out beside another one; None if it can."""
    if claim.source_mpid == other.source_mpid and claim.window.overlaps(other.window):
        return AliasRejection.OVERLAPPING_WINDOW
    if claim.source_mpid == other.destination_mpid:
        return AliasRejection.SOURCE_WAS_DESTINATION
    if claim.destination_mpid == other.source_mpid:
        return AliasRejection.DESTINATION_WAS_SOURCE
    return None


def is_of_device(stamp: str | None, event_stamp: str | None) -> bool:
    """Whether events that came from a device are among those that a request with this stamp is about."""
    return stamp is None or stamp == event_stamp


def destination_after(destination: Section, source: Section, claim: AliasClaim) -> Section:
    """Return what is known of the destination after the alias: first seen, attribution and a note change, no more."""
    note = f"Events of profile {claim.source_mpid} were copied to this one by the alias request {claim.request_id}."
    return destination._replace(
        first_seen_ms=source.first_seen_ms,
        attributions=_merged(destination.attributions, source.attributions),
        notes=_noted(destination, note),
    )


def source_after(source: Section, claim: AliasClaim) -> Section:
    """Return what is known of the source after the alias: the same, with a note."""
    note = f"Events of this profile were copied to {claim.destination_mpid} by the alias request {claim.request_id}."
    return source._replace(notes=_noted(source, note))


def _merged(held: Sequence[Attribution], copied: Sequence[Attribution]) -> tuple[Attribution, ...]:
    new = [one for one in copied if one not in held]
    if not new:
        return tuple(held)
    return tuple(sorted([*held, *new], key=lambda one: one.at_ms)[-ATTRIBUTIONS_MAX:])


def _noted(section: Section, note: str) -> tuple[str, ...]:
    return (*section.notes, note)[-STATUS_NOTES_MAX:]
