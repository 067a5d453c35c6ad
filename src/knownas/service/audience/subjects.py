"""Makes of what a store has of a profile what audiences are judged by, and what is translated for destinations."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.membership import Standing, Standings
from knownas.core.audience.subject import JUDGED_EVENTS_MAX, PastEvent, Subject
from knownas.core.identity.record import is_known
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.event import Event, EventBatch
from knownas.core.profile.whole import whole_of
from knownas.core.profile.window import TICK_MS
from knownas.core.translation.forwarding_rules import ForwardedUser
from knownas.core.translation.view import ProfileView, view_of
from knownas.service.profile.kept_batches import kept_from
from knownas.service.profile.sections import read
from knownas.service.security.directory import Directory
from knownas.store.audiences import StoredStanding, StoredSubject
from knownas.store.user_data import SectionKey, StoredEvents

_DATA: Final = msgspec.json.Decoder(dict[str, Any])
_STANDINGS: Final = msgspec.json.Decoder(dict[str, tuple[bool, int, int | None]])
_ENCODER: Final = msgspec.json.Encoder()


class Subjects:
    """Makes subjects, by the policies of scopes and the calculated attributes of workspaces."""

    def __init__(self, directory: Directory, calculations: Mapping[int, WorkspaceCalculations]) -> None:
        self._rules = {place.workspace.id: place.rules for place in directory.places}
        self._calculations = calculations

    def subject(
        self, key: SectionKey, stored: StoredSubject, events: Sequence[StoredEvents], now_ms: int
    ) -> Subject | None:
        """Return a user as one workspace knows them; None if it does not."""
        mine, record = stored.sections.get(key), stored.record
        if mine is None or record is None:
            return None
        section = read(mine)
        elsewhere = (
            read(one) for of, one in stored.sections.items() if of != key and of.environment == key.environment
        )
        whole = whole_of([section, *elsewhere])
        own = self._calculations.get(key.workspace)
        calculated: Mapping[str, str | list[str]] = {} if own is None else own.shown(section.calculated, now_ms)
        rules = self._rules.get(key.workspace)
        return Subject(
            mpid=key.mpid,
            is_known=record.known if rules is None else is_known(record.identities, rules.policy),
            identities={**record.carried, **record.identities},
            section=section,
            is_opted_out=whole.opted_out,
            limit_ad_tracking=whole.limit_ad_tracking,
            first_seen_ms=whole.first_seen_ms,
            events=past_events(events),
            calculated=calculated,
            calculated_until_ms=NEVER if own is None else _next_tick(own, now_ms),
        )

    def view(self, key: SectionKey, stored: StoredSubject) -> ProfileView | None:
        """Return what is translated of a user; None if nobody knows them any more."""
        if stored.record is None:
            return None
        mine = stored.sections.get(key)
        elsewhere = [
            read(one) for of, one in stored.sections.items() if of != key and of.environment == key.environment
        ]
        return view_of(stored.record, None if mine is None else read(mine), elsewhere)

    def forwarded(self, key: SectionKey, stored: StoredSubject, batch: EventBatch, now_ms: int) -> ForwardedUser | None:
        """Return the user of a batch that is forwarded, with what it brings; None if their workspace knows them no more.

        Calculated attributes are among the attributes, and shadow others of their names (platform §2.6).
        """
        mine, rules = stored.sections.get(key), self._rules.get(key.workspace)
        if stored.record is None or mine is None or rules is None:
            return None
        section, policy = read(mine), rules.policy
        elsewhere = [
            read(one) for of, one in stored.sections.items() if of != key and of.environment == key.environment
        ]
        guarded = policy.login_ids | policy.unique_ids | policy.immutable_ids
        own = self._calculations.get(key.workspace)
        calculated: Mapping[str, str | list[str]] = {} if own is None else own.shown(section.calculated, now_ms)
        shadowing = {
            name: Attribute(tuple(value) if isinstance(value, list) else value, now_ms)
            for name, value in calculated.items()
        }
        return ForwardedUser(
            view_of(stored.record, section, elsewhere, batch, frozenset(guarded)),
            {**section.attributes, **shadowing},
            section.attributions,
        )


def past_events(kept: Sequence[StoredEvents]) -> Sequence[PastEvent]:
    """Return the events of kept batches by their time, the newest `JUDGED_EVENTS_MAX`."""
    events: list[PastEvent] = []
    for one in kept:
        batch = kept_from(one.document)
        if not batch.is_aside:
            events += [
                PastEvent(f"{one.seq}.{place}", Event(of.type, of.at_ms, of.message_id, _DATA.decode(of.data)))
                for place, of in enumerate(batch.events)
            ]
    events.sort(key=lambda one: one.event.at_ms)
    return events[-JUDGED_EVENTS_MAX:]


def _next_tick(own: WorkspaceCalculations, now_ms: int) -> int:
    """Return when a value may be another one by the time alone."""
    return NEVER if own.tick(now_ms) == 0 else (now_ms // TICK_MS + 1) * TICK_MS


def standings_from(stored: StoredStanding | None) -> Standings:
    """Read how a user stands, as a store kept it."""
    if stored is None:
        return {}
    found = _STANDINGS.decode(stored.document)
    return {
        one: Standing(is_member, since_ms, NEVER if until_ms is None else until_ms)
        for one, (is_member, since_ms, until_ms) in found.items()
    }


def standings_bytes(standings: Standings) -> bytes | None:
    """Write down how a user stands; None where there is nothing to say."""
    if not standings:
        return None
    return _ENCODER.encode(
        {
            one: (standing.is_member, standing.since_ms, None if standing.until_ms == NEVER else standing.until_ms)
            for one, standing in standings.items()
        }
    )
