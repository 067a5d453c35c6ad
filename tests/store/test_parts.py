"""The promises about each further part of the port leave nothing out, and the suite notices stores that break them."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from knownas.store.audiences import AudienceStore
from knownas.store.census import CensusStore
from knownas.store.conformance import audiences, census, deliveries, groups, privacy, user_data
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.deliveries import DeliveryStore
from knownas.store.groups import GroupStore
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.memory.census import MemoryCensus
from knownas.store.memory.deliveries import MemoryDeliveries
from knownas.store.memory.groups import MemoryGroups
from knownas.store.memory.privacy import MemoryPrivacy
from knownas.store.memory.store import MemoryStore
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.port import Store
from knownas.store.privacy import PrivacyStore
from knownas.store.user_data import UserDataStore
from tests.store import (
    broken_audiences,
    broken_census,
    broken_deliveries,
    broken_groups,
    broken_privacy,
    broken_sweeps,
    broken_user_data,
)
from tests.store.reports import HALF, MOST, names_what_is_broken


class Part(NamedTuple):
    """A part of the port: what it demands, how each call is made, what is promised, and stores to try.

    `put` puts a sound or broken one into a memory store. One fault breaks less than `share_max` of the promises.
    """

    port: type
    calls: Mapping[str, Callable[..., Any]]
    promises: type[Subject]
    sound: type
    broken: Iterable[type]
    put: Callable[[MemoryStore, type[Any]], None]
    share_max: Fraction = HALF

    @property
    def names(self) -> list[str]:
        """The promises."""
        return [name for name in dir(self.promises) if name.startswith("test_")]

    def subject(self, of: type) -> StoreConformance:
        """Put a memory store with this part to the test."""
        put = self.put

        class Tested(StoreConformance):
            async def open_store(self) -> Store:
                store = MemoryStore()
                put(store, of)
                return store

        return Tested()


def put_user_data(store: MemoryStore, of: type[MemoryUserData]) -> None:
    """Put a second half in."""
    store._user_data = of(store._marks)


def put_privacy(store: MemoryStore, of: type[MemoryPrivacy]) -> None:
    """Put a third part in."""
    store._privacy = of(store._log, store._kept, store._user_data)


def put_audiences(store: MemoryStore, of: type[MemoryAudiences]) -> None:
    """Put a fourth part in."""
    of_audiences = store._marks, store._user_data, store._deliveries, store._groups
    store._audiences = of(*of_audiences, store._record_anywhere, store._kept)


def put_deliveries(store: MemoryStore, of: type[MemoryDeliveries]) -> None:
    """Put a fifth part in."""
    store._deliveries = store._audiences._deliveries = of()


def put_groups(store: MemoryStore, of: type[MemoryGroups]) -> None:
    """Put a sixth part in."""
    store._groups = store._audiences._groups = of()


def put_census(store: MemoryStore, of: type[MemoryCensus]) -> None:
    """Put a seventh part in."""
    store._census = of(store._everybody)


PARTS = {
    "user data": Part(
        UserDataStore,
        user_data.CALLS,
        user_data.UserDataPromises,
        MemoryUserData,
        broken_user_data.BROKEN,
        put_user_data,
    ),
    "privacy": Part(
        PrivacyStore, privacy.CALLS, privacy.PrivacyPromises, MemoryPrivacy, broken_privacy.BROKEN, put_privacy
    ),
    "audiences": Part(
        AudienceStore,
        audiences.CALLS,
        audiences.AudiencePromises,
        MemoryAudiences,
        (*broken_audiences.BROKEN, *broken_sweeps.BROKEN),
        put_audiences,
    ),
    "deliveries": Part(
        DeliveryStore,
        deliveries.CALLS,
        deliveries.DeliveryPromises,
        MemoryDeliveries,
        broken_deliveries.BROKEN,
        put_deliveries,
        MOST,
    ),
    "groups": Part(
        GroupStore, groups.CALLS, groups.GroupPromises, MemoryGroups, broken_groups.BROKEN, put_groups, MOST
    ),
    "census": Part(
        CensusStore, census.CALLS, census.CensusPromises, MemoryCensus, broken_census.BROKEN, put_census, MOST
    ),
}
each_part = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


@each_part
def test_no_method_is_left_out(part: Part) -> None:
    """Each method of the part is tested for what it answers when closed."""
    methods = {name for name, _ in inspect.getmembers(part.port, inspect.isfunction) if not name.startswith("_")}
    assert set(part.calls) == methods


@each_part
def test_every_promise_says_what_it_promises(part: Part) -> None:
    """Each promise has a sentence of its own, and none is hidden by another of the same name, here or in another part."""
    bases = [base for base in part.promises.__mro__ if base not in (Subject, object)]
    names = [name for base in bases for name in vars(base) if name.startswith("test_")]
    assert sorted(names) == sorted(set(part.names))
    others = {name for base in StoreConformance.__mro__ if not issubclass(part.promises, base) for name in vars(base)}
    assert set(part.names).isdisjoint(others)
    sentences = [inspect.getdoc(getattr(part.promises, name)) or "" for name in names]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


@each_part
async def test_a_sound_part_passes(part: Part) -> None:
    """The memory store as it is keeps all promises when it is put to the test like the broken ones."""
    await run_all(lambda: part.subject(part.sound), part.names)


@pytest.mark.parametrize(
    ("part", "broken"),
    [pytest.param(part, one, id=f"{name}-{one.__name__}") for name, part in PARTS.items() for one in part.broken],
)
async def test_a_broken_part_is_found_out(part: Part, broken: type) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: part.subject(broken), part.names)
    names_what_is_broken(found.value, len(part.names), part.share_max)
