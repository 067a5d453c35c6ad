"""Turns observations and decisions into plain JSON-ready values, and back.

This is the form in which the log keeps them and our API shows them. MPIDs become strings, since JSON numbers
lose 64-bit integers in JavaScript. Members never disappear from a form; they are only added.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never, cast

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Created,
    DecidedBy,
    Decision,
    Guard,
    LookupEffect,
    LookupStep,
    Modified,
    NotFound,
    Outcome,
    Receipt,
    Refusal,
    Refused,
    Rejection,
    Returned,
    Seeded,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.record import Record, Values

Document = dict[str, object]


def observation_document(observation: Observation) -> Document:
    """Write an observation down, with all a fold needs."""
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
        case ModifyRequest():
            document["mpid"] = str(observation.mpid)
            document["changes"] = [
                {"identity_type": one.type, "old_value": one.old_value, "new_value": one.new_value}
                for one in observation.changes
            ]
            document["may_move_unique"] = observation.may_move_unique
        case SeedRequest():
            document["mpid"] = _text(observation.mpid)
            document["identities"] = [[one.type, one.value] for one in observation.identities]
        case _:
            assert_never(observation)
    return document


def observation_from(document: Mapping[str, object]) -> Observation:
    """Read an observation that `observation_document` wrote.

    Raises:
        KeyError, ValueError: the document is not one; the log is damaged.
    """
    endpoint = Endpoint(cast("str", document["endpoint"]))
    return _READERS[endpoint](endpoint, document)


def _identity_request(endpoint: Endpoint, document: Mapping[str, object]) -> IdentityRequest:
    identities = cast("Mapping[str, str]", document["identities"])
    recency = cast("Sequence[tuple[str, int]]", document["recency"])
    return IdentityRequest(
        endpoint=endpoint,
        at_ms=cast("int", document["at_ms"]),
        environment=Environment(cast("str", document["environment"])),
        input=cast("str", document["input"]),
        # A store may order the members of an object in its own way.
        identities=tuple(sorted(Identity(IdentityType(kind), value) for kind, value in identities.items())),
        previous_mpid=_mpid_or_none(document["previous_mpid"]),
        recency=tuple((int(mpid), at_ms) for mpid, at_ms in recency),
    )


def _modify_request(_endpoint: Endpoint, document: Mapping[str, object]) -> ModifyRequest:
    changes = cast("Sequence[Mapping[str, str | None]]", document["changes"])
    return ModifyRequest(
        at_ms=cast("int", document["at_ms"]),
        environment=Environment(cast("str", document["environment"])),
        input=cast("str", document["input"]),
        mpid=_mpid(document["mpid"]),
        changes=tuple(
            IdentityChange(IdentityType(cast("str", one["identity_type"])), one["old_value"], one["new_value"])
            for one in changes
        ),
        may_move_unique=cast("bool", document["may_move_unique"]),
    )


def _seed_request(_endpoint: Endpoint, document: Mapping[str, object]) -> SeedRequest:
    identities = cast("Sequence[tuple[str, str]]", document["identities"])
    return SeedRequest(
        at_ms=cast("int", document["at_ms"]),
        environment=Environment(cast("str", document["environment"])),
        input=cast("str", document["input"]),
        mpid=_mpid_or_none(document["mpid"]),
        identities=tuple(Identity(IdentityType(kind), value) for kind, value in identities),
    )


_READERS: Final[Mapping[Endpoint, Callable[[Endpoint, Mapping[str, object]], Observation]]] = {
    Endpoint.IDENTIFY: _identity_request,
    Endpoint.LOGIN: _identity_request,
    Endpoint.LOGOUT: _identity_request,
    Endpoint.SEARCH: _identity_request,
    Endpoint.MODIFY: _modify_request,
    Endpoint.SEED: _seed_request,
}


def decision_document(decision: Decision) -> Document:
    """Write a decision down: its outcome, receipt, changes and what was left out."""
    return {
        "outcome": outcome_document(decision.outcome),
        "receipt": _receipt_document(decision.receipt),
        "changes": [_change_document(change) for change in decision.changes],
        "skipped": [_skipped_document(skipped) for skipped in decision.skipped],
    }


def outcome_document(outcome: Outcome) -> Document:
    """Write an outcome down; `kind` tells which of the closed set it is."""
    match outcome:
        case Returned(mpid, known, became_known):
            return {"kind": "returned", "mpid": str(mpid), "known": known, "became_known": became_known}
        case Created(mpid, known, source_mpid):
            return {"kind": "created", "mpid": str(mpid), "known": known, "source_mpid": _text(source_mpid)}
        case NotFound():
            return {"kind": "not_found"}
        case Refused(reason, message):
            return {"kind": "refused", "reason": reason, "message": message}
        case Modified(mpid, known, results):
            changed = [{"identity_type": kind, "modified_mpid": str(whose)} for kind, whose in results]
            return {"kind": "modified", "mpid": str(mpid), "known": known, "results": changed}
        case Seeded(mpid, known):
            return {"kind": "seeded", "mpid": str(mpid), "known": known}
        case _:
            assert_never(outcome)


def record_document(record: Record) -> Document:
    """Write a record down, for reports that compare records."""
    return {
        "mpid": str(record.mpid),
        "identities": values_document(record.identities),
        "carried": values_document(record.carried),
    }


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


def decision_from(document: Mapping[str, object]) -> Decision:
    """Read a decision that `decision_document` wrote: all but the records and writes, which it leaves out.

    Raises:
        KeyError, ValueError: the document is not one; the log is damaged.
    """
    outcome, receipt = cast("tuple[Mapping[str, object], ...]", (document["outcome"], document["receipt"]))
    decided_at = cast("str | None", receipt["decided_at"])
    return Decision(
        _outcome_from(outcome),
        Receipt(
            cast("int", receipt["policy_version"]),
            tuple(map(_step_from, _objects(receipt["steps"]))),
            DecidedBy(receipt["decided_by"]),
            None if decided_at is None else IdentityType(decided_at),
        ),
        changes=tuple(
            Change(ChangeKind(one["change"]), _identity(one), _mpid(one["mpid"]), _mpid_or_none(one["from_mpid"]))
            for one in _objects(document["changes"])
        ),
        skipped=tuple(
            SkippedIdentity(_identity(one), Skip(one["why"]), _mpid_or_none(one["holder"]))
            for one in _objects(document["skipped"])
        ),
    )


def _outcome_from(document: Mapping[str, object]) -> Outcome:
    match document:
        case {"kind": "returned", "mpid": mpid, "known": bool(known), "became_known": bool(became_known)}:
            return Returned(_mpid(mpid), known, became_known)
        case {"kind": "created", "mpid": mpid, "known": bool(known), "source_mpid": source_mpid}:
            return Created(_mpid(mpid), known, _mpid_or_none(source_mpid))
        case {"kind": "not_found"}:
            return NotFound()
        case {"kind": "refused", "reason": reason, "message": str(message)}:
            return Refused(Refusal(reason), message)
        case {"kind": "modified", "mpid": mpid, "known": bool(known), "results": results}:
            changed = ((IdentityType(one["identity_type"]), _mpid(one["modified_mpid"])) for one in _objects(results))
            return Modified(_mpid(mpid), known, tuple(changed))
        case {"kind": "seeded", "mpid": mpid, "known": bool(known)}:
            return Seeded(_mpid(mpid), known)
        case _:
            raise ValueError(f"not an outcome: {document}")


def _step_from(document: Mapping[str, object]) -> LookupStep:
    return LookupStep(
        _identity(document),
        tuple(map(_mpid, cast("Sequence[str]", document["candidates"]))),
        tuple(Rejection(_mpid(one["mpid"]), Guard(one["guard"])) for one in _objects(document["rejected"])),
        cast("bool", document["more"]),
        LookupEffect(document["effect"]),
        tuple(map(_mpid, cast("Sequence[str]", document["left"]))),
    )


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", value)


def _identity(document: Mapping[str, object]) -> Identity:
    return Identity(IdentityType(document["type"]), cast("str", document["value"]))


def _text(mpid: int | None) -> str | None:
    return None if mpid is None else str(mpid)


def _mpid(text: object) -> int:
    return int(cast("str", text))


def _mpid_or_none(text: object) -> int | None:
    return None if text is None else _mpid(text)
