"""Folds observations into identity records: the same decisions over the same log give the same records.

The log holds the observations that changed something. Each is decided again, in the log's order, under the
policy it was decided under, with the MPID that it was given if it made a profile. What a fold can't know by
itself, the activity of candidates that visits without a change had moved, was written beside the observation
where it could have decided (`IdentityRequest.recency`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from knownas.core.history.plain import PlainRules
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, Decision, Seeded
from knownas.core.identity.observation import IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records


class Logged(NamedTuple):
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
        if not line.changed:
            continue
        observation, made, mine = line.observation, line.created_mpid, rules[line.policy_version]
        # Where a line is plain, this is a fraction of the time: without a receipt.
        is_taken = isinstance(observation, IdentityRequest) and mine.take(
            observation, records, made, may_find=made is None
        )
        if not is_taken:
            fold_line(line, mine.policy, records)
    return records


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
