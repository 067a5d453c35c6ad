"""Batches are taken in groups: each once, in arrival order, durably, and none at the cost of another."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from knownas.config.values import Account, Configuration, Input, InputPlatform, Organization, Scope, Secret, Workspace
from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy, policy
from knownas.core.limits import ATTRIBUTES_MAX
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.section import CalculatedStates
from knownas.service.profile.batch_receipts import Kept, Rejected, Repeated
from knownas.service.profile.ingest import Arrival, Ingest, Receipted
from knownas.service.server import Service, open_service
from knownas.store.errors import StoreFull, StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.user_data import SectionKey, UserDataCommit
from tests.store.world import START_MS, RepeatingChance

APP = Input("app", InputPlatform.IOS, None, "app-key", Secret("app-secret"))
WORKSPACE = Workspace(100, "Shop", "shop", "own-key", Secret("own-secret"), (APP,))
CONFIGURATION = Configuration(
    scopes=(Scope("shop", policy(Strategy.PROFILE_CONVERSION)),),
    organization=Organization(accounts=(Account(10, "Retail", (WORKSPACE,)),)),
)


class WatchedUserData(MemoryUserData):
    """The memory store's second half, which counts commits and can be made to lose or refuse them."""

    commits = 0
    lose = 0
    refusal: Exception | None = None

    async def commit(self, commit: UserDataCommit) -> bool:
        self.commits += 1
        if self.refusal is not None:
            raise self.refusal
        if self.lose:
            self.lose -= 1
            return False
        return await super().commit(commit)


class Fragile:
    """Calculations that break on one event."""

    def count_in(self, states: CalculatedStates, events: Sequence[Event]) -> CalculatedStates:
        if any(event.name == "poison" for event in events):
            raise ZeroDivisionError("a rule of ours is broken")
        return states


class Intake:
    """A service over a memory store, and batches for it."""

    def __init__(self, service: Service, data: WatchedUserData) -> None:
        self.service = service
        self.data = data
        self.ingest = Ingest(service.store, service.resolver, RepeatingChance(9), {100: Fragile()})

    def arrival(self, *events: str, request_id: str | None = None, mpid: int | None = None, **named: Any) -> Arrival:
        door = self.service.directory.door("app-key")
        assert door is not None
        attributes: Mapping[str, Any] = named.pop("attributes", {})
        held = identities({IdentityType(kind): value for kind, value in named.items()})
        happened = tuple(Event("custom_event", START_MS, None, {"event_name": name}) for name in events)
        batch = EventBatch(
            Environment.PRODUCTION,
            START_MS,
            "app",
            Channel.SERVER,
            source_request_id=request_id,
            mpid=mpid,
            identities=held,
            attributes=attributes,
            events=happened,
        )
        return Arrival(door, batch)

    async def take(self, *arrivals: Arrival) -> list[Receipted]:
        """Take batches that arrive at the same time."""
        return await asyncio.gather(*[self.ingest.submit(one) for one in arrivals])

    async def attributes(self, mpid: int) -> dict[str, Any]:
        section = await self.service.sections.find(SectionKey(100, "production", mpid))
        assert section is not None
        return {name: one.value for name, one in section.attributes.items()}


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    """A service over a memory store whose second half is watched."""
    store = MemoryStore()
    data = WatchedUserData(store._marks)
    store._user_data = data
    service = await open_service(CONFIGURATION, store, clock=lambda: START_MS, chance=RepeatingChance(1))
    made = Intake(service, data)
    yield made
    await made.ingest.close()
    await service.close()


def kept(receipt: Receipted) -> Kept:
    assert isinstance(receipt.outcome, Kept), receipt
    return receipt.outcome


async def test_a_group_is_one_commit_in_arrival_order(intake: Intake) -> None:
    """Batches that arrive together are kept by one commit, and of two about a user the later one counts."""
    receipts = await intake.take(
        *[intake.arrival(customerid="ann", attributes={"n": number}) for number in range(20)],
        intake.arrival(customerid="bob", attributes={"n": -1}),
    )
    assert intake.data.commits == 1
    ann = {kept(one).mpid for one in receipts[:20]}
    assert len(ann) == 1
    assert await intake.attributes(ann.pop()) == {"n": 19}
    assert [kept(one).created for one in receipts] == [True] + [False] * 19 + [True]


async def test_a_repeat_within_a_group_is_taken_once(intake: Intake) -> None:
    """Of two batches with the same id that arrive together the first is kept, the other is a repeat."""
    first, second = await intake.take(
        intake.arrival(request_id="r", customerid="ann", attributes={"n": 1}),
        intake.arrival(request_id="r", customerid="ann", attributes={"n": 2}),
    )
    assert isinstance(second.outcome, Repeated)
    assert await intake.attributes(kept(first).mpid) == {"n": 1}


async def test_only_a_kept_batch_takes_its_id(intake: Intake) -> None:
    """A batch that was refused and is corrected is kept under the same id, whether later or in the same group."""
    receipts = [
        *await intake.take(intake.arrival(request_id="r")),
        *await intake.take(
            intake.arrival(request_id="r", mpid=404),
            intake.arrival(request_id="other", customerid="bob", attributes={"n": 0}),
            intake.arrival(request_id="r", customerid="ann", attributes={"n": 1}),
            intake.arrival(request_id="r", customerid="eve", attributes={"n": 2}),
            intake.arrival(request_id="r"),
        ),
        *await intake.take(intake.arrival(request_id="r", customerid="ann", attributes={"n": 3})),
    ]
    expected = [Rejected, Rejected, Kept, Kept, Repeated, Repeated, Repeated]
    assert [type(one.outcome) for one in receipts] == expected
    assert await intake.attributes(kept(receipts[3]).mpid) == {"n": 1}
    named = await intake.service.batches.named("r")
    assert [one["receipt_id"] for one in named] == [receipts[3].receipt_id]
    refused = await intake.service.batches.show(receipts[1].receipt_id)
    assert refused is not None
    assert (refused["outcome"], refused["source_request_id"]) == ("refused", "r")


async def test_the_newest_refusal_has_the_id(intake: Intake) -> None:
    """Until a batch is kept under an id, the receipt that it stands for is that of the last one refused."""
    first, second = await intake.take(intake.arrival(request_id="r"), intake.arrival(request_id="r", mpid=404))
    assert [one["receipt_id"] for one in await intake.service.batches.named("r")] == [second.receipt_id]
    (third,) = await intake.take(intake.arrival(request_id="r"))
    assert [one["receipt_id"] for one in await intake.service.batches.named("r")] == [third.receipt_id]
    for one, reason in ((first, "no_identities"), (second, "unknown_mpid")):
        shown = await intake.service.batches.show(one.receipt_id)
        assert shown is not None
        assert shown["reason"] == reason


async def test_a_receipt_names_what_was_left_out(intake: Intake) -> None:
    """Attributes that the profile has no room for are named in the receipt, with the reason, and not among those set."""
    for start in range(0, ATTRIBUTES_MAX, 100):
        named = {f"a{number}": 1 for number in range(start, start + 100)}
        await intake.take(intake.arrival(customerid="ann", attributes=named))
    (receipt,) = await intake.take(intake.arrival(customerid="ann", attributes={"a0": 2, "tier": "gold"}))
    shown = await intake.service.batches.show(receipt.receipt_id)
    assert shown is not None
    assert (shown["attributes"], shown["left_out"]) == (["a0"], {"attributes": ["tier"], "consents": []})
    assert str(ATTRIBUTES_MAX) in shown["notes"][0]


async def test_a_lost_race_is_decided_again(intake: Intake) -> None:
    """When others were faster the group is decided over what they left; nobody is told, nothing is kept twice."""
    await intake.take(intake.arrival(customerid="ann", attributes={"a": 1}))
    intake.data.lose = 3
    receipts = await intake.take(intake.arrival("e", customerid="ann", attributes={"b": 2}))
    assert await intake.attributes(kept(receipts[0]).mpid) == {"a": 1, "b": 2}
    key = SectionKey(100, "production", kept(receipts[0]).mpid)
    assert len((await intake.service.sections.events(key, 0, 10))[0]) == 1


async def test_a_store_that_takes_nothing_is_told_to_all(intake: Intake) -> None:
    """When the store refuses, every batch of the group is refused with its error, and can be sent again."""
    intake.data.refusal = StoreFull("no room")
    asked = [intake.ingest.submit(intake.arrival(customerid=name)) for name in ("ann", "bob")]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in outcomes] == [StoreFull, StoreFull]
    intake.data.refusal = None
    assert all(isinstance(one.outcome, Kept) for one in await intake.take(intake.arrival(customerid="ann")))


async def test_a_batch_that_breaks_a_rule_takes_nobody_with_it(intake: Intake) -> None:
    """A batch over which our own code fails is the only one of its group that is not kept."""
    asked = [
        intake.ingest.submit(intake.arrival(event, customerid=name))
        for name, event in (("ann", "fine"), ("eve", "poison"), ("bob", "fine"))
    ]
    ann, eve, bob = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(eve, ZeroDivisionError)
    assert all(isinstance(one, Receipted) and isinstance(one.outcome, Kept) for one in (ann, bob))


async def test_who_can_not_be_found_is_kept_as_refused(intake: Intake) -> None:
    """No identities, an unknown MPID: the batch is answered, and its receipt is durable and says why."""
    receipts = await intake.take(intake.arrival("e"), intake.arrival("e", mpid=42))
    assert [one.outcome.reason for one in receipts if isinstance(one.outcome, Rejected)] == [
        "no_identities",
        "unknown_mpid",
    ]
    shown = [await intake.service.batches.show(one.receipt_id) for one in receipts]
    assert [one and one["outcome"] for one in shown] == ["refused", "refused"]


async def test_a_closed_ingest_takes_nothing(intake: Intake) -> None:
    """What waits is answered at the end; what comes after it is refused."""
    waiting = intake.ingest.submit(intake.arrival(customerid="ann"))
    await intake.ingest.close()
    assert isinstance((await waiting).outcome, Kept)
    with pytest.raises(StoreUnavailable):
        intake.ingest.submit(intake.arrival(customerid="ann"))
