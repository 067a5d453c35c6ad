"""Writes decisions down for the log, and shows them to people and programs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from knownas.core.history.fold import Logged
from knownas.core.identity.decision import Change, Created, Seeded
from knownas.core.identity.document import (
    Document,
    decision_document,
    decision_from,
    observation_document,
    observation_from,
)
from knownas.core.identity.observation import IdentityRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.story import story_of_document
from knownas.service.lately import Lately
from knownas.service.limits import RECENT_DECISIONS_MAX
from knownas.service.question import Answer
from knownas.store.port import LogEntry

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])


def log_entry(answer: Answer) -> LogEntry:
    """Write an answer down as the log keeps it."""
    decision, observation = answer.decision, answer.question.observation
    if decision.recency and isinstance(observation, IdentityRequest):
        observation = observation._replace(recency=decision.recency)
    outcome = decision.outcome
    return LogEntry(
        decision_id=answer.decision_id,
        pool=answer.question.pool,
        at_ms=observation.at_ms,
        policy_version=answer.question.rules.policy.version,
        created_mpid=outcome.mpid if isinstance(outcome, Created | Seeded) else None,
        touched=tuple(decision.touched) if answer.question.writes else (),
        observation=_ENCODER.encode(observation_document(observation)),
        decision=_ENCODER.encode(decision_document(decision)),
    )


def logged(entry: LogEntry) -> Logged:
    """Read an entry of the log for a fold."""
    return Logged(
        observation_from(_DECODER.decode(entry.observation)),
        entry.policy_version,
        entry.created_mpid,
        bool(entry.touched),
    )


def receipt(entry: LogEntry, policy: Policy | None) -> Document:
    """Show one decision whole: what was asked, what was answered, and the steps from one to the other.

    `policy` is the version it was made under.
    """
    observation = _DECODER.decode(entry.observation)
    decision = _DECODER.decode(entry.decision)
    story = story_of_document(observation, decision, policy)
    return {
        "decision_id": entry.decision_id,
        "at": rfc3339(entry.at_ms),
        "scope": entry.pool.scope,
        "environment": observation["environment"],
        "input": observation["input"],
        "endpoint": observation["endpoint"],
        "policy_version": entry.policy_version,
        "changed": bool(entry.touched),
        "observation": observation,
        **decision,
        "story": {"headline": story.headline, "sentences": list(story.sentences)},
    }


def changes_of(entry: LogEntry) -> list[Mapping[str, Any]]:
    """Return the identity changes of a logged decision."""
    return _DECODER.decode(entry.decision)["changes"]


def identity_changes_of(entry: LogEntry) -> tuple[Change, ...]:
    """Return the identity changes of a logged decision, as the core made them."""
    return decision_from(_DECODER.decode(entry.decision)).changes


def rfc3339(at_ms: int) -> str:
    """Write a time in Unix milliseconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RecentDecisions:
    """The latest decisions that changed nothing: kept in memory, the older forgotten first."""

    def __init__(self) -> None:
        self._answers: Lately[str, Answer] = Lately(RECENT_DECISIONS_MAX)

    def add(self, answer: Answer) -> None:
        """Keep an answer for a while."""
        self._answers.note(answer.decision_id, answer)

    def find(self, decision_id: str) -> LogEntry | None:
        """Return a recent decision as if it had been logged."""
        answer = self._answers.find(decision_id)
        if answer is None:
            return None
        return replace(log_entry(answer), touched=())
