"""Looks for the events of a sequence, one for each step, each later than the one before."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice
from typing import Final

from knownas.core.audience.compiled import UNBOUND, Bound, Held, Holds, Judges, held_until
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Sequenced, StepField, parts_of
from knownas.core.audience.mentions import Names

SEQUENCE_TRIES_MAX: Final = 50_000
"""Events that are tried for the steps of one sequence; one that is not found by then is taken for one that is not there."""


class Search:
    """Looks once, for one user.

    A step whose event no later condition speaks of takes the first that fits: any later one would leave fewer to the others.
    Else one after the other is tried.
    """

    def __init__(
        self,
        judge: Judges,
        aliases: Sequence[str],
        conditions: Sequence[Holds | None],
        names: Sequence[Names],
        spoken: frozenset[str],
    ) -> None:
        """Of each step there is the alias, the condition and which names an event may have; `spoken` are the aliases of `spoken_of`."""
        self._judge = judge
        self._events = judge.events.all
        self._aliases = aliases
        self._conditions = conditions
        self._places = [judge.events.places(one) for one in names]
        self._spoken = spoken
        self._tries = 0
        self._until_ms = NEVER

    def result(self) -> Held:
        """Look, and tell whether it is there."""
        there = self.found() is not None
        return held_until(there, self._until_ms)

    def found(self) -> Bound | None:
        """Look, and return the events by alias; None if it is not there."""
        return self._from(0, 0, UNBOUND)

    def _from(self, number: int, place: int, bound: Bound) -> Bound | None:
        if number == len(self._aliases):
            return bound
        alias, condition, places = self._aliases[number], self._conditions[number], self._places[number]
        for at in islice(places, bisect_left(places, place), None):
            if self._tries == SEQUENCE_TRIES_MAX:
                return None
            self._tries += 1
            event = self._events[at]
            if condition is not None:
                held = condition(self._judge, event, bound)
                self._until_ms = min(self._until_ms, held.until_ms)
                if not held.holds:
                    continue
            chosen = self._from(number + 1, at + 1, {**bound, alias: event})
            if chosen is not None or alias not in self._spoken:
                return chosen
        return None


def spoken_of(sequence: Sequenced) -> frozenset[str]:
    """Return the aliases that conditions of later steps speak of."""
    parts = (part for step in sequence.steps if step.condition is not None for part in parts_of(step.condition))
    return frozenset(part.alias for part in parts if isinstance(part, StepField))
