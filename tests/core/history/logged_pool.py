"""A pool that logs what it decides, as worlds are folded from it."""

from knownas.core.history.conditions import Conditions
from knownas.core.history.fold import Logged
from knownas.core.history.world import Line, World, world_of
from knownas.core.identity.decision import Created, Outcome, Seeded
from knownas.core.identity.observation import Observation
from knownas.core.identity.policy import Capture
from tests.core.pool import Pool, rules


class LoggedPool(Pool):
    """A pool with a log: of all that was observed, or of what changed something, as its capture says."""

    def __init__(self, *, unique: str = "customerid", capture: Capture = Capture.CHANGES) -> None:
        super().__init__(rules(login="customerid", unique=unique, capture=capture))
        self.log: list[Line] = []

    def decide(self, observation: Observation, *, may_create: bool = True) -> Outcome:
        """Decide, and log that."""
        outcome = super().decide(observation, may_create=may_create)
        changed = bool(self.decision.writes)
        if changed or self.policy.settings.capture is Capture.ALL:
            made = outcome.mpid if isinstance(outcome, Created | Seeded) else None
            line = Logged(observation, self.policy.version, made, changed=changed)
            self.log.append(Line(len(self.log) + 1, line, self.decision.answered))
        return outcome

    def world(self, *undone: int) -> World:
        """Fold the log without some lines."""
        conditions = Conditions(undone=frozenset(undone))
        return world_of(self.log, conditions, {self.policy.version: self.policy}, lambda seq: 1000 + seq)
