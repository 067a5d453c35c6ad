"""The conformance suite itself: it leaves out no method of the port, and notices stores that are broken."""

import inspect

import pytest

from knownas.store.conformance import isolation, lifecycle
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.suite import StoreConformance, promises, run_all
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.broken import BROKEN
from tests.store.reports import names_what_is_broken

METHODS = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}


def subject(store: type[MemoryStore]) -> StoreConformance:
    """Put a memory store to the test."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            return store()

    return Tested()


def test_no_method_of_the_port_is_left_out() -> None:
    """Each method of the port is tested for what it shows of other pools, and for what it answers when closed."""
    assert METHODS - {"close"} == set(isolation.CHECKS) == set(lifecycle.CALLS)


def test_every_promise_says_what_it_promises() -> None:
    """Each promise has a sentence of its own, and none is hidden by another of the same name."""
    bases = [base for base in StoreConformance.__mro__ if base not in (StoreConformance, Subject, object)]
    names = [name for base in bases for name in vars(base) if name.startswith("test_")]
    assert sorted(names) == sorted(set(promises()))
    sentences = [inspect.getdoc(getattr(StoreConformance, name)) or "" for name in names]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


async def test_a_sound_store_passes_without_a_test_framework() -> None:
    """`run_all` is enough to put a store to the test."""
    await run_all(lambda: subject(MemoryStore))


@pytest.mark.parametrize("store", BROKEN, ids=lambda store: store.__name__)
async def test_a_broken_store_is_found_out(store: type[MemoryStore]) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(store))
    names_what_is_broken(found.value, len(list(promises())))


async def test_a_store_that_forgets_when_it_is_closed_is_found_out() -> None:
    """A store that comes back empty breaks the promise of keeping everything."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            return MemoryStore()

        async def reopen(self) -> Store:
            return MemoryStore()

    with pytest.raises(ExceptionGroup):
        await run_all(Tested)
