"""Decides which identities of a request a profile gets: steps 7 and 8 of the algorithm (idsync §3.2).

Values are added, never replaced, and never taken from another profile. Four things keep a value out: an
immutable type that is set already, a unique value that somebody else holds, the type's `max_values`, and a full
record. What stands outside the priority is carried: the profile knows it, no lookup uses it.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from knownas.core.identity.decision import Change, ChangeKind, RecordWrite, Skip, SkippedIdentity
from knownas.core.identity.guards import Wanted
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.records import Records
from knownas.core.limits import RECORD_IDENTITIES_MAX

NEW: Final = -1
"""The version of a record that no store has seen."""


class Learnt(NamedTuple):
    """The record with what it learnt, and how that came about."""

    record: Record
    changes: tuple[Change, ...] = ()
    skipped: tuple[SkippedIdentity, ...] = ()
    writes: tuple[RecordWrite, ...] = ()


def unguarded(identities: Iterable[Identity], policy: Policy) -> tuple[Identity, ...]:
    """Return the identities that a profile named by its MPID may learn from whoever names it (platform §2.6).

    Of the types that are looked up by, those that say nothing about who the user is: no login, unique or immutable ID.
    """
    guarded = policy.login_ids | policy.unique_ids | policy.immutable_ids
    return tuple(one for one in identities if one.type in policy.ranked and one.type not in guarded)


def new_record(mpid: int, at_ms: int, source_mpid: int | None = None) -> Record:
    """Return the empty record of a profile made just now, which no store has seen."""
    return Record(mpid, {}, {}, known=False, created_ms=at_ms, active_ms=at_ms, source_mpid=source_mpid, version=NEW)


def learn(
    record: Record, wanted: Wanted, policy: Policy, records: Records, at_ms: int, *, is_new: bool = False
) -> Learnt:
    """Add to the record what it lacks of the wanted identities, as far as it may have them.

    A new record is written even if there is nothing that it may have.
    """
    if not is_new and has_all(record, wanted, policy):
        return Learnt(record)
    # The ranking's order, then canonical order, so that the order on the wire never matters.
    return learn_in_order(record, _in_order(wanted, policy), policy, records, at_ms, is_new=is_new)


def learn_in_order(
    record: Record, wanted: Iterable[Identity], policy: Policy, records: Records, at_ms: int, *, is_new: bool
) -> Learnt:
    """Add to the record what it lacks of identities that are given in the order of `learning_order`."""
    ranked = policy.ranked
    held, also = record.identities, record.carried
    missing = [one for one in wanted if one[1] not in (held if one[0] in ranked else also).get(one[0], ())]
    if not missing and not is_new:
        return Learnt(record)
    identities, carried = dict(held), dict(also)
    mpid, size = record.mpid, record.size
    added: list[Change] = []
    skipped: list[SkippedIdentity] = []
    for one in missing:
        kind, value = one
        is_ranked = kind in ranked
        values = identities if is_ranked else carried
        has = values.get(kind, ())
        obstacle = _obstacle(mpid, has, one, size, policy, records)
        if obstacle is not None:
            skipped.append(obstacle)
            continue
        values[kind] = (*has, value)
        added.append(Change(ChangeKind.ADDED if is_ranked else ChangeKind.CARRIED, one, mpid))
        size += 1
    if not added and not is_new:
        return Learnt(record, skipped=tuple(skipped))
    after = Record(
        mpid,
        identities,
        carried,
        is_known(identities, policy),
        record.created_ms,
        max(at_ms, record.active_ms),
        record.source_mpid,
        record.version,
    )
    return Learnt(after, tuple(added), tuple(skipped), (RecordWrite(None if is_new else record, after),))


def has_all(record: Record, wanted: Wanted, policy: Policy) -> bool:
    """Whether the profile has every wanted identity where it belongs: the common case, a user who comes back.

    A value that is only carried, from before its type joined the priority, is not looked up by yet.
    """
    identities, carried, ranked = record.identities, record.carried, policy.ranked
    for kind, value in wanted.items():
        held = (identities if kind in ranked else carried).get(kind)
        if held is None or value not in held:
            return False
    return True


def learning_order(kinds: Iterable[IdentityType], policy: Policy) -> list[IdentityType]:
    """Return types in the order in which their values are learnt: the ranking's, then the alphabet's."""
    places, last = policy.places, len(policy.places)
    return sorted(kinds, key=lambda kind: (places.get(kind, last), kind))


def _in_order(wanted: Wanted, policy: Policy) -> list[Identity]:
    ordered = [Identity(kind, wanted[kind]) for kind in policy.ranking if kind in wanted]
    if len(ordered) < len(wanted):
        ordered += sorted(Identity(kind, value) for kind, value in wanted.items() if kind not in policy.ranked)
    return ordered


def _obstacle(
    mpid: int, held: tuple[str, ...], one: Identity, size: int, policy: Policy, records: Records
) -> SkippedIdentity | None:
    """Say what keeps an identity from a profile that lacks it and has `held` of its type."""
    kind = one.type
    if size >= RECORD_IDENTITIES_MAX:
        return SkippedIdentity(one, Skip.RECORD_FULL)
    if kind in policy.ranked:
        if held and kind in policy.immutable_ids:
            return SkippedIdentity(one, Skip.IMMUTABLE_SET)
        if kind in policy.unique_ids:
            others = [other for other in records.holders(one).mpids if other != mpid]
            if others:
                return SkippedIdentity(one, Skip.UNIQUE_HELD, others[0])
    most = policy.settings.max_values.get(kind)
    if most is not None and len(held) >= most:
        return SkippedIdentity(one, Skip.MAX_VALUES)
    return None
