"""Takes a decision back: everything becomes what it would be had it never been asked (design §2).

That is a correction of the history (`correcting`). What a correction did is taken back by making the same things count again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Observation, TakeBack
from knownas.service.correcting import Amendment, Correcting, HistoryCorrected, NotCorrected
from knownas.service.log_form import observation_from
from knownas.service.subjects import named_in
from knownas.store.port import LogEntry, Pool, Store

Apart = Callable[[Pool], Awaitable[Mapping[Identity, int]]]
"""Tells the quarantined identities of a pool, each with the seq of the correction that said so."""


class UndoRefusal(StrEnum):
    """Why a decision is not taken back. The value is the stable reason code."""

    UNKNOWN_DECISION = "unknown_decision"
    NOTHING_CHANGED = "decision_changed_nothing"
    NOT_BY_DECISION = "not_undone_by_decision"
    UNDONE_ALREADY = "already_undone"
    UNKNOWN_IDENTITY = "identity_not_in_decision"
    TOO_LARGE = "too_many_lines_to_fold"
    UNEXPLAINED = "history_does_not_explain_profiles"


@dataclass(frozen=True, slots=True)
class UndoRefused:
    """The decision is not taken back, and nothing has changed."""

    reason: UndoRefusal
    sentence: str


class Undoing:
    """Takes decisions back over one store. One event loop, one of these."""

    def __init__(self, store: Store, correcting: Correcting, apart: Apart | None = None) -> None:
        """`apart` tells what does not count in a pool (`component_of`)."""
        self._store = store
        self._correcting = correcting
        self._apart = apart

    async def undo(
        self, decision_id: str, identity: Identity | None = None, *, preview: bool = False
    ) -> HistoryCorrected | UndoRefused:
        """Take a decision back, or only one identity that it was asked with. `preview` says what would change.

        Raises:
            Overloaded: too many wait to do this.
            StoreError: the store could not do it, or others were faster every time.
        """
        entry = await self._store.decision(decision_id)
        if entry is None:
            return UndoRefused(UndoRefusal.UNKNOWN_DECISION, "No decision that changed something has this id.")
        observation = observation_from(entry.observation)
        refusal = _refusal(entry, observation, identity)
        if refusal is not None:
            return refusal
        profiles = await self._concerned(entry, observation)
        taken = (TakeBack(entry.seq, decision_id, identity),)
        if isinstance(observation, Correction):
            taken = tuple(one._replace(counts_again=not one.counts_again) for one in observation.take_back)
        amendment = Amendment(entry.pool, observation.environment, decision_id, profiles, take_back=taken)
        apart: Mapping[Identity, int] = {} if self._apart is None else await self._apart(entry.pool)
        done = await self._correcting.correct(amendment, apart, preview=preview)
        return _refused(done) if isinstance(done, NotCorrected) else done

    async def _concerned(self, entry: LogEntry, observation: Observation) -> tuple[int, ...]:
        """Return the profiles from which everything can be found that a line could have influenced."""
        found = list(entry.touched)
        if isinstance(observation, Correction):
            for one in observation.take_back:
                corrected = await self._store.decision(one.decision_id)
                found += () if corrected is None else corrected.touched
        return tuple(dict.fromkeys(found))


def _refusal(entry: LogEntry, observation: Observation, identity: Identity | None) -> UndoRefused | None:
    """Say why a line can't be taken back, whatever else there is; None if it may be."""
    if isinstance(observation, Correction):
        if not observation.take_back:
            sentence = "The correction is of a value or of the rules: release the value, or resolve under other rules."
            return UndoRefused(UndoRefusal.NOT_BY_DECISION, sentence)
    elif not entry.touched:
        return UndoRefused(UndoRefusal.NOTHING_CHANGED, "The decision changed nothing that could be taken back.")
    if identity is not None and identity not in named_in(observation):
        sentence = f"The decision was not asked with {identity.type.value} {identity.value}."
        return UndoRefused(UndoRefusal.UNKNOWN_IDENTITY, sentence)
    return None


def _refused(reason: NotCorrected) -> UndoRefused:
    match reason:
        case NotCorrected.COUNTS_ALREADY:
            return UndoRefused(UndoRefusal.UNDONE_ALREADY, "That is taken back already.")
        case NotCorrected.TOO_LARGE:
            sentence = "More lines of the log could have been influenced than are folded at once."
            return UndoRefused(UndoRefusal.TOO_LARGE, sentence)
        case NotCorrected.UNEXPLAINED:
            sentence = "The log does not explain what these profiles are: `knownas verify` names those that differ."
            return UndoRefused(UndoRefusal.UNEXPLAINED, sentence)
        case _:
            assert_never(reason)
