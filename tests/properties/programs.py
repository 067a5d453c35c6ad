"""Draws random policies and random programs: lists of calls over so few identities that collisions are common.

A case is decoded from one string of bytes, five a step. Hypothesis draws that in a small part of the time that a
rule-based machine takes and evenly, where its integers crowd near zero; and it shrinks a failing case byte by byte
towards the default policy and steps that ask for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    EmptyRecord,
    LoginRequiresLoginId,
    LogoutLoginIds,
    SearchImmutablePolicy,
    Strategy,
    TieBreak,
)
from tests.properties.reference import Rules

TYPES = (
    IdentityType.CUSTOMER_ID,
    IdentityType.EMAIL,
    IdentityType.OTHER,
    IdentityType.IOS_IDFV,
    IdentityType.DEVICE_APPLICATION_STAMP,
)
VALUES = ("1", "2", "3")
PROGRAM_STEPS = 50

Pairs = tuple[tuple[IdentityType, str], ...]


class Mode(StrEnum):
    """How far a request for identities may go."""

    NORMAL = "normal"
    READ_ONLY = "read only: answers, and nothing of it holds"
    UPDATE_ONLY = "updates profiles and creates none"


@dataclass(frozen=True)
class Ask:
    """An identify, login, logout or search. `previous` is an index into the profiles there are, -1 is nobody's."""

    endpoint: Endpoint
    identities: Pairs
    previous: int | None = None
    mode: Mode = Mode.NORMAL
    wait_ms: int = 1

    @property
    def wanted(self) -> dict[IdentityType, str]:
        """The identities by type."""
        return dict(self.identities)


@dataclass(frozen=True)
class Modify:
    """A modify of the profile with this index: (type, old value, new value) a change."""

    who: int
    changes: tuple[tuple[IdentityType, str | None, str | None], ...]
    may_move_unique: bool = True
    wait_ms: int = 1


@dataclass(frozen=True)
class Seed:
    """A profile of another system; `who` an index names an MPID that is taken, -1 one that is free."""

    who: int | None
    identities: Pairs
    wait_ms: int = 1


@dataclass(frozen=True)
class Visit:
    """Activity of a profile that changes none of its identities, such as an event."""

    who: int
    wait_ms: int = 1


Step = Ask | Modify | Seed | Visit


class Digits:
    """Takes a number apart: each digit answers one question, what is left answers the next; 0 when used up."""

    def __init__(self, number: int) -> None:
        self.left = number

    def take(self, base: int) -> int:
        """Take a digit from 0 to `base` - 1."""
        self.left, digit = divmod(self.left, base)
        return digit


WAITS_MS = (1, 1, 1, 0, 5, -3)
"""Time mostly passes, sometimes stands still, and now and then the clock of another server is behind."""


def _pairs(digits: Digits, kinds: tuple[IdentityType, ...]) -> Pairs:
    """Decide which types a request has: each is absent half of the time."""
    drawn = [(kind, digits.take(6)) for kind in kinds]
    return tuple((kind, VALUES[digit - 3]) for kind, digit in drawn if digit >= 3)


def _ask(endpoint: Endpoint, mode: Mode = Mode.NORMAL) -> Callable[[Digits, tuple[IdentityType, ...]], Step]:
    def build(digits: Digits, kinds: tuple[IdentityType, ...]) -> Step:
        identities = _pairs(digits, kinds)
        previous = digits.take(16)
        wait = WAITS_MS[digits.take(len(WAITS_MS))]
        return Ask(endpoint, identities, None if previous < 4 else previous - 5, mode, wait)

    return build


def _modify(digits: Digits, kinds: tuple[IdentityType, ...]) -> Step:
    changes: list[tuple[IdentityType, str | None, str | None]] = []
    for _ in range(1 + digits.take(2)):
        kind = kinds[digits.take(len(kinds))]
        old, new = digits.take(4), digits.take(5)
        changes.append((kind, None if old == 0 else VALUES[old - 1], None if new < 2 else VALUES[new - 2]))
    who = digits.take(16) - 1
    return Modify(who, tuple(changes), may_move_unique=digits.take(4) != 3)


def _seed(digits: Digits, kinds: tuple[IdentityType, ...]) -> Step:
    identities = _pairs(digits, kinds)
    second = digits.take(2 * len(kinds))
    if second < len(kinds):
        identities = (*identities, (kinds[second], VALUES[digits.take(3)]))
    who = digits.take(6)
    return Seed(None if who < 3 else who - 4, identities)


def _visit(digits: Digits, _kinds: tuple[IdentityType, ...]) -> Step:
    return Visit(digits.take(16), WAITS_MS[digits.take(len(WAITS_MS))])


CALLS = (
    *[_ask(Endpoint.IDENTIFY)] * 7,
    *[_ask(Endpoint.LOGIN)] * 3,
    *[_ask(Endpoint.LOGOUT)] * 2,
    *[_ask(Endpoint.SEARCH)] * 2,
    *[_modify] * 5,
    _ask(Endpoint.IDENTIFY, Mode.READ_ONLY),
    _ask(Endpoint.LOGOUT, Mode.READ_ONLY),
    _ask(Endpoint.IDENTIFY, Mode.UPDATE_ONLY),
    _ask(Endpoint.LOGIN, Mode.UPDATE_ONLY),
    _seed,
    _visit,
)

STEP_BYTES = 5


def step_from(number: int, kinds: tuple[IdentityType, ...] = TYPES) -> Step:
    """Decode a step. 0 asks for nothing."""
    digits = Digits(number)
    return CALLS[digits.take(len(CALLS))](digits, kinds)


def program_from(drawn: bytes) -> list[Step]:
    """Decode a program, a step from each five bytes."""
    starts = range(0, len(drawn), STEP_BYTES)
    return [step_from(int.from_bytes(drawn[start : start + STEP_BYTES], "little")) for start in starts]


TIE_BREAKS = (
    (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
    (TieBreak.MOST_RECENT, TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID),
    (TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
    (TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID),
    (TieBreak.SMALLEST_MPID,),
)

_T = TypeVar("_T")


def _one_of(digits: Digits, choices: Sequence[_T]) -> _T:
    return choices[digits.take(len(choices))]


def _some_of(digits: Digits, kinds: Sequence[IdentityType]) -> set[IdentityType]:
    bits = digits.take(2 ** len(kinds))
    return {kind for number, kind in enumerate(kinds) if bits & 2**number}


def rules_from(drawn: bytes, kinds: tuple[IdentityType, ...] = TYPES) -> Rules:
    """Decode a policy: any strategy, any order of most or all types, any legal flags, any settings."""
    digits = Digits(int.from_bytes(drawn, "little"))
    strategy = _one_of(digits, tuple(Strategy))
    unplaced = list(kinds)
    priority = [unplaced.pop(digits.take(len(unplaced))) for _ in kinds]
    login, unique, immutable = (_some_of(digits, kinds) for _ in range(3))
    flagged = strategy is not Strategy.BEST_MATCH
    return Rules(
        strategy,
        priority[: len(priority) - _one_of(digits, (0, 0, 0, 1, 2))],
        login if flagged else set(),
        unique if flagged else set(),
        immutable & login & unique if flagged else set(),
        implicit_das=_one_of(digits, (True, True, False)),
        search_immutable=_one_of(digits, tuple(SearchImmutablePolicy)),
        logout_login_ids=_one_of(digits, tuple(LogoutLoginIds)),
        best_match=_one_of(digits, tuple(BestMatchLoginLogout)),
        login_requires=_one_of(digits, tuple(LoginRequiresLoginId)),
        empty_record=_one_of(digits, tuple(EmptyRecord)),
        max_values={_one_of(digits, kinds): 1 + digits.take(2) for _ in range(_one_of(digits, (0, 0, 1, 2)))},
        tie_break=_one_of(digits, TIE_BREAKS),
    )


RULES_BYTES = 12


@dataclass(frozen=True)
class Case:
    """A policy and a program to play under it."""

    rules: Rules
    program: list[Step]


def case_from(drawn: bytes) -> Case:
    """Decode a case: the policy from the first bytes, a program from the rest."""
    return Case(rules_from(drawn[:RULES_BYTES]), program_from(drawn[RULES_BYTES:]))


def cases(steps: int = PROGRAM_STEPS) -> st.SearchStrategy[Case]:
    """Draw cases of exactly so many steps."""
    size = RULES_BYTES + steps * STEP_BYTES
    return st.binary(min_size=size, max_size=size).map(case_from)
