"""Holds what an identity record is: the identities by which one profile can be looked up now (idsync §1.3)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Policy

MPID_MIN: Final = -(2**63)
MPID_MAX: Final = 2**63 - 1
"""The smallest and the largest MPID; 0 is none."""

_DIGITS_MAX: Final = len(str(MPID_MAX))

Values = Mapping[IdentityType, tuple[str, ...]]
"""Values by type, each type's in the order in which they were set; a type without values is absent."""


def parse_mpid(text: str) -> int | None:
    """Read an MPID: a signed 64-bit decimal that is not 0. None for anything else, never a float on the way."""
    digits = text.removeprefix("-")
    # isdecimal alone would let the digits of other scripts through.
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > _DIGITS_MAX:
        return None
    return valid_mpid(int(text))


def valid_mpid(number: int) -> int | None:
    """Return the number if it can be an MPID; 0 means "no user" to the SDKs and is never one."""
    return number if number != 0 and MPID_MIN <= number <= MPID_MAX else None


class Record(NamedTuple):
    """One profile as identity resolution sees it.

    `identities` are those of the policy's ranking: the profile can be looked up by them. `carried` are the
    others: the profile knows them, an output may want them, no lookup ever uses them. `known` is whether the
    policy of the last change counted a login ID among the identities. `version` names the last change; a store
    compares it to notice that somebody else was faster. Times are Unix milliseconds.
    """

    mpid: int
    identities: Values
    carried: Values
    known: bool
    created_ms: int
    active_ms: int
    source_mpid: int | None = None
    version: int = 0

    @property
    def orphan(self) -> bool:
        """Whether nothing leads to this profile any more: its unique values moved away."""
        return not self.identities

    def holds(self, wanted: Identity) -> bool:
        """Whether the profile can be looked up by this identity."""
        return wanted.value in self.identities.get(wanted.type, ())

    def lookups(self) -> Iterator[Identity]:
        """Yield the identities by which the profile can be looked up."""
        for kind, values in self.identities.items():
            for value in values:
                yield Identity(kind, value)

    def lookups_beyond(self, other: "Record") -> Iterator[Identity]:
        """Yield the identities by which the profile can be looked up here, and not in another state of it."""
        theirs = other.identities
        for kind, values in self.identities.items():
            known = theirs.get(kind, ())
            # Most types are the same tuple in both: a change copies only what it changes.
            if known is not values:
                for value in values:
                    if value not in known:
                        yield Identity(kind, value)

    @property
    def size(self) -> int:
        """The number of values held, looked up by or carried."""
        found = sum(map(len, self.identities.values()))
        return found + sum(map(len, self.carried.values())) if self.carried else found


def emptied(record: Record) -> Record:
    """Return what is left of a profile that has gone or is erased: its MPID, and when there was somebody."""
    return record._replace(identities={}, carried={}, known=False, source_mpid=None)


def lasting(record: Record) -> Record:
    """Return what of a record a fold must give again: all but when it was last active, and the store's own version."""
    return record._replace(active_ms=0, version=0)


def lasts_as(one: Record | None, other: Record | None) -> bool:
    """Whether both are there, and nothing that lasts is otherwise in one of them."""
    return one is not None and other is not None and lasting(one) == lasting(other)


def held_by(record: Record | None) -> frozenset[Identity]:
    """Return all identities of a profile, those that it is found by and those that it carries."""
    if record is None:
        return frozenset()
    return frozenset(
        Identity(kind, value)
        for values in (record.identities, record.carried)
        for kind, held in values.items()
        for value in held
    )


def is_known(identities: Values, policy: Policy) -> bool:
    """Whether a record with these identities is a known user's: it holds a login ID; idsync §1.3."""
    return not policy.login_types.isdisjoint(identities)


def with_value(values: Values, added: Identity) -> Values:
    """Return the values with one more, at the end of its type's."""
    return {**values, added.type: (*values.get(added.type, ()), added.value)}


def without_value(values: Values, removed: Identity) -> Values:
    """Return the values without one of them; a type left empty disappears."""
    left = tuple(value for value in values.get(removed.type, ()) if value != removed.value)
    kept = {kind: held for kind, held in values.items() if kind is not removed.type}
    return {**kept, removed.type: left} if left else kept


def values_of(identities: Iterable[Identity]) -> Values:
    """Group identities by type, keeping their order and dropping repeats."""
    grouped: dict[IdentityType, dict[str, None]] = {}
    for one in identities:
        grouped.setdefault(one.type, {})[one.value] = None
    return {kind: tuple(values) for kind, values in grouped.items()}
