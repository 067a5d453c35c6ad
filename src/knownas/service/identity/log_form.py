"""Turns observations and decisions into the bytes that the log keeps, and back.

The log keeps each value as the JSON array of its members, in their order: a third as long as with their names, and
written without a line of Python for each. So the order of the members in `core.identity.observation` and
`core.identity.decision` is a format: a new member comes last and has a default, and none ever goes.
What people and programs are shown has names: `core.identity.document`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from knownas.core.identity.decision import (
    Change,
    Corrected,
    Created,
    DecidedBy,
    Decision,
    Erased,
    Modified,
    NotFound,
    Outcome,
    Receipt,
    Refused,
    Returned,
    Seeded,
    SkippedIdentity,
)
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)

_ENCODER: Final = msgspec.json.Encoder()
_REQUEST: Final = msgspec.json.Decoder(tuple[Endpoint, IdentityRequest])
_REQUESTS: Final = msgspec.json.Decoder(list[tuple[Endpoint, IdentityRequest]])
_MODIFY: Final = msgspec.json.Decoder(tuple[Endpoint, ModifyRequest])
_SEED: Final = msgspec.json.Decoder(tuple[Endpoint, SeedRequest])
_CORRECTION: Final = msgspec.json.Decoder(tuple[Endpoint, Correction])
_ERASURE: Final = msgspec.json.Decoder(tuple[Endpoint, Erasure])
_MODIFIES, _SEEDS, _CORRECTS, _ERASES = (
    f'["{endpoint}",'.encode() for endpoint in (Endpoint.MODIFY, Endpoint.SEED, Endpoint.CORRECT, Endpoint.ERASE)
)
_NO_REQUEST: Final = (_MODIFIES, _SEEDS, _CORRECTS, _ERASES)
_DECISION: Final = msgspec.json.Decoder(
    tuple[str, msgspec.Raw, Receipt, tuple[Change, ...], tuple[SkippedIdentity, ...]]
)
_ANSWER: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw])
_NO_RECEIPT: Final = Receipt(0, (), DecidedBy.NO_CANDIDATE)
_NAMES: Final[dict[type[Outcome], str]] = {
    Returned: "returned",
    Created: "created",
    NotFound: "not_found",
    Refused: "refused",
    Modified: "modified",
    Seeded: "seeded",
    Corrected: "corrected",
    Erased: "erased",
}
_OUTCOMES: Final[dict[str, msgspec.json.Decoder[Outcome]]] = {
    name: msgspec.json.Decoder(outcome) for outcome, name in _NAMES.items()
}


class Damaged(ValueError):
    """The bytes are not what the log keeps."""


def observation_bytes(observation: Observation) -> bytes:
    """Write an observation down, with all a fold needs."""
    return _ENCODER.encode((observation.endpoint, observation))


def observation_from(kept: bytes) -> Observation:
    """Read an observation that was written down.

    Raises:
        Damaged: it was not.
    """
    try:
        # Decoded in one go, which takes a third of the time: a fold reads every line of the log.
        if kept.startswith(_MODIFIES):
            return _MODIFY.decode(kept)[1]
        if kept.startswith(_SEEDS):
            return _SEED.decode(kept)[1]
        if kept.startswith(_CORRECTS):
            return _CORRECTION.decode(kept)[1]
        if kept.startswith(_ERASES):
            return _ERASURE.decode(kept)[1]
        return _REQUEST.decode(kept)[1]
    except msgspec.MsgspecError as error:
        raise Damaged(f"not an observation: {error}") from error


def is_correction(kept: bytes) -> bool:
    """Whether an observation that was written down is a correction, without reading it."""
    return kept.startswith(_CORRECTS)


def erased_in(kept: bytes) -> int | None:
    """Return the profile that an observation which was written down erases; None for any other, which is not read."""
    if not kept.startswith(_ERASES):
        return None
    observation = observation_from(kept)
    return observation.mpid if isinstance(observation, Erasure) else None


def requests_from(kept: Sequence[bytes]) -> Sequence[IdentityRequest | None]:
    """Read many observations at once, in two thirds of the time; None for one that is no request, or is damaged."""
    asked = [one for one in kept if not one.startswith(_NO_REQUEST)]
    try:
        read = [request for _, request in _REQUESTS.decode(b"[" + b",".join(asked) + b"]")]
    except msgspec.MsgspecError:
        read = None
    if read is None or len(read) != len(asked):
        return [_request_from(one) for one in kept]
    if len(read) == len(kept):
        return read
    found = iter(read)
    return [None if one.startswith(_NO_REQUEST) else next(found) for one in kept]


def _request_from(kept: bytes) -> IdentityRequest | None:
    try:
        return None if kept.startswith(_NO_REQUEST) else _REQUEST.decode(kept)[1]
    except msgspec.MsgspecError:
        return None


def decision_bytes(decision: Decision) -> bytes:
    """Write a decision down: its outcome, receipt, changes and what was left out; the records are kept elsewhere."""
    outcome = decision.outcome
    return _ENCODER.encode((_NAMES[type(outcome)], outcome, decision.receipt, decision.changes, decision.skipped))


def answered_in(kept: bytes) -> int | None:
    """Return the profile that a decision which was written down answered with, if any; reads no more of it than that.

    Raises:
        Damaged: it was not written down.
    """
    try:
        name, raw, *_ = _ANSWER.decode(kept)
        return Decision(_OUTCOMES[name].decode(raw), _NO_RECEIPT).answered
    except (msgspec.MsgspecError, KeyError) as error:
        raise Damaged(f"not a decision: {error}") from error


def mpids_bytes(mpids: tuple[int, ...]) -> bytes:
    """Write down the profiles that a line touched."""
    return _ENCODER.encode(mpids)


def value_bytes(value: str) -> bytes:
    """Return the bytes that stand in each decision that was written down and names an identity's value."""
    return _ENCODER.encode(value)


def decision_from(kept: bytes) -> Decision:
    """Read a decision that was written down: all but the records and writes.

    Raises:
        Damaged: it was not.
    """
    try:
        name, raw, receipt, changes, skipped = _DECISION.decode(kept)
        return Decision(_OUTCOMES[name].decode(raw), receipt, changes=changes, skipped=skipped)
    except (msgspec.MsgspecError, KeyError) as error:
        raise Damaged(f"not a decision: {error}") from error
