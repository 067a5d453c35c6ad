"""Puts the promises of the port together, for adapters to be tested against.

The author of an adapter subclasses `StoreConformance`, says how a store is opened, and runs the class with pytest
(with pytest-asyncio in auto mode), or runs `run_all` with whatever else runs coroutines:

    class TestMine(StoreConformance):
        async def open_store(self) -> Store: ...
        async def reopen(self) -> Store | None: ...       # where data outlive a store
        async def open_beside(self) -> Store | None: ...  # where two stores can share data

Each promise gets an instance of its own, whose data start empty. A broken promise raises AssertionError with what
was found and what was wanted.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from knownas.store.conformance.audiences import AudiencePromises
from knownas.store.conformance.census import CensusPromises
from knownas.store.conformance.committing import CommitPromises
from knownas.store.conformance.crowds import CrowdPromises
from knownas.store.conformance.deliveries import DeliveryPromises
from knownas.store.conformance.documents import DocumentPromises
from knownas.store.conformance.groups import GroupPromises
from knownas.store.conformance.isolation import IsolationPromises
from knownas.store.conformance.lifecycle import LifecyclePromises
from knownas.store.conformance.loading import LoadingPromises
from knownas.store.conformance.logs import LogPromises
from knownas.store.conformance.privacy import PrivacyPromises
from knownas.store.conformance.races import RacePromises
from knownas.store.conformance.user_data import UserDataPromises

PREFIX: Final = "test_"


class StoreConformance(
    LoadingPromises,
    CrowdPromises,
    CommitPromises,
    RacePromises,
    IsolationPromises,
    LogPromises,
    DocumentPromises,
    LifecyclePromises,
    UserDataPromises,
    PrivacyPromises,
    AudiencePromises,
    DeliveryPromises,
    GroupPromises,
    CensusPromises,
):
    """All that `store.port` demands of an adapter."""


def promises() -> Iterator[str]:
    """Yield the names of all promises."""
    yield from (name for name in dir(StoreConformance) if name.startswith(PREFIX))


async def run_all(subject: Callable[[], StoreConformance], names: Iterable[str] | None = None) -> None:
    """Test an adapter against all promises, or some of them. `subject` makes one instance over empty data.

    Raises:
        ExceptionGroup: with an error for each broken promise, which names it in a note.
    """
    broken: list[Exception] = []
    for name in promises() if names is None else names:
        try:
            await getattr(subject(), name)()
        except Exception as error:  # noqa: BLE001 - all broken promises are told together, whatever broke them
            error.add_note(f"the promise {name}")
            broken.append(error)
    if broken:
        raise ExceptionGroup("the store breaks promises", broken)
