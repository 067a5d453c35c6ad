"""Puts the service together over an open store, and takes it apart again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from knownas.config.values import Configuration
from knownas.service.activity import ActivityMemory
from knownas.service.chance import Chance, SystemChance
from knownas.service.decisions import Decisions
from knownas.service.directory import Directory, open_directory
from knownas.service.profiles import Profiles
from knownas.service.receipts import RecentDecisions
from knownas.service.resolver import Resolver
from knownas.store.port import Store

Clock = Callable[[], int]
"""Returns the time in Unix milliseconds."""


def system_clock() -> int:
    """Return the system's time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the HTTP surfaces and the command line ask."""

    configuration: Configuration
    store: Store
    clock: Clock
    directory: Directory
    resolver: Resolver
    profiles: Profiles
    decisions: Decisions

    async def close(self) -> None:
        """Answer what waits, write down what is due, and close the store."""
        await self.resolver.close()
        await self.store.close()


async def open_service(
    configuration: Configuration,
    store: Store,
    *,
    clock: Clock = system_clock,
    chance: Chance | None = None,
    publish: bool = True,
) -> Service:
    """Open the service of a configuration over a store, which it then owns.

    `publish` False keeps no new policy version: for those who only want to look.
    """
    directory = await open_directory(configuration, store, clock(), publish=publish)
    recent, activity = RecentDecisions(), ActivityMemory()
    resolver = Resolver(store, chance or SystemChance(), recent, activity)
    return Service(
        configuration=configuration,
        store=store,
        clock=clock,
        directory=directory,
        resolver=resolver,
        profiles=Profiles(store, directory, resolver, activity),
        decisions=Decisions(store, recent, resolver),
    )
