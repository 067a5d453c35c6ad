"""Folds the lines of whole components into a world, line by line: what `world_of` comes to, the plain lines by a short cut.

A rehearsal folds a log of any length twice. Nearly all its lines are plain (`plain`), and a plain line that counts as it was
logged comes to the same in a world as in a fold; only what a new profile is called has to be told first. Everything else
is left to `world`. A property test holds the two against each other.
"""

from collections.abc import Mapping
from typing import Final

from knownas.core.history.conditions import Conditions
from knownas.core.history.plain import PlainRules
from knownas.core.history.world import (
    FoldStopped,
    FreshMpid,
    Line,
    World,
    fold_line,
    free_name,
    is_left_over,
    observation_that_counts,
)
from knownas.core.identity.observation import Correction, Erasure, IdentityRequest
from knownas.core.identity.policy import Capture


class SwiftWorld:
    """A world under way. Lines are given in the log's order, of any number of components."""

    def __init__(self, conditions: Conditions, rules: Mapping[int, PlainRules], fresh_mpid: FreshMpid) -> None:
        """`rules` are by policy version. Under which version a line counts is said with the line."""
        self.world: Final = World(given=set(conditions.names.values()))
        self._conditions = conditions
        self._rules = rules
        self._fresh_mpid = fresh_mpid
        self._undone, self._without = conditions.undone, conditions.without
        self._is_plain = not conditions.quarantine
        self._captured_all = {version: one.policy.settings.capture is Capture.ALL for version, one in rules.items()}

    def take(self, line: Line, version: int) -> int | None:
        """Fold the next line under a policy version; return the profile that it is answered with here, None for nobody.

        Raises:
            FoldStopped: there are no rules of that version.
        """
        seq, logged, answered = line
        observation, created, world, conditions = logged.observation, logged.created_mpid, self.world, self._conditions
        if created is not None:
            world.given.add(created)
        if isinstance(observation, Erasure):
            world.erase(observation.mpid)
            return None
        if isinstance(observation, Correction) or seq in self._undone or is_left_over(line, world):
            return None
        rules = self._rules.get(version)
        if rules is None:
            raise FoldStopped(f"line {seq} was decided under a policy version that is not kept")
        if self._is_plain and isinstance(observation, IdentityRequest) and seq not in self._without:
            here = self._taken_plainly(line, observation, rules)
            if here is not None:
                if answered is not None:
                    world.led_to[answered] = here
                return here
        counted = observation_that_counts(line, conditions, world)
        if counted is None:
            return None
        captured_all = self._captured_all.get(logged.policy_version, False)
        fresh = self._fresh_mpid
        return fold_line(line, counted, rules.policy, conditions, world, fresh, captured_all=captured_all)

    def _taken_plainly(self, line: Line, observation: IdentityRequest, rules: PlainRules) -> int | None:
        """Fold a line by the short cut; None if it is not plain, and nothing was done.

        What is known of visits is left alone: a plain line chooses between nobody, and what it writes tells when it was.
        """
        records, created = self.world.records, line.logged.created_mpid
        name = None if created is None or not observation.may_create else free_name(line, self._conditions, records)
        taken = rules.take(observation, records, name)
        if taken is None:
            if name is not None or not observation.may_create:
                return None
            # Only now it is worth to find or make up a name: most lines that made nobody make nobody.
            name = free_name(line, self._conditions, records) or self._fresh_mpid(line.seq)
            taken = rules.take(observation, records, name)
            if taken is None:
                return None
        here = taken.mpid
        if here == name and here != created:
            self.world.names[line.seq] = here
        return here
