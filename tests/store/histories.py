"""Draws random histories from a seed: policies, and calls over so few identities that they keep meeting.

Everything that a history needs from the world outside, the time and the profiles' numbers, follows from the seed, so
that two stores can be led through the same history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment
from knownas.core.identity.policy import (
    Capture,
    EmptyRecord,
    EnvironmentPools,
    LogoutLoginIds,
    Policy,
    Settings,
    Strategy,
    TieBreak,
    policy,
)

CUSTOMER, EMAIL, OTHER = IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.OTHER
IDFV, STAMP = IdentityType.IOS_IDFV, IdentityType.DEVICE_APPLICATION_STAMP
TYPES = (CUSTOMER, EMAIL, OTHER, IDFV, STAMP)
VALUES = ("1", "2", "3", "É")
HOUR_MS = 3_600_000
WAITS_MS = (0, 0, 1, 1, 1, 5, 2 * HOUR_MS, -3)
SCOPES = ("shop", "club")
CROWD = (18, 30)


class Mode(Enum):
    """How far a request may go."""

    NORMAL = auto()
    READ_ONLY = auto()
    UPDATE_ONLY = auto()


@dataclass(frozen=True)
class Where:
    """The scope and environment of a call, and the time that passes before it."""

    scope: str
    environment: Environment
    wait_ms: int


@dataclass(frozen=True)
class Ask:
    """A request for identities. `previous` counts the profiles answered so far."""

    where: Where
    endpoint: Endpoint
    identities: tuple[Identity, ...]
    previous: int | None
    mode: Mode


@dataclass(frozen=True)
class Modify:
    """A modify of one of the profiles answered so far: (type, old value, new value) a change."""

    where: Where
    who: int
    changes: tuple[tuple[IdentityType, str | None, str | None], ...]
    may_move_unique: bool


@dataclass(frozen=True)
class Seed:
    """A profile that comes over, under a fresh MPID or one that was answered before."""

    where: Where
    who: int | None
    identities: tuple[Identity, ...]


Call = Ask | Modify | Seed


@dataclass(frozen=True)
class Together:
    """Calls that are in flight at the same time."""

    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Flush:
    """So much time passes that the server writes down what it had put off."""


@dataclass(frozen=True)
class Restart:
    """The server stops, and starts again under these policies by scope."""

    policies: dict[str, Policy]


Step = Call | Together | Flush | Restart


def draw_policy(random: Random) -> Policy:
    """Draw a policy; the settings that change what a record becomes are all tried."""
    strategy = random.choice(list(Strategy))
    priority = random.sample(TYPES, random.randint(2, len(TYPES)))
    settings = Settings(
        implicit_das=random.random() < 0.7,
        logout_login_ids=random.choice(list(LogoutLoginIds)),
        max_values={kind: random.randint(1, 3) for kind in TYPES if random.random() < 0.2},
        tie_break=random.choice(
            [
                (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
                (TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
                (TieBreak.SMALLEST_MPID,),
            ]
        ),
        environment_pools=EnvironmentPools.SHARED if random.random() < 0.1 else EnvironmentPools.SEPARATE,
        empty_record=random.choice(list(EmptyRecord)),
        modify_device_application_stamp=True,
        capture=random.choice(list(Capture)),
    )
    if strategy is Strategy.BEST_MATCH:
        return policy(strategy, priority=priority, settings=settings)
    unique = {kind for kind in priority if random.random() < 0.4}
    login = {kind for kind in priority if random.random() < 0.4}
    immutable = {kind for kind in unique & login if random.random() < 0.5}
    return policy(
        strategy, priority=priority, login_ids=login, unique_ids=unique, immutable_ids=immutable, settings=settings
    )


def draw_history(seed: int, steps: int) -> tuple[dict[str, Policy], list[Step]]:
    """Draw the first policies and a history of so many steps."""
    random = Random(seed)
    policies = {scope: draw_policy(random) for scope in SCOPES}
    history: list[Step] = []
    if random.random() < 0.3:
        history.append(_crowd(random))
    batches, most = random.choice(((0.12, 9), (0.12, 9), (0.4, 14)))
    while len(history) < steps:
        die = random.random()
        if die < 0.04:
            history.append(Flush())
        elif die < 0.08 + batches:
            history.append(Together(tuple(_call(random) for _ in range(random.randint(2, most)))))
        elif die < 0.12 + batches:
            fresh = {scope: draw_policy(random) for scope in SCOPES if random.random() < 0.4}
            policies_now = {**_latest(policies, history), **fresh}
            history.append(Restart(policies_now))
        else:
            history.append(_call(random))
    return policies, history


def _latest(policies: dict[str, Policy], history: Sequence[Step]) -> dict[str, Policy]:
    return next((step.policies for step in reversed(history) if isinstance(step, Restart)), policies)


def _crowd(random: Random) -> Together:
    """Seed many profiles that share one value, most of them with nothing else."""
    kind = random.choice(TYPES)
    where = Where("shop", Environment.PRODUCTION, 0)
    members: list[Call] = []
    for _ in range(random.randint(*CROWD)):
        held = [Identity(kind, "1")]
        if random.random() < 0.4:
            held.append(Identity(random.choice(TYPES), random.choice(VALUES)))
        members.append(Seed(Where(where.scope, where.environment, random.choice((0, 0, 1))), None, tuple(held)))
    return Together(tuple(members))


def _where(random: Random) -> Where:
    scope = SCOPES[0] if random.random() < 0.85 else SCOPES[1]
    environment = Environment.PRODUCTION if random.random() < 0.9 else Environment.DEVELOPMENT
    return Where(scope, environment, random.choice(WAITS_MS))


def _call(random: Random) -> Call:
    where, die = _where(random), random.random()
    if die < 0.22:
        changes = [
            (random.choice(TYPES), random.choice((None, *VALUES)), random.choice((None, *VALUES)))
            for _ in range(random.randint(1, 3))
        ]
        return Modify(where, random.randrange(40), tuple(changes), random.random() < 0.8)
    if die < 0.28:
        held = [Identity(random.choice(TYPES), random.choice(VALUES)) for _ in range(random.randint(1, 3))]
        return Seed(where, random.choice((None, None, random.randrange(40))), tuple(held))
    endpoint = random.choice([Endpoint.IDENTIFY] * 5 + [Endpoint.LOGIN] * 3 + [Endpoint.LOGOUT] * 2 + [Endpoint.SEARCH])
    kinds = sorted(kind for kind in TYPES if random.random() < 0.4)
    identities = tuple(Identity(kind, random.choice(VALUES)) for kind in kinds)
    previous = random.randrange(40) if random.random() < 0.3 else None
    mode = random.choice([Mode.NORMAL] * 8 + [Mode.READ_ONLY, Mode.UPDATE_ONLY])
    return Ask(where, endpoint, identities, previous, mode)
