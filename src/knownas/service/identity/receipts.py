"""Writes decisions down for the log, and shows them to people and programs."""

from dataclasses import replace
from datetime import UTC, datetime

from knownas.core.history.counterfactual import Counterfactual
from knownas.core.history.counterfactual_story import counterfactual_story
from knownas.core.history.document import counterfactual_document
from knownas.core.history.fold import Logged
from knownas.core.identity.decision import Change, Created, Decision, Seeded, Skip, SkippedIdentity
from knownas.core.identity.document import Document, decision_document, observation_document
from knownas.core.identity.observation import IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.story import story
from knownas.service.history.subjects import set_aside_in, subjects_of
from knownas.service.identity.log_form import decision_bytes, decision_from, observation_bytes, observation_from
from knownas.service.identity.question import Answer
from knownas.service.lately import Lately
from knownas.service.limits import RECENT_DECISIONS_MAX
from knownas.store.port import LogEntry


def log_entry(answer: Answer) -> LogEntry:
    """Write an answer down as the log keeps it."""
    decision, observation = answer.decision, answer.question.observation
    may_create = answer.question.may_create
    if isinstance(observation, IdentityRequest) and (decision.recency or not may_create):
        observation = observation._replace(recency=decision.recency, may_create=may_create)
    outcome = decision.outcome
    return LogEntry(
        decision_id=answer.decision_id,
        pool=answer.question.pool,
        at_ms=observation.at_ms,
        policy_version=answer.question.policy.version,
        created_mpid=outcome.mpid if isinstance(outcome, Created | Seeded) else None,
        touched=tuple(decision.touched) if answer.question.writes else (),
        observation=observation_bytes(observation),
        decision=decision_bytes(decision),
        subjects=subjects_of(answer.question.pool, observation, decision),
    )


def logged(entry: LogEntry) -> Logged:
    """Read an entry of the log for a fold."""
    return Logged(observation_from(entry.observation), entry.policy_version, entry.created_mpid, bool(entry.touched))


def receipt(entry: LogEntry, policy: Policy | None, otherwise: Counterfactual) -> Document:
    """Show one decision whole: what was asked, what was answered, the steps from one to the other, and what decided.

    `policy` is the version it was made under. `otherwise` says what would have been answered to other requests.
    """
    observation = observation_from(entry.observation)
    decision = with_set_aside(decision_from(entry.decision), observation)
    told = story(observation, decision, policy)
    return {
        "decision_id": entry.decision_id,
        "at": rfc3339(entry.at_ms),
        "scope": entry.pool.scope,
        "environment": observation.environment,
        "input": observation.input,
        "endpoint": observation.endpoint,
        "policy_version": entry.policy_version,
        "changed": bool(entry.touched),
        "observation": observation_document(observation),
        **decision_document(decision),
        "counterfactual": counterfactual_document(otherwise),
        "story": {
            "headline": told.headline,
            "sentences": list(told.sentences),
            "counterfactual": list(counterfactual_story(otherwise, policy)),
        },
    }


def with_set_aside(decision: Decision, observation: Observation) -> Decision:
    """Return a decision that tells also of what was quarantined when its request came."""
    aside = tuple(SkippedIdentity(one, Skip.QUARANTINED) for one in set_aside_in(observation))
    return decision._replace(skipped=(*decision.skipped, *aside)) if aside else decision


def changes_of(entry: LogEntry) -> tuple[Change, ...]:
    """Return the identity changes of a logged decision."""
    return decision_from(entry.decision).changes


def rfc3339(at_ms: int, precision: str = "milliseconds") -> str:
    """Write a time in Unix milliseconds as RFC 3339 in UTC, down to what `precision` says ("seconds")."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


class RecentDecisions:
    """The latest decisions that changed nothing: kept in memory, the older forgotten first."""

    def __init__(self) -> None:
        self._answers: Lately[str, Answer] = Lately(RECENT_DECISIONS_MAX)

    def add(self, answer: Answer) -> None:
        """Keep an answer for a while."""
        self._answers.note(answer.decision_id, answer)

    def clear(self) -> None:
        """Forget all of them: one of them may name somebody who is erased."""
        self._answers = Lately(RECENT_DECISIONS_MAX)

    def find(self, decision_id: str) -> LogEntry | None:
        """Return a recent decision as if it had been logged."""
        answer = self._answers.find(decision_id)
        if answer is None:
            return None
        return replace(log_entry(answer), touched=())
