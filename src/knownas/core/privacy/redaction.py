"""Replaces the identities of a person who is erased in what the log keeps, so that it still folds as it did.

A log of which lines are simply missing does not explain the profiles that are left: the erased profile stood in
the way of some answers, gave values away, and was rejected by a guard. So its lines stay, and each identity that was only its
own becomes another of the same type, which nobody ever has: random, and known to nobody. Equal identities become equal
ones, so every lookup finds whom it found; no rule looks into a value, so every decision stays what it was. What is
left says that there was somebody, and not who.

An identity that other profiles hold as well stays: it is theirs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from knownas.core.identity.decision import Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.record import Record, Values

Replacements = Mapping[Identity, Identity]
"""What each identity of the erased person becomes; one of the same type."""


def replacements(erased: Iterable[Identity], fresh: Callable[[], str]) -> Replacements:
    """Give each identity another one of its type. `fresh` makes a value that nobody has and nobody can guess, each time."""
    return {one: Identity(one.type, fresh()) for one in erased}


def redacted(observation: Observation, given: Replacements) -> Observation:
    """Return an observation with identities replaced. Its identities stay in the places where they were."""
    match observation:
        case IdentityRequest():
            return observation._replace(
                identities=_all(observation.identities, given), set_aside=_all(observation.set_aside, given)
            )
        case ModifyRequest():
            return replace(
                observation,
                changes=tuple(_change(one, given) for one in observation.changes),
                set_aside=tuple(_change(one, given) for one in observation.set_aside),
            )
        case SeedRequest():
            return replace(
                observation,
                identities=_all(observation.identities, given),
                set_aside=_all(observation.set_aside, given),
            )
        case Correction():
            return replace(
                observation,
                take_back=tuple(
                    one._replace(identity=None if one.identity is None else given.get(one.identity, one.identity))
                    for one in observation.take_back
                ),
                records=tuple(redacted_record(one, given) for one in observation.records),
                quarantine=tuple(
                    one._replace(identity=given.get(one.identity, one.identity)) for one in observation.quarantine
                ),
            )
        case Erasure():
            return observation
        case _:
            assert_never(observation)


def redacted_decision(decision: Decision, given: Replacements) -> Decision:
    """Return a decision with identities replaced wherever it names them: its receipt, changes, and what was left out.

    Its outcome names types and profiles only.
    """
    receipt = decision.receipt
    steps = tuple(one._replace(identity=given.get(one.identity, one.identity)) for one in receipt.steps)
    return decision._replace(
        receipt=receipt._replace(steps=steps),
        record=None if decision.record is None else redacted_record(decision.record, given),
        changes=tuple(one._replace(identity=given.get(one.identity, one.identity)) for one in decision.changes),
        skipped=tuple(one._replace(identity=given.get(one.identity, one.identity)) for one in decision.skipped),
        writes=tuple(
            one._replace(
                before=None if one.before is None else redacted_record(one.before, given),
                after=redacted_record(one.after, given),
            )
            for one in decision.writes
        ),
    )


def redacted_record(record: Record, given: Replacements) -> Record:
    """Return a record with identities replaced, each in its place."""
    return record._replace(identities=_values(record.identities, given), carried=_values(record.carried, given))


def _all(identities: tuple[Identity, ...], given: Replacements) -> tuple[Identity, ...]:
    return tuple(given.get(one, one) for one in identities)


def _change(change: IdentityChange, given: Replacements) -> IdentityChange:
    def now(value: str | None) -> str | None:
        if value is None:
            return None
        one = Identity(change.type, value)
        return given.get(one, one).value

    return IdentityChange(change.type, now(change.old_value), now(change.new_value))


def _values(values: Values, given: Replacements) -> Values:
    def now(one: Identity) -> str:
        return given.get(one, one).value

    return {kind: tuple(now(Identity(kind, value)) for value in held) for kind, held in values.items()}
