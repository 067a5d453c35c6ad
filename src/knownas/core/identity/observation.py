"""Holds what an observation is: one request for resolution as it arrived."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.core.limits import MODIFY_CHANGES_MAX


class Endpoint(StrEnum):
    """Which question was asked; idsync §3.3.

    `seed` brings a profile of another system over, `correct` changes what counts of the history, `erase` empties a profile.
    """

    IDENTIFY = "identify"
    LOGIN = "login"
    LOGOUT = "logout"
    SEARCH = "search"
    MODIFY = "modify"
    SEED = "seed"
    CORRECT = "correct"
    ERASE = "erase"


class Environment(StrEnum):
    """Production and development data are kept apart; idsync §1.2."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


RESOLVING = frozenset({Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH})

Recency = tuple[tuple[int, int], ...]
"""MPIDs with the time each was last active, in Unix milliseconds."""


class IdentityRequest(NamedTuple):
    """An identify, login, logout or search (`RESOLVING`).

    `identities` are in canonical order, one value a type, empty ones already dropped (idsync §3.2 step 1).
    `recency` is what the resolver knew of the candidates' activity where that could decide: visits that change
    nothing are not logged, so a fold could not know it otherwise. `may_create` False says that no profile would have
    been made for it: a read-only request, or an input that only updates. Both are filled in for the log.
    `set_aside` are identities that it named and that were quarantined when it came, in canonical order: no rule looks at
    them, but the log keeps them, so that they can be made to count later.
    """

    endpoint: Endpoint
    at_ms: int
    environment: Environment
    input: str
    identities: tuple[Identity, ...]
    previous_mpid: int | None = None
    recency: Recency = ()
    may_create: bool = True
    set_aside: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """One line of a modify: `old_value` None adds, `new_value` None removes; idsync §3.6."""

    type: IdentityType
    old_value: str | None
    new_value: str | None


@dataclass(frozen=True, slots=True)
class ModifyRequest:
    """A change of the identities of one profile, named by its MPID. `set_aside` as in `IdentityRequest`."""

    at_ms: int
    environment: Environment
    input: str
    mpid: int
    changes: tuple[IdentityChange, ...]
    may_move_unique: bool = True
    set_aside: tuple[IdentityChange, ...] = ()

    def __post_init__(self) -> None:
        if len(self.changes) > MODIFY_CHANGES_MAX:
            raise ValueError(f"at most {MODIFY_CHANGES_MAX} changes in one request")

    @property
    def endpoint(self) -> Endpoint:
        """Always modify."""
        return Endpoint.MODIFY


@dataclass(frozen=True, slots=True)
class SeedRequest:
    """A profile of another system that comes over with its identities; several values of a type are allowed.

    `mpid` None means that it gets a new one. `set_aside` as in `IdentityRequest`.
    """

    at_ms: int
    environment: Environment
    input: str
    mpid: int | None
    identities: tuple[Identity, ...]
    set_aside: tuple[Identity, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Always seed."""
        return Endpoint.SEED


class TakeBack(NamedTuple):
    """Something that stops counting, or counts again: what a line of the log observed, or one identity that it named."""

    seq: int
    decision_id: str
    identity: Identity | None = None
    counts_again: bool = False


class Judged(NamedTuple):
    """An identity that no earlier line counts as having named, or that they count as having named again."""

    identity: Identity
    counts: bool


class TakenAlias(NamedTuple):
    """An alias request that is taken back, or carried out again."""

    request_id: str
    counts_again: bool = False


@dataclass(frozen=True, slots=True)
class Correction:
    """A change of what counts of the history, with all that comes of it.

    What counts is changed by what is taken back line by line; by `quarantine`, of all earlier lines at once; and by
    `policy_version`, under which all earlier lines count as decided. None leaves each line the version it was decided under.
    `aliases` are alias requests, which change user data only.
    `records` are the profiles that are others afterwards, whole. `gone` are profiles that would never have been made;
    each with the one that answers for it now, None if nobody does. `names` are the MPIDs of profiles that lines make now
    and did not make when they were logged, by the line's seq.
    """

    at_ms: int
    environment: Environment
    input: str
    take_back: tuple[TakeBack, ...]
    records: tuple[Record, ...] = ()
    gone: tuple[tuple[int, int | None], ...] = ()
    names: tuple[tuple[int, int], ...] = ()
    quarantine: tuple[Judged, ...] = ()
    policy_version: int | None = None
    aliases: tuple[TakenAlias, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Always correct."""
        return Endpoint.CORRECT


@dataclass(frozen=True, slots=True)
class Erasure:
    """A profile whose person has asked to be forgotten: from now on it holds nothing, and nobody else may have its MPID.

    It always counts: no correction takes it back.
    """

    at_ms: int
    environment: Environment
    input: str
    mpid: int

    @property
    def endpoint(self) -> Endpoint:
        """Always erase."""
        return Endpoint.ERASE


Observation = IdentityRequest | ModifyRequest | SeedRequest | Correction | Erasure
