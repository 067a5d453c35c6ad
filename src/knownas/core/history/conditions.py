"""Says what counts of a history: which of its lines are taken back, and under which rules the others are decided.

The log never loses a line. What people later find to be wrong is not cut out of it, but stops counting: a login that was
somebody else's, one identity that a form sent by mistake, a value that behaves unlike a person's, a policy that joined
what it should not have. `Conditions` gather all that holds at one time. Each change of them is a line of the log itself
(`Correction`), so what counted when can be told for every moment, and a change of them can be taken back like anything
else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, TakeBack


class Judged(NamedTuple):
    """The rules of a whole past: lines up to a seq are decided under a policy version, whatever was in force then."""

    up_to_seq: int
    policy_version: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What counts.

    `undone` are lines that count as never having been said, `without` the identities that others count as not having
    named. Values that are `set_aside` match nobody and are learnt by nobody. `names` are the MPIDs of profiles that a line
    makes under conditions that once held and did not make, or made under another name, when it was logged.
    """

    undone: frozenset[int] = frozenset()
    without: Mapping[int, frozenset[Identity]] = field(default_factory=dict[int, frozenset[Identity]])
    set_aside: frozenset[Identity] = frozenset()
    judged: Judged | None = None
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
