"""Servers that race: each a thread with an event loop, a store and a resolver of its own, over one database."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.port import Store

SCOPE = "shop"
TOGETHER = 20
"""Values that the rivals race through before they wait for each other, so that they stay close."""


@dataclass
class Race:
    """What the rivals were answered: the MPIDs for each value, and whatever went wrong."""

    mpids: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    errors: list[BaseException] = field(default_factory=list)

    @property
    def splits(self) -> list[str]:
        """The values that led to more than one profile."""
        return [value for value, mpids in self.mpids.items() if len(mpids) > 1]


def race(
    open_store: Callable[[], Store],
    policy: Policy,
    rivals: int,
    values: Sequence[str],
) -> Race:
    """Let each rival log in with every value, all in the same order and at the same time."""
    result = Race()
    start = threading.Barrier(rivals)
    with ThreadPoolExecutor(rivals) as pool:
        runs = [pool.submit(_run_rival, open_store, policy, values, start, result) for _ in range(rivals)]
        for run in runs:
            error = run.exception()
            if error is not None:
                result.errors.append(error)
    return result


def _run_rival(
    open_store: Callable[[], Store],
    policy: Policy,
    values: Sequence[str],
    start: threading.Barrier,
    result: Race,
) -> None:
    try:
        asyncio.run(_rival(open_store, policy, values, start, result))
    except BaseException:
        start.abort()
        raise


async def _rival(
    open_store: Callable[[], Store],
    policy: Policy,
    values: Sequence[str],
    start: threading.Barrier,
    result: Race,
) -> None:
    store = open_store()
    resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())
    rules = Rules(SCOPE, policy)
    try:
        for number, some in enumerate(_groups(values)):
            # Everybody waits for the slowest, in a thread of its own: nothing else runs on this loop.
            start.wait(timeout=120)
            for value in some:
                at_ms = 1_700_000_000_000 + number
                asked = identities({IdentityType.CUSTOMER_ID: value})
                request = IdentityRequest(Endpoint.LOGIN, at_ms, Environment.PRODUCTION, "race", asked)
                answer = await resolver.answer(rules.ask(request))
                outcome = answer.decision.outcome
                assert isinstance(outcome, Created | Returned)
                result.mpids[value].add(outcome.mpid)
    finally:
        await resolver.close()
        await store.close()


def _groups(values: Sequence[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while group := list(islice(remaining, TOGETHER)):
        yield group
