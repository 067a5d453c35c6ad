"""Says which lines of a log can influence each other, so that the others can be folded apart.

What a line does depends on the profiles that it meets, and it meets them by an identity that is looked up, or by their
MPID. So two lines can influence each other only if they share a looked-up identity, a profile that both name, made or
changed, directly or through other lines. Lines fall into components, the trees of a forest whose roots are their first
lines; each component folds by itself, in the log's order, to the records that it would fold to in the whole log.
"""

from array import array
from collections.abc import Iterable

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy

Name = Identity | int
"""What lines share: an identity, or an MPID."""


def types_looked_up(policies: Iterable[Policy]) -> frozenset[IdentityType]:
    """Return the types that any of the policies looks anybody up by; sharing a value of another one means nothing."""
    looked_up: frozenset[IdentityType] = frozenset()
    for policy in policies:
        looked_up |= policy.ranked | policy.unique_ids
    return looked_up


def names(
    observation: Observation | None, created_mpid: int | None, touched: tuple[int, ...], types: frozenset[IdentityType]
) -> list[Name]:
    """Return what a line shares with those that it can influence, or that can influence it.

    `touched` are the profiles that it changed when it was logged, `types` those that are looked up by. The previous MPID
    is one of them: where more profiles hold a value than a lookup considers, the previous one is considered too.
    `observation` None: it can't be read.
    """
    shared: list[Name] = [*touched]
    if created_mpid is not None and created_mpid not in touched:
        shared.append(created_mpid)
    match observation:
        case IdentityRequest():
            shared += [one for one in observation.identities if one[0] in types]
            if observation.previous_mpid is not None:
                shared.append(observation.previous_mpid)
        case ModifyRequest():
            shared.append(observation.mpid)
            shared += [
                Identity(change.type, value)
                for change in observation.changes
                for value in (change.old_value, change.new_value)
                if value is not None and change.type in types
            ]
        case SeedRequest():
            shared += [one for one in observation.identities if one[0] in types]
            if observation.mpid is not None:
                shared.append(observation.mpid)
        case Correction():
            shared += [mpid for mpid, _ in observation.gone]
            shared += [record.mpid for record in observation.records]
            shared += [one for record in observation.records for one in record.lookups() if one[0] in types]
        case Erasure():
            shared.append(observation.mpid)
        case None:
            pass
    return shared


def root_of(parents: "array[int]", place: int) -> int:
    """Return the root of a tree in a forest: the smallest place of all that were joined."""
    while (parent := parents[place]) != place:
        # Halves the way for those who come after.
        parents[place] = place = parents[parent]
    return place


def join(parents: "array[int]", one: int, other: int) -> None:
    """Make one tree of two."""
    one, other = root_of(parents, one), root_of(parents, other)
    if one < other:
        parents[other] = one
    else:
        parents[one] = other


def flatten(parents: "array[int]") -> None:
    """Let every place name its root. Parents come before their children, so one pass is enough."""
    for place, parent in enumerate(parents):
        if parent != place:
            parents[place] = parents[parent]
