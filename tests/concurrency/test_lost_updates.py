"""Servers that change the same profiles at once lose no update, and decide over nothing that is no longer so.

Each server is a thread with an event loop, a store and a resolver of its own, over one database. What protects
them is taken away in turn, to show that these races would notice: the versions of records, and the look at what was
only read.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knownas.core.identity.decision import Created, Modified, Refused
from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Answer, Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.port import Pool
from knownas.store.sqlite.committing import Writer
from knownas.store.sqlite.statements import statements
from tests.store.places import PLACES, Place
from tests.store.world import START_MS, fold_differs

POOL = Pool("shop", "production")
CUSTOMER, EMAIL, STAMP = IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.DEVICE_APPLICATION_STAMP
CONVERSION, LINK = policy(Strategy.PROFILE_CONVERSION), policy(Strategy.PROFILE_LINK)
RIVALS, CHANGES = 4, 60
ROUNDS = 150
PATIENCE_SECONDS = 120


class Server:
    """A server without its HTTP surface."""

    def __init__(self, place: Place, rules: Rules) -> None:
        self.store = place.open()
        self.rules = rules
        self.resolver = Resolver(self.store, SystemChance(), RecentDecisions(), ActivityMemory())

    async def ask(self, endpoint: Endpoint, **given: str) -> Answer:
        """Ask for a profile."""
        held = identities({IdentityType(kind): value for kind, value in given.items()})
        request = IdentityRequest(endpoint, START_MS, Environment.PRODUCTION, "test", held)
        return await self.resolver.answer(self.rules.ask(request))

    async def modify(self, mpid: int, kind: IdentityType, old: str | None, new: str | None) -> Answer:
        """Change one value of a profile."""
        change = IdentityChange(kind, old, new)
        request = ModifyRequest(START_MS, Environment.PRODUCTION, "test", mpid, (change,))
        return await self.resolver.answer(self.rules.ask(request))

    async def close(self) -> None:
        """Stop."""
        await self.resolver.close()
        await self.store.close()


Work = Callable[[Server, threading.Barrier], Awaitable[None]]


def run(place: Place, rules: Rules, works: Sequence[Work]) -> None:
    """Let servers work at the same time, and raise what went wrong in any of them."""
    together = threading.Barrier(len(works), timeout=PATIENCE_SECONDS)

    async def serve(work: Work) -> None:
        server = Server(place, rules)
        try:
            await work(server, together)
        except BaseException:
            together.abort()
            raise
        finally:
            await server.close()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(asyncio.run, serve(work)) for work in works]:
            done.result()


async def prepared(place: Place, rules: Policy, stamps: Sequence[str]) -> tuple[Rules, list[int]]:
    """Make a database with an anonymous profile for each stamp."""
    store = place.open()
    in_force = Rules("shop", await policy_in_force(store, "shop", rules, START_MS))
    await store.close()
    server = Server(place, in_force)
    answers = await asyncio.gather(*(server.ask(Endpoint.IDENTIFY, device_application_stamp=stamp) for stamp in stamps))
    await server.close()
    return in_force, [answer.decision.record.mpid for answer in answers if answer.decision.record is not None]


def differences(place: Place) -> list[str]:
    """Say in what a database contradicts itself, or its log."""

    async def folded() -> list[str]:
        store = place.open()
        try:
            return await fold_differs(store, POOL)
        finally:
            await store.close()

    return [*place.contradictions(), *place.unexplained(), *asyncio.run(folded())]


def race_of_modifies(place: Place) -> list[str]:
    """Have servers each walk a value of their own through one profile; return what is wrong afterwards."""
    rules, (mpid,) = asyncio.run(prepared(place, CONVERSION, ["device"]))

    def walks(name: str) -> Work:
        async def work(server: Server, together: threading.Barrier) -> None:
            together.wait()
            old: str | None = None
            for number in range(CHANGES):
                new = f"{name} {number}"
                answer = await server.modify(mpid, EMAIL, old, new)
                assert isinstance(answer.decision.outcome, Modified)
                old = new

        return work

    names = [f"server {number}" for number in range(RIVALS)]
    run(place, rules, [walks(name) for name in names])

    async def held() -> set[str]:
        store = place.open()
        try:
            stored = await store.profile(mpid)
            assert stored is not None
            return set(stored.record.identities[EMAIL])
        finally:
            await store.close()

    wrong = asyncio.run(held()) ^ {f"{name} {CHANGES - 1}" for name in names}
    return [*sorted(wrong), *differences(place)]


def race_of_sign_ups(place: Place) -> list[str]:
    """Have one server sign a device's visitor up, while the other makes that visitor's profile a known one.

    The new profile is linked to the visitor's only if that was still anonymous; nothing is written to it. Returns
    what is wrong afterwards.
    """
    stamps = [f"device {number}" for number in range(ROUNDS)]
    rules, mpids = asyncio.run(prepared(place, LINK, stamps))

    async def signs_up(server: Server, together: threading.Barrier) -> None:
        for number, stamp in enumerate(stamps):
            together.wait()
            answer = await server.ask(Endpoint.LOGIN, customerid=f"new {number}", device_application_stamp=stamp)
            assert isinstance(answer.decision.outcome, Created)

    async def makes_known(server: Server, together: threading.Barrier) -> None:
        for number, mpid in enumerate(mpids):
            together.wait()
            answer = await server.modify(mpid, EMAIL, None, f"{number}@example.com")
            assert not isinstance(answer.decision.outcome, Refused)

    run(place, rules, [signs_up, makes_known])
    return differences(place)


def forget_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have records written whatever their version is."""
    before, condition, after = statements()["update_profile"].partition("AND version = ? AND active_ms = ?")
    assert condition
    monkeypatch.setitem(statements(), "update_profile", f"{before}AND ? IS NOT NULL AND ? IS NOT NULL{after}")


def forget_reliance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody look whether what was loaded still stands."""
    monkeypatch.setattr(Writer, "_check_reliance", lambda _writer, _commit: None)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Place]:
    """Give an empty database."""
    with PLACES["sqlite"](tmp_path) as place:
        yield place


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database of each kind."""
    with PLACES[request.param](tmp_path) as made:
        yield made


def test_no_update_is_lost(place: Place) -> None:
    """Servers that each walk a value through one profile find, in the end, everybody's last value and no other."""
    assert race_of_modifies(place) == []


def test_lost_updates_would_be_noticed(sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the versions of records the same race loses updates."""
    forget_versions(monkeypatch)
    forget_reliance(monkeypatch)
    assert race_of_modifies(sqlite) != []


def test_no_decision_rests_on_what_is_no_longer_so(place: Place) -> None:
    """A decision that only read a profile is made again if that changed before the commit: the log says the same."""
    assert race_of_sign_ups(place) == []


def test_stale_decisions_would_be_noticed(sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at what was only read the same race leaves decisions that the log contradicts."""
    forget_reliance(monkeypatch)
    assert race_of_sign_ups(sqlite) != []
