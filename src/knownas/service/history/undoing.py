"""Takes a decision back: everything becomes what it would be had it never been asked (design §2).

That is a correction of the history (`correcting`). What a correction did is taken back by making the same things count again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Environment, Erasure, Observation, TakeBack, TakenAlias
from knownas.service.history.correcting import Amendment, Correcting, HistoryCorrected, NotCorrected
from knownas.service.history.subjects import named_in
from knownas.service.identity.decisions import is_decision_id
from knownas.service.identity.log_form import observation_from
from knownas.service.limits import MOVES_TOLD_MAX
from knownas.store.port import LogEntry, Pool, Store
from knownas.store.user_data import AliasRow, AliasState

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
    ERASED = "erased"
    NOT_DONE = "alias_not_done"


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

        The id can be that of an alias request, too.

        Raises:
            Overloaded: too many wait to do this.
            StoreError: the store could not do it, or others were faster every time.
        """
        entry = await self._store.decision(decision_id) if is_decision_id(decision_id) else None
        if entry is None:
            alias = await self._store.user_data.alias(decision_id)
            if alias is not None:
                return await self._undo_alias(alias, identity, preview=preview)
            return UndoRefused(UndoRefusal.UNKNOWN_DECISION, "No decision that changed something has this id.")
        observation = observation_from(entry.observation)
        refusal = _refusal(entry, observation, identity)
        if refusal is not None:
            return refusal
        profiles = await self._concerned(entry, observation)
        taken = (TakeBack(entry.seq, decision_id, identity),)
        if isinstance(observation, Correction):
            taken = tuple(one._replace(counts_again=not one.counts_again) for one in observation.take_back)
        aliases: tuple[TakenAlias, ...] = ()
        if isinstance(observation, Correction):
            aliases = tuple(one._replace(counts_again=not one.counts_again) for one in observation.aliases)
        amendment = Amendment(
            entry.pool, observation.environment, decision_id, profiles, take_back=taken, aliases=aliases
        )
        return await self._correct(amendment, preview=preview)

    async def askable(self, decision_id: str) -> Sequence[Identity]:
        """Return the identities that a decision was asked with: each of them can be taken back alone, if more than one.

        Raises:
            StoreError: the store does not answer.
        """
        entry = await self._store.decision(decision_id) if is_decision_id(decision_id) else None
        if entry is None or not entry.touched:
            return ()
        observation = observation_from(entry.observation)
        return () if isinstance(observation, Correction) else tuple(dict.fromkeys(named_in(observation)))

    async def _undo_alias(
        self, alias: AliasRow, identity: Identity | None, *, preview: bool
    ) -> HistoryCorrected | UndoRefused:
        source = await self._store.profile(alias.source_mpid)
        refusal = _alias_refusal(alias, identity)
        if refusal is not None or source is None:
            return refusal or _refused(NotCorrected.ERASED)
        amendment = Amendment(
            source.pool,
            Environment(alias.environment),
            alias.request_id,
            (alias.source_mpid, alias.destination_mpid),
            aliases=(TakenAlias(alias.request_id),),
        )
        return await self._correct(amendment, preview=preview)

    async def _correct(self, amendment: Amendment, *, preview: bool) -> HistoryCorrected | UndoRefused:
        apart: Mapping[Identity, int] = {} if self._apart is None else await self._apart(amendment.pool)
        done = await self._correcting.correct(amendment, apart, preview=preview)
        return _refused(done) if isinstance(done, NotCorrected) else done

    async def _concerned(self, entry: LogEntry, observation: Observation) -> tuple[int, ...]:
        """Return the profiles from which everything can be found that a line could have influenced."""
        found = list(entry.touched)
        if isinstance(observation, Correction):
            for one in observation.take_back:
                corrected = await self._store.decision(one.decision_id)
                found += () if corrected is None else corrected.touched
            for taken in observation.aliases:
                alias = await self._store.user_data.alias(taken.request_id)
                found += () if alias is None else (alias.source_mpid, alias.destination_mpid)
        return tuple(dict.fromkeys(found))


def corrected_document(done: HistoryCorrected) -> Document:
    """Write down what a correction has changed, or would, as our own API shows it."""
    moved, left = done.moved[:MOVES_TOLD_MAX], done.left[:MOVES_TOLD_MAX]
    return {
        "decision_id": done.decision_id,
        "changed": [str(mpid) for mpid in done.changed],
        "moved": [
            {
                "workspace": one.workspace,
                "environment": one.environment,
                "from_mpid": None if one.from_mpid is None else str(one.from_mpid),
                "to_mpid": None if one.to_mpid is None else str(one.to_mpid),
                "batches": one.batches,
                "events": one.events,
            }
            for one in moved
        ],
        "left": [
            {
                "workspace": one.key.workspace,
                "environment": one.key.environment,
                "mpid": str(one.key.mpid),
                "what": list(one.what),
            }
            for one in left
        ],
        "more": len(done.moved) > len(moved) or len(done.left) > len(left),
    }


def _refusal(entry: LogEntry, observation: Observation, identity: Identity | None) -> UndoRefused | None:
    """Say why a line can't be taken back, whatever else there is; None if it may be."""
    if isinstance(observation, Erasure):
        return UndoRefused(UndoRefusal.ERASED, "An erasure is not taken back: what was erased is no longer there.")
    if isinstance(observation, Correction):
        if not observation.take_back and not observation.aliases:
            sentence = "The correction is of a value or of the rules: release the value, or resolve under other rules."
            return UndoRefused(UndoRefusal.NOT_BY_DECISION, sentence)
    elif not entry.touched:
        return UndoRefused(UndoRefusal.NOTHING_CHANGED, "The decision changed nothing that could be taken back.")
    if identity is not None and identity not in named_in(observation):
        sentence = f"The decision was not asked with {identity.type.value} {identity.value}."
        return UndoRefused(UndoRefusal.UNKNOWN_IDENTITY, sentence)
    return None


def _alias_refusal(alias: AliasRow, identity: Identity | None) -> UndoRefused | None:
    """Say why an alias request can't be taken back; None if it may be."""
    if identity is not None:
        return UndoRefused(UndoRefusal.UNKNOWN_IDENTITY, "An alias request is not asked with identities.")
    match alias.state:
        case AliasState.DONE:
            return None
        case AliasState.UNDONE:
            return _refused(NotCorrected.COUNTS_ALREADY)
        case AliasState.QUEUED:
            return UndoRefused(UndoRefusal.NOT_DONE, "The alias request has not been carried out yet.")
        case AliasState.REJECTED:
            return UndoRefused(UndoRefusal.NOTHING_CHANGED, "The alias request was rejected: it has changed nothing.")
        case _:
            assert_never(alias.state)


def _refused(reason: NotCorrected) -> UndoRefused:
    match reason:
        case NotCorrected.COUNTS_ALREADY:
            return UndoRefused(UndoRefusal.UNDONE_ALREADY, "That is taken back already.")
        case NotCorrected.TOO_LARGE:
            sentence = (
                "More lines of the log, or batches of events, could have been influenced than are sorted at once."
            )
            return UndoRefused(UndoRefusal.TOO_LARGE, sentence)
        case NotCorrected.UNEXPLAINED:
            sentence = "The log does not explain what these profiles are: `knownas verify` names those that differ."
            return UndoRefused(UndoRefusal.UNEXPLAINED, sentence)
        case NotCorrected.ERASED:
            sentence = (
                "What the request did is no longer kept, or a profile was erased that it would be about without it."
            )
            return UndoRefused(UndoRefusal.ERASED, sentence)
        case _:
            assert_never(reason)
