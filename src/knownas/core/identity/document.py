"""Turns observations and decisions into plain JSON-ready values: the form in which people and programs see them.

MPIDs become strings, since JSON numbers lose 64-bit integers in JavaScript. Members never disappear from a form;
they are only added. The log keeps a shorter form (`service.identity.log_form`).
"""

from collections.abc import Iterable
from typing import assert_never

from knownas.core.identity.decision import (
    Change,
    Corrected,
    Created,
    Decision,
    Erased,
    LookupStep,
    Modified,
    NotFound,
    Outcome,
    Receipt,
    Refused,
    Returned,
    Seeded,
    SkippedIdentity,
)
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
from knownas.core.identity.record import Values

Document = dict[str, object]


def observation_document(observation: Observation) -> Document:
    """Show an observation whole."""
    document: Document = {
        "endpoint": observation.endpoint,
        "at_ms": observation.at_ms,
        "environment": observation.environment,
        "input": observation.input,
    }
    match observation:
        case IdentityRequest():
            document["identities"] = {one.type: one.value for one in observation.identities}
            document["previous_mpid"] = _text(observation.previous_mpid)
            document["recency"] = [[str(mpid), at_ms] for mpid, at_ms in observation.recency]
            document["may_create"] = observation.may_create
            document["set_aside"] = _identities(observation.set_aside)
        case ModifyRequest():
            document["mpid"] = str(observation.mpid)
            document["changes"] = _identity_changes(observation.changes)
            document["may_move_unique"] = observation.may_move_unique
            document["set_aside"] = _identity_changes(observation.set_aside)
        case SeedRequest():
            document["mpid"] = _text(observation.mpid)
            document["identities"] = _identities(observation.identities)
            document["set_aside"] = _identities(observation.set_aside)
        case Correction():
            document["take_back"] = [
                {
                    "decision_id": one.decision_id,
                    "identity": None if one.identity is None else [one.identity.type, one.identity.value],
                    "counts_again": one.counts_again,
                }
                for one in observation.take_back
            ]
            document["gone"] = [[str(mpid), _text(now)] for mpid, now in observation.gone]
            document["quarantine"] = [
                {"identity": [one.identity.type, one.identity.value], "counts": one.counts}
                for one in observation.quarantine
            ]
            document["policy_version"] = observation.policy_version
            document["aliases"] = [
                {"request_id": one.request_id, "counts_again": one.counts_again} for one in observation.aliases
            ]
        case Erasure():
            document["mpid"] = str(observation.mpid)
        case _:
            assert_never(observation)
    return document


def _identities(given: Iterable[Identity]) -> list[list[str]]:
    return [[one.type, one.value] for one in given]


def _identity_changes(given: Iterable[IdentityChange]) -> list[Document]:
    return [{"identity_type": one.type, "old_value": one.old_value, "new_value": one.new_value} for one in given]


def decision_document(decision: Decision) -> Document:
    """Show a decision: its outcome, receipt, changes and what was left out."""
    return {
        "outcome": outcome_document(decision.outcome),
        "receipt": _receipt_document(decision.receipt),
        "changes": [_change_document(change) for change in decision.changes],
        "skipped": [_skipped_document(skipped) for skipped in decision.skipped],
    }


def outcome_document(outcome: Outcome) -> Document:
    """Write an outcome down; `kind` tells which of the closed set it is."""
    document: Document
    match outcome:
        case Returned(mpid, known, became_known):
            document = {"kind": "returned", "mpid": str(mpid), "known": known, "became_known": became_known}
        case Created(mpid, known, source_mpid):
            document = {"kind": "created", "mpid": str(mpid), "known": known, "source_mpid": _text(source_mpid)}
        case NotFound():
            document = {"kind": "not_found"}
        case Refused(reason, message):
            document = {"kind": "refused", "reason": reason, "message": message}
        case Modified(mpid, known, results):
            changed = [{"identity_type": kind, "modified_mpid": str(whose)} for kind, whose in results]
            document = {"kind": "modified", "mpid": str(mpid), "known": known, "results": changed}
        case Seeded(mpid, known):
            document = {"kind": "seeded", "mpid": str(mpid), "known": known}
        case Corrected(mpids):
            document = {"kind": "corrected", "mpids": [str(mpid) for mpid in mpids]}
        case Erased(mpid):
            document = {"kind": "erased", "mpid": str(mpid)}
        case _:
            assert_never(outcome)
    return document


def values_document(values: Values) -> dict[str, list[str]]:
    """Write identities down by type, the types in alphabetical order."""
    return {kind: list(values[kind]) for kind in sorted(values)}


def _receipt_document(receipt: Receipt) -> Document:
    return {
        "policy_version": receipt.policy_version,
        "steps": [_step_document(step) for step in receipt.steps],
        "decided_by": receipt.decided_by,
        "decided_at": receipt.decided_at,
    }


def _step_document(step: LookupStep) -> Document:
    return {
        "type": step.identity.type,
        "value": step.identity.value,
        "candidates": [str(mpid) for mpid in step.returnable],
        "rejected": [{"mpid": str(one.mpid), "guard": one.guard} for one in step.rejected],
        "more": step.more,
        "effect": step.effect,
        "left": [str(mpid) for mpid in step.left],
    }


def _change_document(change: Change) -> Document:
    return {
        "change": change.kind,
        "type": change.identity.type,
        "value": change.identity.value,
        "mpid": str(change.mpid),
        "from_mpid": _text(change.from_mpid),
    }


def _skipped_document(skipped: SkippedIdentity) -> Document:
    return {
        "type": skipped.identity.type,
        "value": skipped.identity.value,
        "why": skipped.why,
        "holder": _text(skipped.holder),
    }


def _text(mpid: int | None) -> str | None:
    return None if mpid is None else str(mpid)
