"""Folds observations into identity records: the same decisions over the same log give the same records.

The log holds the observations that changed something. Each is decided again, in the log's order, under the
policy it was decided under, with the MPID that it was given if it made a profile. What a fold can't know by
itself, the activity of candidates that visits without a change had moved, was written beside the observation
where it could have decided (`IdentityRequest.recency`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knownas.core.history.plain import PlainRules
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, Decision, RecordWrite, Seeded
from knownas.core.identity.observation import IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log: what was observed, under which policy version, and the MPID it was given if any.

    `changed` is false for an observation that was captured although it changed nothing; a fold passes over it.
    """

    observation: Observation
    policy_version: int
    created_mpid: int | None = None
    changed: bool = True


NO_FRESH_MPID = 0
"""Stands where a fold has no MPID to give: a line that made no profile must not make one now."""


class FoldDiverged(Exception):
    """A line made a profile that it did not make when it was logged, or the other way round."""


def fold(log: Iterable[Logged], policies: Mapping[int, Policy]) -> Records:
    """Fold one pool's log, from its beginning, into records.

    Raises:
        FoldDiverged: the log and the rules disagree about who was new.
        KeyError: a line names a policy version that is not given.
    """
    rules = {version: PlainRules(policy) for version, policy in policies.items()}
    records = Records()
    for line in log:
        if line.changed:
            advance(line, rules[line.policy_version], records)
    return records


def advance(line: Logged, rules: PlainRules, records: Records) -> Sequence[RecordWrite]:
    """Fold one line as `fold_line` does, in a fraction of its time where the line is plain: without a receipt.

    Returns:
        What the line changed, for whoever compares it with what was logged.

    Raises:
        FoldDiverged: the log and the rules disagree about who was new.
    """
    observation, made = line.observation, line.created_mpid
    if isinstance(observation, IdentityRequest):
        write = rules.write(
            observation.endpoint, observation.at_ms, observation.identities, records, made, may_find=made is None
        )
        if write is not None:
            return (write,)
    return fold_line(line, rules.policy, records).writes


def fold_line(line: Logged, policy: Policy, records: Records) -> Decision:
    """Decide one line again and apply it to the records."""
    observation = line.observation
    if isinstance(observation, IdentityRequest):
        # Just what the server knew then: what an earlier line tells may have been forgotten by a restart.
        records.recall(observation.recency)
    decision = decide(observation, policy, records, line.created_mpid or NO_FRESH_MPID)
    made = decision.outcome.mpid if isinstance(decision.outcome, Created | Seeded) else None
    if made != line.created_mpid:
        raise FoldDiverged(f"logged as making {line.created_mpid}, folded as making {made}: {observation}")
    records.apply(decision.writes)
    return decision
