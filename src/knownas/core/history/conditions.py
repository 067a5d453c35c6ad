"""Says what counts of a history: which of its lines are taken back, whole or in part.

The log never loses a line. What people later find to be wrong is not cut out of it, but stops counting: a login that was
somebody else's, one identity that a form sent by mistake, a value that nobody's own turned out to be. Or it counts as
decided by other rules. `Conditions` gather all that holds at one time. Each change of
them is a line of the log itself (`Correction`), so what counted when can be told for every moment, and a change of them
can be taken back like anything else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Judged, TakeBack


class Ruling(NamedTuple):
    """Whether an identity counts, in all lines before the one with this seq."""

    seq: int
    counts: bool


class RulesSince(NamedTuple):
    """The policy version under which all lines before the one with this seq count as decided."""

    seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What counts.

    `undone` are lines that count as never having been said, `without` the identities that others count as not having
    named. `names` are the MPIDs of profiles that a line makes under conditions that once held and did not make, or made under
    another name, when it was logged. `quarantine` rules about identities, and `rules` about the policy, for lines before a
    seq: a later line says itself what was set aside when it came, and under which policy it was decided.
    """

    undone: frozenset[int] = frozenset()
    without: Mapping[int, frozenset[Identity]] = field(default_factory=dict[int, frozenset[Identity]])
    names: Mapping[int, int] = field(default_factory=dict[int, int])
    quarantine: Mapping[Identity, Ruling] = field(default_factory=dict[Identity, Ruling])
    rules: RulesSince | None = None

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

    def judged(self, seq: int, quarantine: Iterable[Judged], policy_version: int | None) -> "Conditions":
        """Return the conditions with what a correction at this seq says of all lines before it."""
        rulings = {one.identity: Ruling(seq, one.counts) for one in quarantine}
        rules = self.rules if policy_version is None else RulesSince(seq, policy_version)
        return replace(self, quarantine={**self.quarantine, **rulings}, rules=rules)

    def counts(self, seq: int, identity: Identity, *, named: bool) -> bool:
        """Say whether an identity counts that a line names; `named` False for one that was set aside when it came."""
        ruling = self.quarantine.get(identity)
        return named if ruling is None or seq >= ruling.seq else ruling.counts

    def version(self, seq: int, logged: int) -> int:
        """Return the policy version under which a line counts as decided; `logged` is the one it was decided under."""
        return logged if self.rules is None or seq >= self.rules.seq else self.rules.version


def conditions_of(
    corrections: Iterable[tuple[int, Correction]], quarantined: Mapping[Identity, int] | None = None
) -> Conditions:
    """Gather what counts after corrections, given with their seqs in the order of the log.

    `quarantined` are identities that do not count, each with the seq of the correction that said so: whoever gathers the
    lines of a component does not go by way of them, and may have come upon an earlier correction than that one.
    """
    apart = {} if quarantined is None else {one: Ruling(seq, counts=False) for one, seq in quarantined.items()}
    conditions: Conditions = Conditions(quarantine=apart)
    for seq, one in corrections:
        for take_back in one.take_back:
            conditions = conditions.after(take_back)
        judged = [each for each in one.quarantine if each.identity not in apart or seq > apart[each.identity].seq]
        conditions = conditions.judged(seq, judged, one.policy_version)
        conditions = replace(conditions, names={**conditions.names, **dict(one.names)})
    return conditions
