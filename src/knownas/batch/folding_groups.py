"""Says which profiles of a log belong together, because some line or some identity leads from one to another.

Nearly every line is about one profile, and nearly every identity is named in lines about one profile only. So it is profiles
that are joined, not lines: what has to be noted are the few pairs that an identity, or a line about several, makes of
two. Profiles of no pair are components by themselves, and cost nothing.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knownas.core.history.components import names
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import IdentityRequest
from knownas.service.identity.log_form import Damaged, observation_from, requests_from
from knownas.store.whole import Line

Numbers = NDArray[np.int64]
"""Hashes of identities, or MPIDs."""

Owner = int
"""The profile that stands for a line: the first that it changed."""

_OBSERVATION: Final = itemgetter(5)
_MADE: Final = itemgetter(3)
_KIND: Final = itemgetter(0)
_IDENTITIES: Final = itemgetter(4)
_PREVIOUS: Final = itemgetter(5)
_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
"""An odd number near the golden ratio of 64 bits: multiplied by it, neighbours fall far apart."""
_HALF: Final = np.uint64(32)


class Noted:
    """What a range's lines share with others: identities as numbers, each with an owner; and pairs of owners.

    The numbers are Python's own hashes, which are the fastest; all processes of a fold have the same seed of them
    (`folding_processes`). Two identities with the same number make one component of two, which is only slower.
    """

    def __init__(self, types: frozenset[IdentityType]) -> None:
        """`types` are those that anybody is looked up by."""
        self._types = types
        self._owners: list[Numbers] = []
        self._names: list[Numbers] = []
        self._named_by: list[Numbers] = []
        self._pairs: list[tuple[Owner, Owner]] = []

    def add(self, lines: Sequence[Line], touched: Sequence[tuple[int, ...]]) -> None:
        """Note what some lines share, each of which has changed something."""
        owners = list(map(_KIND, touched))
        self._owners.append(np.array(owners, np.int64))
        requests = requests_from(list(map(_OBSERVATION, lines)))
        asked = [one for one in requests if one is not None]
        if len(asked) == len(lines):
            self._add_requests(owners, asked)
        else:
            self._add_requests([owner for owner, one in zip(owners, requests, strict=True) if one is not None], asked)
            for line, changed, request in zip(lines, touched, requests, strict=True):
                if request is None:
                    self._add_other(line, changed)
        self._pairs += [
            (owner, made)
            for owner, made in zip(owners, map(_MADE, lines), strict=True)
            if made is not None and made != owner
        ]
        self._pairs += [(changed[0], other) for changed in touched if len(changed) > 1 for other in changed[1:]]

    def _add_requests(self, owners: Sequence[Owner], requests: Sequence[IdentityRequest]) -> None:
        """Note what requests name; the same as `names` says of each, without a step of Python for each."""
        named = list(map(_IDENTITIES, requests))
        identities = list(chain.from_iterable(named))
        of = np.repeat(np.array(owners, np.int64), np.fromiter(map(len, named), np.int64, len(named)))
        numbers = np.fromiter(map(hash, identities), np.int64, len(identities))
        if not self._types.issuperset(map(_KIND, identities)):
            joins = np.fromiter((one[0] in self._types for one in identities), np.bool_, len(identities))
            of, numbers = of[joins], numbers[joins]
        self._names.append(numbers)
        self._named_by.append(of)
        self._pairs += [
            (owner, previous)
            for owner, previous in zip(owners, map(_PREVIOUS, requests), strict=True)
            if previous is not None and previous != owner
        ]

    def _add_other(self, line: Line, changed: tuple[int, ...]) -> None:
        try:
            observation = observation_from(line[5])
        except Damaged:
            observation = None
        shared = names(observation, line[3], changed, self._types)
        numbers = [hash(one) for one in shared if isinstance(one, Identity)]
        self._names.append(np.array(numbers, np.int64))
        self._named_by.append(np.full(len(numbers), changed[0], np.int64))
        self._pairs += [(changed[0], one) for one in shared if not isinstance(one, Identity) and one != changed[0]]

    def owners(self) -> Numbers:
        """Return the owner of each line."""
        return np.concatenate(self._owners)

    def named(self, parts: int) -> list[tuple[Numbers, Numbers]]:
        """Return identities as numbers, each with an owner, put into so many parts."""
        numbers, of = once(np.concatenate(self._names), np.concatenate(self._named_by))
        part = numbers % parts
        return [(numbers[part == one], of[part == one]) for one in range(parts)]

    def pairs(self) -> Numbers:
        """Return pairs of owners, one after the other."""
        return np.array(sorted(set(self._pairs)), np.int64).ravel()


def once(numbers: Numbers, of: Numbers) -> tuple[Numbers, Numbers]:
    """Return each pair of a number and its owner once, by ascending numbers and owners."""
    order = np.lexsort((of, numbers))
    numbers, of = numbers[order], of[order]
    is_new = np.ones(len(numbers), np.bool_)
    is_new[1:] = (numbers[1:] != numbers[:-1]) | (of[1:] != of[:-1])
    return numbers[is_new], of[is_new]


def joined_by(named: Iterable[tuple[Numbers, Numbers]]) -> Numbers:
    """Return the pairs of owners that the identities of one part make, in whatever ranges they were named."""
    several = list(named)
    numbers, of = once(np.concatenate([one for one, _ in several]), np.concatenate([one for _, one in several]))
    is_same = numbers[1:] == numbers[:-1]
    one, other = once(of[:-1][is_same], of[1:][is_same])
    return np.stack((one, other), 1).ravel()


class Groups(NamedTuple):
    """Profiles that belong to others, by ascending MPID, and the one that stands for all that belong together."""

    members: Numbers
    roots: Numbers

    def roots_of(self, owners: Numbers) -> Numbers:
        """Return the profiles that stand for the components of some profiles."""
        members, roots = self
        if not len(members):
            return owners
        at = np.minimum(np.searchsorted(members, owners), len(members) - 1)
        return np.where(members[at] == owners, roots[at], owners)


def groups_of(pairs: Sequence[Numbers]) -> Groups:
    """Put profiles together that pairs join, directly or through others."""
    joined = np.concatenate(pairs).reshape(-1, 2)
    members = np.unique(joined)
    one, other = np.searchsorted(members, joined[:, 0]), np.searchsorted(members, joined[:, 1])
    roots = np.arange(len(members))
    while True:
        mine, theirs = roots[one], roots[other]
        apart = mine != theirs
        if not apart.any():
            return Groups(members, members[roots])
        # Each tree hangs itself below the smallest that one of its pairs leads to; then everybody looks up to the root.
        one, other = one[apart], other[apart]
        smaller, larger = np.minimum(mine[apart], theirs[apart]), np.maximum(mine[apart], theirs[apart])
        np.minimum.at(roots, larger, smaller)
        while not np.array_equal(above := roots[roots], roots):
            roots = above


def shares_of(roots: Numbers, shares: int) -> Numbers:
    """Return in which of so many shares components are folded, by the profiles that stand for them."""
    # The upper half of the product depends on all of the number.
    upper = roots.astype(np.uint64) * _SPREAD >> _HALF
    return (upper * np.uint64(shares) >> _HALF).astype(np.int64)
