"""Junk that is set aside joins no components of a log: neither of a check nor of a rehearsal, whose folds stay parted."""

import asyncio
from pathlib import Path

import pytest

from knownas.batch import folding_groups
from knownas.batch.folding import THIS_PROCESS
from knownas.batch.rehearsing import PoolRehearsed, RehearsingHow, rehearse
from knownas.batch.verifying import How, PoolVerified, verify
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import IdentityRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.service.history.folds import ToRehearse
from knownas.store.opening import open_store
from tests.service.toxic_stage import DESK, FEW_DEVICES, GUEST, SHOP, Desk, settings

PEOPLE = 40


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return the address of a database in a file."""
    return f"sqlite:///{tmp_path / 'knownas.db'}"


async def lived(database: str) -> None:
    """Let people come with an address of nobody, and with one that is found to be a desk's after five of them."""
    desk = await Desk(settings(email=FEW_DEVICES), open_store(database)).start()
    await desk.visits(range(PEOPLE), email=GUEST.value)
    await desk.visit(email=GUEST.value)
    await desk.visits(range(1_000, 1_005))
    await desk.watch.catch_up()
    await desk.visits(range(2_000, 2_000 + PEOPLE))
    await desk.resolver.close()
    await desk.watch.close()
    await desk.store.close()


def checked(database: str) -> PoolVerified:
    """Check the database."""
    (found,) = asyncio.run(verify(database, How(processes=THIS_PROCESS)))
    return found


def rehearsed(database: str) -> PoolRehearsed:
    """Rehearse other rules over the database, which look people up by what they are looked up by now."""
    rules = policy(Strategy.PROFILE_CONVERSION, login_ids=(IdentityType.CUSTOMER_ID,))
    how = RehearsingHow(processes=THIS_PROCESS)
    (found,) = asyncio.run(rehearse(database, ToRehearse(SHOP.scope, rules), how)).pools
    return found


def test_junk_joins_no_components_of_a_fold(database: str) -> None:
    """A person is a component, whatever junk they named; those whom a value had joined before it was found are one."""
    asyncio.run(lived(database))
    found = checked(database)
    assert found.differences == []
    assert found.components == PEOPLE + 1 + PEOPLE
    # A line that nobody answered is a component of a rehearsal: who named nothing else, and the correction about the guest.
    assert rehearsed(database).components == PEOPLE + 1 + PEOPLE + 2


def test_the_count_sees_components_that_junk_joins(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where what was set aside joins as well, all are one component."""

    def with_aside(written: list[bytes]) -> list[IdentityRequest | None]:
        read = requests_from(written)
        return [None if one is None else one._replace(identities=(*one.identities, *one.set_aside)) for one in read]

    requests_from = folding_groups.requests_from
    monkeypatch.setattr(folding_groups, "requests_from", with_aside)
    asyncio.run(lived(database))
    assert checked(database).components == 2
    assert rehearsed(database).components == 3


def test_what_was_found_late_joins_whom_it_joined(database: str) -> None:
    """Who was named with a value before it was found is decided again with it, and told right."""
    asyncio.run(lived(database))
    assert checked(database).differences == []

    async def held() -> int:
        store = open_store(database)
        found = len(await store.holders(SHOP, DESK, 9))
        await store.close()
        return found

    assert asyncio.run(held()) == 0
