"""Draws what clients ask: calls over households of few identities, so that they keep meeting.

A household is a pool and a handful of values; nothing of one household touches another. Several households are worked on
at once, each by several clients, and are then left: so the components of a history stay small, and those who are in one at
the same time are many. Now and then one is hot: many clients ask for it, and often.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Settings, Strategy, TieBreak, policy
from tests.concurrency.history import Answer, Call, Modified, Named, ScopeRules

CUSTOMER, EMAIL, OTHER = IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.OTHER
IDFV, STAMP = IdentityType.IOS_IDFV, IdentityType.DEVICE_APPLICATION_STAMP
BY_RECENCY: Final = (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID)
BY_NAME: Final = (TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID)

SCOPES: Final[Mapping[str, ScopeRules]] = {
    "converts": ScopeRules(
        Strategy.PROFILE_CONVERSION,
        (CUSTOMER, EMAIL, OTHER, IDFV, STAMP),
        login=frozenset({CUSTOMER}),
        unique=frozenset({CUSTOMER, OTHER}),
    ),
    "links": ScopeRules(
        Strategy.PROFILE_LINK,
        (CUSTOMER, EMAIL, OTHER, STAMP),
        login=frozenset({CUSTOMER, EMAIL}),
        unique=frozenset({CUSTOMER, EMAIL}),
        tie_break=BY_NAME,
    ),
    "isolates": ScopeRules(
        Strategy.PROFILE_ISOLATION,
        (CUSTOMER, EMAIL, OTHER, IDFV, STAMP),
        login=frozenset({CUSTOMER}),
        unique=frozenset({CUSTOMER}),
        immutable=frozenset({CUSTOMER}),
    ),
    "matches": ScopeRules(Strategy.BEST_MATCH, (OTHER, EMAIL, CUSTOMER, IDFV, STAMP), tie_break=BY_NAME),
    "narrow": ScopeRules(
        Strategy.PROFILE_CONVERSION,
        (OTHER, EMAIL, CUSTOMER, STAMP),
        unique=frozenset({OTHER, EMAIL}),
        max_values={OTHER: 1, EMAIL: 1},
        tie_break=BY_NAME,
    ),
}
ENVIRONMENTS: Final = ("production", "development")

CALLS: Final = 40
CALLS_ASIDE: Final = 10
"""Calls of a household, and of its neighbour with the same values in the other environment."""

HOT_EVERY, HOT_TIMES = 10, 4
"""Which households are hot, and how many times the calls they have."""

LOGOUTS_MAX: Final = 5
"""Logouts of a household: each makes a profile with the device of the others."""

LATEST: Final = 3
"""The MPIDs heard last are those that are asked for most."""

CROSSED: Final = "narrow"
CROSSINGS: Final = 3
"""The scope of crossings, and how many are made beside the households that are worked on."""

TOGETHER: Final = 8
"""Clients to a household that is worked on."""


def policy_of(rules: ScopeRules) -> Policy:
    """Return the policy of a scope."""
    return policy(
        rules.strategy,
        priority=rules.priority,
        login_ids=rules.login,
        unique_ids=rules.unique,
        immutable_ids=rules.immutable,
        settings=Settings(max_values=rules.max_values, tie_break=rules.tie_break),
    )


@dataclass
class Household:
    """A pool, a handful of values of it, and the MPIDs that clients have been answered with."""

    pool: str
    values: Mapping[IdentityType, tuple[str, ...]]
    calls: int
    mpids: list[int] = field(default_factory=list[int])
    logouts: int = 0
    script: list[Call] = field(default_factory=list[Call])
    """What it is asked, where that is not drawn."""

    def heard(self, answer: Answer | None) -> None:
        """Take note of the MPIDs of an answer."""
        match answer:
            case Named(mpid):
                heard = {mpid}
            case Modified(_, _, results):
                heard = {mpid for _, mpid in results}
            case _:
                return
        self.mpids += sorted(heard.difference(self.mpids))


def household(number: int, seed: int, scopes: Sequence[str]) -> Household:
    """Return a household. Two neighbours share their values, in environments apart."""
    scope = scopes[number // 2 % len(scopes)]
    name = f"{seed}-{number // 2}"
    values = {
        CUSTOMER: (f"ann {name}", f"bob {name}"),
        EMAIL: (f"a{name}@example.com", f"b{name}@example.com"),
        # Equal but for their case, which counts.
        OTHER: (f"Card {name}", f"card {name}"),
        IDFV: (f"phone {name}",),
        STAMP: (f"app {name}", f"web {name}"),
    }
    environment = ENVIRONMENTS[number % 2]
    calls = CALLS * HOT_TIMES if number // 2 % HOT_EVERY == HOT_EVERY - 1 else CALLS
    return Household(f"{scope}/{environment}", values, calls if environment == "production" else CALLS_ASIDE)


def crossing(number: int, seed: int) -> Household:
    """Return a household of two in which each wants two values that nobody has, and may have only the other one of them.

    Whoever comes second is led to the first by what that one took. If both find nothing and both take something, the
    answers are such as no order gives (write skew).
    """
    name = f"{seed}-crossed-{number}"
    pool = f"{CROSSED}/{ENVIRONMENTS[0]}"
    ann, bob = (CUSTOMER, f"ann {name}"), (CUSTOMER, f"bob {name}")
    card, mail = (OTHER, f"card {name}"), (EMAIL, f"{name}@example.com")
    known = ((ann, (OTHER, f"old card {name}")), (bob, (EMAIL, f"old {name}@example.com")))
    wants = ((ann, card, mail), (bob, card, mail))
    script = [Call("identify", pool, tuple(sorted(one))) for one in (*known, *wants)]
    return Household(pool, {}, len(script), script=script)


def visits(
    seed: int, clients: int, operations: int, first: int = 0, scopes: Sequence[str] = tuple(SCOPES)
) -> Iterator[tuple[Household, Random]]:
    """Yield which household comes next, and what its call is drawn from: so many, from the household numbered `first` on."""
    random = Random(f"{seed} {first}")
    numbers = iter(range(first, first + operations))
    left = operations
    while left:
        # Neighbours are worked on together.
        together = [household(next(numbers), seed, scopes) for _ in range(2 * max(1, clients // TOGETHER))]
        crossed = [crossing(next(numbers), seed) for _ in range(CROSSINGS)] if CROSSED in scopes else []
        units = [[one] for one in together for _ in range(one.calls)] + [[one, one] for one in crossed]
        random.shuffle(units)
        turns = [one for one in crossed for _ in range(2)] + [one for unit in units for one in unit]
        for one in turns[:left]:
            yield one, Random(random.getrandbits(64))
        left -= min(left, len(turns))


def draw(home: Household, random: Random) -> Call:
    """Draw a call of a household."""
    if home.script:
        return home.script.pop(0)
    die = random.random()
    if die < 0.38 and home.mpids:
        return _by_mpid(home, random, modify=die < 0.25)
    kind = random.choices(("identify", "login", "logout", "search"), (10, 5, 2, 3))[0]
    if kind == "logout" and home.logouts >= LOGOUTS_MAX:
        kind = "search"
    home.logouts += kind == "logout"
    wanted = dict.fromkeys(one for one in home.values if random.random() < 0.45)
    if kind == "login":
        wanted[CUSTOMER] = None
    if not wanted or kind == "logout":
        wanted[STAMP] = None
    identities = tuple(sorted((one, random.choice(home.values[one])) for one in wanted))
    previous = random.choice(home.mpids) if home.mpids and random.random() < 0.2 else None
    return Call(kind, home.pool, identities, previous)


def _by_mpid(home: Household, random: Random, *, modify: bool) -> Call:
    mpid = random.choice(home.mpids[-LATEST:] if random.random() < 0.7 else home.mpids)
    if not modify:
        return Call("profile", home.pool, mpid=mpid)
    changes: list[tuple[IdentityType, str | None, str | None]] = []
    for _ in range(random.choice((1, 1, 1, 2))):
        kind = random.choice((CUSTOMER, EMAIL, EMAIL, OTHER, OTHER))
        old, new = (random.choice((None, *home.values[kind])) for _ in range(2))
        changes.append((kind, old, new))
    return Call("modify", home.pool, mpid=mpid, changes=tuple(changes))
