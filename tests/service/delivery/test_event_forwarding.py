"""Each batch that is kept is forwarded once over each connection of its input, and nothing else is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import EventsMessage
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.translation.forwarding import Forwarded, forward
from knownas.core.translation.forwarding_rules import ForwardedUser
from knownas.core.translation.view import view_of
from knownas.service.audience.catalogue import Catalogues
from knownas.service.audience.mark_form import told_from
from knownas.service.audience.outputs import AudienceOutputs
from knownas.service.audience.writing import Writing
from knownas.service.profile.batch_receipts import Kept, Repeated
from knownas.service.profile.ingest import Arrival
from knownas.service.profile.sections import read
from knownas.store.audiences import AudienceCommit
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.postgres.store import PostgresStore
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import SectionKey
from tests.core.translation.profiles import hashed
from tests.postgres import fresh_database
from tests.service.audience.test_audiences import PLAN, STORES
from tests.service.audience_stage import WORKSPACE, Stage, customer, email, open_stage

IDFA = "00000000-0000-4000-8000-00000000000a"


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give each kind of store."""
    with STORES[request.param](tmp_path) as store:
        yield store


@pytest.fixture
async def stage(kept: Store) -> AsyncIterator[Stage]:
    """Give a service over each store."""
    opened = await open_stage(kept)
    yield opened
    await opened.service.close()


async def forwarded(stage: Stage, output: int) -> list[EventsMessage]:
    """Judge, and return what waits for an output."""
    await stage.settle()
    return [one for one in await stage.messages(output) if isinstance(one, EventsMessage)]


def names(message: EventsMessage) -> list[str]:
    """Return the names of the events of a message."""
    return [one["data"]["event_name"] for one in message.batch["events"]]


def counted(stage: Stage, connection: int) -> Mapping[str, int]:
    """Return what became of batches over a connection."""
    return stage.service.activation.forwarded.count_of(connection)


async def test_what_is_kept_is_forwarded_once_over_each_connection_in_its_order(stage: Stage) -> None:
    """With what the profile has beside it, under the identities that each output is to get."""
    plain, digests = await stage.output("plain"), await stage.output("digests")
    first = await stage.forward(plain, identities=["customerid", "email"])
    await stage.forward(digests, identities=["email"], hash=True)
    ann = await stage.happen(customer("c"), email("ann@example.com"), events=["one"], attributes={"plan": "gold"})
    await stage.happen(customer("c"), events=["two", "three"])
    await stage.settle()
    await stage.happen(customer("c"), events=["four"])
    told = await forwarded(stage, plain)
    assert [names(one) for one in told] == [["one"], ["two", "three"], ["four"]]
    assert {one.mpid for one in told} == {ann}
    assert len({one.id for one in told}) == len({one.batch["batch_id"] for one in told}) == 3
    assert told[1].batch["user_identities"] == [
        {"identity_type": "customer_id", "identity": "c"},
        {"identity_type": "email", "identity": "ann@example.com"},
    ]
    assert told[1].batch["user_attributes"] == {"plan": "gold"}
    hidden = await forwarded(stage, digests)
    assert [names(one) for one in hidden] == [["one"], ["two", "three"], ["four"]]
    digest = {"identity_type": "email", "identity": hashed("ann@example.com"), "encoding": "sha256"}
    assert all(one.batch["user_identities"] == [digest] for one in hidden)
    assert "ann@example.com" not in json.dumps([one.batch for one in hidden])
    assert counted(stage, first) == {"forwarded": 3}


async def test_filter_and_rules_decide_what_is_forwarded(stage: Stage) -> None:
    """What they hold back is counted by its reason, and the last of it can be looked at."""
    output = await stage.output()
    connection = await stage.forward(
        output,
        identities=["email"],
        data_filter={"off": [["custom_event", "", "secret"]]},
        rules=[{"kind": "attribute", "of": "user", "name": "staff", "value": "true", "effect": "do_not_forward"}],
        eventless=False,
    )
    await stage.happen(email("a@example.com"), events=["secret", "shown"])
    await stage.happen(email("a@example.com"), events=["secret"])
    await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.happen(customer("nobody"), events=["shown"])
    bob = await stage.happen(email("b@example.com"), events=["shown"], attributes={"staff": True})
    assert [names(one) for one in await forwarded(stage, output)] == [["shown"]]
    why = {"forwarded": 1, "nothing_left": 2, "no_identity": 1, "attribute_rule": 1}
    assert counted(stage, connection) == why
    last = stage.service.activation.forwarded.lately[-1]
    assert (last.connection, last.mpid, last.reason) == (connection, bob, "attribute_rule")


async def test_nothing_is_forwarded_that_does_not_go_out(stage: Stage) -> None:
    """No stamp, no id and no fact that could be one of the device, no token, no hardware by which consent was given."""
    output = await stage.output()
    await stage.forward(output, identities=["ios_advertising_id"])
    device = Device(
        "the-stamp",
        "iOS",
        {IdentityType.IOS_IDFA: IDFA, IdentityType.IOS_IDFV: "the-vendor-id"},
        {"brand": "Apple", "google_advertising_id": "the-hidden-id"},
        stage.now_ms,
        stage.now_ms,
    )
    push = Event("push_registration", stage.now_ms, None, {"register": True, "registration_token": "the-token"})
    change = {"old": None, "new": {"identity_type": "email", "identity": "the-address", "timestamp_unixtime_ms": 1}}
    changed = Event("user_identity_change", stage.now_ms, None, change)
    await stage.happen(customer("the-customer"), email("the-address"), device=device, given=(push, changed))
    (told,) = await forwarded(stage, output)
    assert told.batch["device_info"] == {"brand": "Apple", "platform": "iOS", "ios_advertising_id": IDFA}
    assert "the-" not in json.dumps(told.batch)


async def test_history_and_what_came_before_are_not_forwarded(stage: Stage) -> None:
    """Neither a historical batch, nor a repeat, nor events that were taken already."""
    output = await stage.output()
    await stage.forward(output, identities=["customerid"])
    await stage.happen(customer("c"), events=["old"], is_historical=True)
    door = next(iter(stage.service.directory.doors))
    one = Event("custom_event", stage.now_ms, "m-1", {"event_name": "one"})
    two = Event("custom_event", stage.now_ms, "m-2", {"event_name": "two"})

    async def arrive(*events: Event, request_id: str | None = None) -> Kept | Repeated:
        batch = EventBatch(
            Environment.PRODUCTION,
            stage.now_ms,
            "app",
            Channel.SERVER,
            source_request_id=request_id,
            identities=(customer("c"),),
            events=events,
        )
        outcome = (await stage.service.ingest.submit(Arrival(door, batch))).outcome
        assert isinstance(outcome, Kept | Repeated)
        return outcome

    await arrive(one, request_id="r-1")
    assert isinstance(await arrive(one, request_id="r-1"), Repeated)
    await arrive(one)
    await arrive(one, two)
    assert [names(message) for message in await forwarded(stage, output)] == [["one"], ["two"]]


async def test_what_is_developed_stays_at_home(stage: Stage) -> None:
    """Unless the connection is of that environment."""
    output = await stage.output()
    await stage.forward(output, identities=["customerid"], environments=["development"])
    await stage.happen(customer("c"), events=["one"])
    assert await forwarded(stage, output) == []


async def test_a_connection_that_is_gone_forwards_nothing_more(stage: Stage) -> None:
    """Also not what was kept before; and one that is new forwards nothing that was kept before it."""
    output, later = await stage.output("now"), await stage.output("later")
    await stage.happen(customer("c"), events=["before"])
    connection = await stage.forward(output, identities=["customerid"])
    await stage.happen(customer("c"), events=["one"])
    assert len(await forwarded(stage, output)) == 1
    await stage.happen(customer("c"), events=["two"])
    await stage.service.activation.forwarding.disconnect(connection)
    await stage.forward(later, identities=["customerid"])
    assert len(await forwarded(stage, output)) == 1
    assert await forwarded(stage, later) == []
    assert counted(stage, connection) == {"forwarded": 1, "connection_gone": 1}


async def test_audiences_are_judged_by_what_is_forwarded_as_well(stage: Stage) -> None:
    """One mark says both."""
    gold, output = await stage.audience(PLAN), await stage.output()
    await stage.forward(output, identities=["customerid"])
    ann = await stage.happen(customer("c"), attributes={"plan": "gold"}, events=["one"])
    assert [names(one) for one in await forwarded(stage, output)] == [["one"]]
    assert await stage.members(gold) == [ann]
    await stage.happen(customer("c"), attributes={"plan": "tin"}, events=["two"])
    assert [names(one) for one in await forwarded(stage, output)] == [["one"], ["two"]]
    assert await stage.members(gold) == []


async def test_a_server_that_knows_an_older_document_forwards_nevertheless(stage: Stage) -> None:
    """Somebody else has written one since it last looked; its batches leave their marks all the same."""
    output = await stage.output()
    await stage.forward(output, identities=["customerid"])
    store = stage.service.store
    beside = Catalogues(store.audiences, stage.service.activation.catalogues.destinations)
    writing = Writing(store.audiences, beside)
    made = await AudienceOutputs(store, beside, writing, lambda: stage.now_ms).create(WORKSPACE, "b", "recording", {})
    assert isinstance(made, int)
    assert beside.now.watches != stage.service.activation.catalogues.now.watches
    await stage.happen(customer("c"), events=["one"])
    marks = [told_from(one.document) for one in await store.audiences.marks(0, 10)]
    assert sorted(one.batch is not None for one in marks) == [False, True], "everybody is marked beside it"
    assert [names(one) for one in await forwarded(stage, output)] == [["one"]]


async def test_a_batch_that_is_looked_at_again_is_told_once(stage: Stage) -> None:
    """As it is by whoever goes on where another was killed who had not taken the mark away yet."""
    output = await stage.output()
    await stage.forward(output, identities=["customerid"])
    await stage.happen(customer("c"), events=["one"])
    marks = await stage.service.store.audiences.marks(0, 10)
    assert len(await forwarded(stage, output)) == 1
    await stage.service.store.audiences.commit(AudienceCommit(marks=marks))
    assert len(await forwarded(stage, output)) == 1


async def test_what_is_wrong_with_a_connection_has_a_place(stage: Stage) -> None:
    """And nothing of it is kept."""
    output, needy = await stage.output(), await stage.output("needy", "needy", key="k")
    connect = stage.service.activation.forwarding.connect
    asked = {"input": "app", "output": str(output), "identities": ["email"]}
    for member, value, place in (
        ("input", "moon", "/input"),
        ("output", "moon", "/output"),
        ("output", str(needy), "/output"),
        ("identities", [], "/identities"),
        ("settings", {"x": 1}, "/settings/x"),
        ("sampling", {"percent": 101}, "/sampling"),
    ):
        faults = await connect(WORKSPACE, {**asked, member: value})
        assert isinstance(faults, tuple), member
        assert [one.place for one in faults if isinstance(one, Fault)] == [place]
    assert stage.service.activation.forwarding.known(WORKSPACE) == []
    made = await connect(WORKSPACE, {**asked, "input": "app-key"})
    assert [one.id for one in stage.service.activation.forwarding.known(WORKSPACE)] == [made]


@contextmanager
def _files(folder: Path) -> Iterator[Callable[[], Store]]:
    yield lambda: SqliteStore(folder / "knownas.db")


@contextmanager
def _servers(_: Path) -> Iterator[Callable[[], Store]]:
    with fresh_database() as url:
        yield lambda: PostgresStore(url)


DURABLE: dict[str, Callable[[Path], AbstractContextManager[Callable[[], Store]]]] = {
    "sqlite": _files,
    "postgres": _servers,
}


@pytest.fixture(params=DURABLE)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Give what opens one database, again and again."""
    with DURABLE[request.param](tmp_path) as opens:
        yield opens


async def test_who_is_killed_before_it_judges_loses_nothing(opened: Callable[[], Store]) -> None:
    """What was kept is forwarded by whoever is there next."""
    before = await open_stage(opened())
    output = await before.output()
    await before.forward(output, identities=["customerid"])
    for number in range(3):
        await before.happen(customer("c"), events=[f"event {number}"])
    await before.service.close()
    after = await open_stage(opened())
    told = await forwarded(after, output)
    assert [names(one) for one in told] == [["event 0"], ["event 1"], ["event 2"]]
    await after.service.close()


SOME_EVENTS = st.lists(st.sampled_from(["play", "stop", "secret"]), max_size=3)
BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["c1", "c2"]),
        st.none() | st.sampled_from(["a@example.com", "b@example.com", "no address"]),
        SOME_EVENTS,
        st.dictionaries(st.sampled_from(["plan", "staff"]), st.sampled_from(["gold", "true", None]), max_size=2),
        st.booleans(),
    ),
    max_size=8,
)
CONNECTIONS = st.fixed_dictionaries(
    {"identities": st.sampled_from([["email"], ["customerid", "email"], ["email", "mpid"]])},
    optional={
        "hash": st.booleans(),
        "eventless": st.booleans(),
        "data_filter": st.just({"off": [["custom_event", "", "secret"], ["user_attribute", "plan"]]}),
        "rules": st.sampled_from(
            [
                [{"kind": "known_users_only"}],
                [{"kind": "attribute", "of": "user", "name": "staff", "value": "true", "effect": "do_not_forward"}],
            ]
        ),
        "sampling": st.just({"percent": 50, "key": "half"}),
    },
)


@settings(max_examples=40, deadline=None)
@given(BATCHES, CONNECTIONS)
def test_what_goes_out_is_what_the_rules_say(batches: list[Any], written: dict[str, Any]) -> None:
    """Of whatever batches and over whatever connection: as the pure decision has it of the profile as it is then."""
    asyncio.run(_compared(batches, written))


async def _compared(batches: list[Any], written: dict[str, Any]) -> None:
    stage = await open_stage(MemoryStore())
    output = await stage.output()
    number = await stage.forward(output, **written)
    connection = stage.service.activation.catalogues.now.forwarding[number].connection
    expected: list[tuple[Any, ...]] = []
    waiting: list[tuple[int, EventBatch]] = []
    for who, address, events, attributes, is_looked_at in batches:
        named = [customer(who), *([] if address is None else [email(address)])]
        mpid = await stage.happen(*named, events=events, attributes=attributes)
        waiting.append((mpid, stage.batches[-1]))
        if is_looked_at:
            expected += await _expected(stage, waiting, connection)
            waiting = []
            await stage.settle()
    expected += await _expected(stage, waiting, connection)
    told = await forwarded(stage, output)
    got = [(one.mpid, one.identities, names(one), dict(one.batch["user_attributes"])) for one in told]
    assert sorted(got, key=str) == sorted(expected, key=str)
    for mpid in {one.mpid for one in told}:
        assert [one for one in got if one[0] == mpid] == [one for one in expected if one[0] == mpid]
    await stage.service.close()


async def _expected(stage: Stage, waiting: list[tuple[int, EventBatch]], connection: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    policy = next(iter(stage.service.directory.places)).rules.policy
    guarded = policy.login_ids | policy.unique_ids | policy.immutable_ids
    for mpid, batch in waiting:
        key = SectionKey(WORKSPACE, "production", mpid)
        stored = (await stage.service.store.audiences.subjects([key]))[key]
        assert stored.record is not None
        section = read(stored.sections[key])
        user = ForwardedUser(
            view_of(stored.record, section, (), batch, frozenset(guarded)), section.attributes, section.attributions
        )
        outcome = forward(batch, user, connection)
        if isinstance(outcome, Forwarded):
            events = [event.name for event in outcome.events]
            found.append((mpid, outcome.translated.identities, events, dict(outcome.attributes)))
    return found
