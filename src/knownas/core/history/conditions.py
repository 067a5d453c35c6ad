"""Says what counts of a history: which of its lines are taken back, whole or in part.

The log never loses a line. What people later find to be wrong is not cut out of it, but stops counting: a login that was
somebody else's, one identity that a form sent by mistake. `Conditions` gather all that holds at one time. Each change of
them is a line of the log itself (`Correction`), so what counted when can be told for every moment, and a change of them
can be taken back like anything else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, TakeBack


@dataclass(frozen=True, slots=True)
class Conditions:
    """What counts.

    `undone` are lines that count as never having been said, `without` the identities that others count as not having
    named. `names` are the MPIDs of profiles that a line makes under conditions that once held and did not make, or made under
    another name, when it was logged.
    """

    undone: frozenset[int] = frozenset()
    without: Mapping[int, frozenset[Identity]] = field(default_factory=dict[int, frozenset[Identity]])
    names: Mapping[int, int] = field(default_factory=dict[int, int])

    def after(self, take_back: TakeBack) -> "Conditions":
        """Return the conditions with one more thing taken back, or with something counting again."""
        seq, identity = take_back.seq, take_back.identity
        if identity is None:
            undone = self.undone - {seq} if take_back.counts_again else self.undone | {seq}
            return replace(self, undone=undone)
        held = self.without.get(seq, frozenset[Identity]())
        left = held - {identity} if take_back.counts_again else held | {identity}
        without = {key: value for key, value in self.without.items() if key != seq}
        return replace(self, without={**without, seq: left} if left else without)


def conditions_of(corrections: Iterable[Correction]) -> Conditions:
    """Gather what counts after corrections, given in the order of the log."""
    conditions: Conditions = Conditions()
    for one in corrections:
        for take_back in one.take_back:
            conditions = conditions.after(take_back)
        conditions = replace(conditions, names={**conditions.names, **dict(one.names)})
    return conditions
