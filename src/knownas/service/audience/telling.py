"""Decides what outputs are to be told because of who was judged, and what they have and are not told of afterwards.

What a destination has of somebody is what was written to be told, not what it has acknowledged: deliveries are told in their order, each until it
is acknowledged or given up by somebody, so what is written is what will be.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from knownas.core.delivery.message import MembershipMessage, Origin
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing, Skipped
from knownas.core.translation.target import MPID, Target
from knownas.core.translation.telling import (
    Cause,
    Gone,
    Standing,
    gained,
    recorded,
    tell,
)
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from knownas.service.audience.catalogue import KnownAudience, KnownConnection
from knownas.service.delivery.form import message_document
from knownas.store.audiences import Held, Passed
from knownas.store.deliveries import NewDelivery

Ledger = dict[int, frozenset[Outgoing]]


@dataclass(slots=True)
class Tellings:
    """What is written because of a group of profiles, together with how they stand."""

    gave_up: list[Held] = field(default_factory=list[Held])
    held: list[Held] = field(default_factory=list[Held])
    passed_by: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    passed: list[Passed] = field(default_factory=list[Passed])
    deliveries: list[NewDelivery] = field(default_factory=list[NewDelivery])


def standing_of(connection: KnownConnection, view: ProfileView | None, *, is_member: bool) -> Standing:
    """Return how a user stands to a destination now."""
    if view is None:
        return Gone.ERASED
    return translate(view, connection.rule) if is_member else Gone.NO_MEMBER


def ledger_of(held: Iterable[Held]) -> Ledger:
    """Return what a destination has, by profile."""
    found: dict[int, set[Outgoing]] = {}
    for one in held:
        found.setdefault(one.mpid, set()).add(_outgoing(one))
    return {mpid: frozenset(several) for mpid, several in found.items()}


def gained_values(sent: Ledger, now: Mapping[int, Standing]) -> Sequence[str]:
    """Return the values that some profiles gain at a destination; others who have them there are asked about too."""
    return sorted({one.value for one in gained(sent, now)})


@dataclass(frozen=True, slots=True)
class Telling:
    """What is looked at to tell the destination of a connection: what it has, how profiles stand to it now, and who of them is a member."""

    connection: KnownConnection
    audience: KnownAudience
    origin: Origin
    sent: Ledger
    now: Mapping[int, Standing]
    members: frozenset[int]
    cause: Cause


def write_telling(telling: Telling, into: Tellings, at_ms: int, new_id: Callable[[], str]) -> None:
    """Write what a destination is told, and what it has then."""
    connection, origin, sent, now = telling.connection, telling.origin, telling.sent, telling.now
    rule = connection.rule
    told = tell(sent, now, rule.keeps, rule.on_identity_change, telling.cause)
    for (action, mpid), changes in groupby(told.changes, key=lambda one: (one.action, one.mpids[0])):
        identities = tuple(one.identity for one in changes)
        is_member = mpid in telling.members
        settings = connection.asked.settings
        name = telling.audience.name
        message = MembershipMessage(new_id(), origin, mpid, at_ms, name, action, identities, is_member, settings)
        delivery = (message.id, connection.output, connection.id, origin.workspace, origin.environment, mpid, at_ms)
        into.deliveries.append(NewDelivery(*delivery, message_document(message)))
    after = recorded(sent, (*told.changes, *told.reassigned))
    for mpid in sent.keys() | after.keys():
        was, becomes = sent.get(mpid, frozenset[Outgoing]()), after.get(mpid, frozenset[Outgoing]())
        into.gave_up += [_held(connection.id, mpid, one) for one in sorted(was - becomes)]
        into.held += [_held(connection.id, mpid, one) for one in sorted(becomes - was)]
    for mpid, standing in now.items():
        into.passed_by.append((connection.id, mpid))
        if isinstance(standing, Skipped):
            into.passed.append(Passed(connection.id, mpid, standing.reason.value, standing.about))


def _held(connection: int, mpid: int, one: Outgoing) -> Held:
    return Held(connection, mpid, one.slot, one.target.value, one.encoding.value, one.value, one.device, one.platform)


def _outgoing(held: Held) -> Outgoing:
    return Outgoing(held.slot, _target(held.target), Encoding(held.encoding), held.value, held.device, held.platform)


def _target(name: str) -> Target:
    return MPID if name == MPID.value else IdentityType(name)
