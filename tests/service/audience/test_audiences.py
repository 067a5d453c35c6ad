"""Audiences are kept up to date as things become known and as time goes on, and outputs are told of each change once."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import ErasureMessage, MembershipMessage, SubscriptionMessage
from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectIdentity
from knownas.core.profile.device import Device
from knownas.core.translation.reason import Reason
from knownas.service.audience import assessing
from knownas.service.audience.audiences import ConnectionPreview
from knownas.service.privacy.subject_requests import GivenRequest, Taken
from knownas.store.audiences import (
    EVERYBODY,
    EVERYWHERE,
    AudienceCommit,
    MembershipChange,
    StandingWrite,
    StoredMark,
)
from knownas.store.deliveries import DeliveryState, Settlement
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.postgres.store import PostgresStore
from knownas.store.privacy import Holding
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import SectionKey
from tests.postgres import fresh_database
from tests.service.audience_stage import DAY_MS, WORKSPACE, Json, Stage, customer, email, open_stage

PLAN: Json = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}


def bought(days: int, times: int = 1, name: str = "purchase") -> Json:
    """Ask for so many purchases in the last days."""
    inner = [
        {"operator": "equals", "left": {"model": "events", "path": "name"}, "right": name},
        {
            "operator": "greater_than_equal",
            "left": {"model": "events", "path": "timestamp"},
            "right": {"date": {"relative": {"offset": -days, "unit": "day"}}},
        },
    ]
    count = {
        "operator": "count",
        "group_by_model": "user",
        "operand": {"model": "events", "path": "event_id"},
        "condition": {"operator": "and", "expressions": inner},
    }
    return {"operator": "greater_than_equal", "left": count, "right": times}


@contextmanager
def _postgres(_: Path) -> Iterator[Store]:
    with fresh_database() as url:
        yield PostgresStore(url)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    yield SqliteStore(folder / "knownas.db")


@contextmanager
def _memory(_: Path) -> Iterator[Store]:
    yield MemoryStore()


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgres": _postgres,
}


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


async def test_who_is_there_already_belongs_to_a_new_audience(stage: Stage) -> None:
    """Everybody is judged when it is defined; the share tells how far that is."""
    gold = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.happen(email("b@example.com"), attributes={"plan": "tin"})
    audience = await stage.audience(PLAN)
    assert await stage.members(audience) == [gold]
    known = stage.service.activation.catalogues.now.audiences[audience]
    assert await stage.service.activation.audiences.share_of(known) == 1.0


async def test_a_connection_is_previewed(stage: Stage) -> None:
    """Of how many members something would go out, and who would be passed over for which reason; nothing is kept or told."""
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    bob = await stage.happen(customer("b"), attributes={"plan": "gold"})
    audience, output = await stage.audience(PLAN), await stage.output()
    audiences = stage.service.activation.audiences
    known = audiences.known(WORKSPACE)[audience]
    seen = await audiences.preview_connection(known, "production", {"output": str(output), "identities": ["email"]})
    assert isinstance(seen, ConnectionPreview)
    assert (seen.sent, seen.skipped, seen.share) == (1, {(Reason.NO_IDENTITY, "email"): 1}, 1.0)
    assert sorted(one.mpid for one in seen.shown) == sorted((ann, bob))
    elsewhere = await audiences.preview_connection(
        known, "development", {"output": str(output), "identities": ["email"]}
    )
    assert isinstance(elsewhere, ConnectionPreview)
    assert (elsewhere.sent, elsewhere.skipped, elsewhere.share) == (0, {}, 1.0)
    for wrong in ({"identities": ["email"]}, {"output": "99"}, {"output": str(output), "strange": 1}):
        assert isinstance(await audiences.preview_connection(known, "production", wrong), tuple)
    await stage.settle()
    assert not audiences.connections(known)
    assert await stage.told(output) == []


async def test_a_mark_of_everybody_has_everybody_judged_again(stage: Stage) -> None:
    """As a backfill leaves it: whoever came without a mark of their own belongs to every audience that says so."""
    gold = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    audience = await stage.audience(PLAN)
    key, audiences = SectionKey(WORKSPACE, "production", gold), stage.service.store.audiences
    standing = (await audiences.subjects([key]))[key].standing
    assert standing is not None
    left = MembershipChange(key, audience, is_member=False, at_ms=stage.now_ms, document=b"{}")
    unseen = AudienceCommit(standings=[StandingWrite(key, standing.version, None, None)], changes=[left])
    assert await audiences.commit(unseen)
    await stage.settle()
    assert await stage.members(audience) == []
    assert await audiences.commit(AudienceCommit(marks=[StoredMark(0, EVERYWHERE, "", EVERYBODY, b"")]))
    await stage.settle()
    assert await stage.members(audience) == [gold]
    assert list(await audiences.marks(0, 10)) == []


async def test_who_learns_of_something_joins_and_leaves(stage: Stage) -> None:
    """An attribute, an event, and time alone; nothing else makes anybody be judged."""
    gold, buyers = await stage.audience(PLAN, "gold"), await stage.audience(bought(7), "buyers")
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "tin"}, events=["visit"])
    await stage.settle()
    assert (await stage.members(gold), await stage.members(buyers)) == ([], [])
    await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.happen(email("a@example.com"), events=["purchase"])
    await stage.settle()
    assert (await stage.members(gold), await stage.members(buyers)) == ([ann], [ann])
    judged = stage.service.activation.work.counted["judged"]
    await stage.happen(email("a@example.com"), events=["visit"])
    await stage.settle()
    assert stage.service.activation.work.counted["judged"] == judged, "a visit concerns neither"
    await stage.wait(7 * DAY_MS)
    assert await stage.members(buyers) == [ann], "a week has not passed until after its last millisecond"
    await stage.wait(1)
    assert (await stage.members(gold), await stage.members(buyers)) == ([ann], [])


async def test_each_change_of_membership_is_noted_once_with_its_reason(stage: Stage) -> None:
    """Which condition, which events; across a restart of who judges."""
    buyers = await stage.audience(bought(7, 2))
    ann = await stage.happen(email("a@example.com"), events=["purchase"])
    await stage.happen(email("a@example.com"), events=["purchase"])
    await stage.settle()
    await stage.settle()
    await stage.wait(8 * DAY_MS)
    key = SectionKey(WORKSPACE, "production", ann)
    changes = [one.change for one in await stage.service.store.audiences.changes_of(key, None, 10)]
    assert [(one.audience, one.is_member) for one in changes] == [(buyers, False), (buyers, True)]
    assert b"purchase" in changes[1].document
    assert b'"holds":true' in changes[1].document
    known = stage.service.activation.catalogues.now.audiences[buyers]
    reasons = await stage.service.activation.audiences.why(key, known)
    assert [(one.holds, one.found) for one in reasons] == [(False, ("0",))]


async def test_an_output_is_told_of_members_and_of_what_changes(stage: Stage) -> None:
    """That the audience is connected, who is in it, who joins, who leaves; each under the identity that is wished for."""
    gold = await stage.audience(PLAN)
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.settle()
    output = await stage.output()
    await stage.connect(gold, output, identities=["email"], hash="sha256")
    first, *rest = await stage.messages(output)
    assert isinstance(first, SubscriptionMessage)
    assert [type(one) for one in rest] == [MembershipMessage]
    ((action, mpid, values),) = await stage.told(output)
    assert (action, mpid, values[0]) == ("add", ann, hashlib.sha256(b"a@example.com").hexdigest())
    bob = await stage.happen(email("b@example.com"), attributes={"plan": "gold"})
    await stage.happen(email("a@example.com"), attributes={"plan": "tin"})
    await stage.settle()
    assert [one[:2] for one in await stage.told(output)][1:] in (
        [("remove", ann), ("add", bob)],
        [("add", bob), ("remove", ann)],
    )


async def test_a_member_whose_identity_changes_is_told_anew(stage: Stage) -> None:
    """The old one is removed, then the new one added; who has none is passed over for a reason."""
    gold = await stage.audience(PLAN)
    output = await stage.output()
    connection = await stage.connect(gold, output, identities=["email"])
    ann = await stage.happen(customer("c"), attributes={"plan": "gold"})
    await stage.settle()
    passed = await stage.service.store.audiences.count_passed(connection)
    assert (await stage.told(output), dict(passed)) == ([], {("no_identity", "email"): 1})
    await stage.happen(customer("c"), email("a@example.com"))
    await stage.settle()
    assert await stage.told(output) == [("add", ann, ("a@example.com",))]
    assert dict(await stage.service.store.audiences.count_passed(connection)) == {}
    await stage.happen(customer("c"), email("new@example.com"))
    await stage.settle()
    told = await stage.told(output)
    assert told[1:] in (
        [("remove", ann, ("a@example.com",)), ("add", ann, ("new@example.com",))],
        [("add", ann, ("new@example.com",))],
    )


async def test_hundred_members_reach_two_outputs_under_what_each_needs(stage: Stage) -> None:
    """Acceptance H: 100 advertising ids to one, 65 hashed addresses to the other, and 35 are passed over for a reason."""
    gold = await stage.audience(PLAN)
    by_device, by_mail = await stage.output("devices"), await stage.output("mails")
    first = await stage.connect(gold, by_device, identities=["ios_advertising_id"])
    second = await stage.connect(gold, by_mail, identities=["email"], hash=True)
    for number in range(100):
        named = [customer(f"c{number}"), *([email(f"{number}@example.com")] if number < 65 else [])]
        ids = {IdentityType.IOS_IDFA: f"00000000-0000-4000-8000-{number + 1:012d}"}
        device = Device(
            stamp=f"stamp-{number}",
            platform="ios",
            first_seen_ms=stage.now_ms,
            last_seen_ms=stage.now_ms,
            ids=ids,
            facts={},
        )
        await stage.happen(*named, attributes={"plan": "gold"}, device=device)
    await stage.settle()
    devices, mails = await stage.told(by_device), await stage.told(by_mail)
    assert (len(devices), len({values for _, _, values in devices})) == (100, 100)
    assert (len(mails), {len(values[0]) for _, _, values in mails}) == (65, {64})
    audiences = stage.service.store.audiences
    assert dict(await audiences.count_passed(first)) == {}
    assert dict(await audiences.count_passed(second)) == {("no_identity", "email"): 35}


async def test_two_devices_are_two_advertising_ids(stage: Stage) -> None:
    """All of them go out, where the connection does not ask for the newest only."""
    gold = await stage.audience(PLAN)
    output = await stage.output()
    await stage.connect(gold, output, identities=["ios_advertising_id"])
    for number in (1, 2):
        ids = {IdentityType.IOS_IDFA: f"00000000-0000-4000-8000-{number:012d}"}
        device = Device(
            stamp=f"stamp-{number}",
            platform="ios",
            first_seen_ms=stage.now_ms,
            last_seen_ms=stage.now_ms,
            ids=ids,
            facts={},
        )
        await stage.happen(customer("c"), attributes={"plan": "gold"}, device=device)
    await stage.settle()
    assert sum(len(values) for action, _, values in await stage.told(output) if action == "add") == 2


async def test_an_audience_that_is_gone_is_left_by_all(stage: Stage) -> None:
    """Its outputs are told that all have left, and then that it is no longer connected."""
    gold = await stage.audience(PLAN)
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    output = await stage.output()
    await stage.connect(gold, output, identities=["email"])
    assert await stage.service.activation.audiences.delete(gold) == ()
    await stage.settle()
    assert await stage.service.store.audiences.members(WORKSPACE, "production", gold, None, 10) == []
    assert [one[:2] for one in await stage.told(output)] == [("add", ann), ("remove", ann)]
    last = (await stage.messages(output))[-1]
    assert isinstance(last, SubscriptionMessage)
    assert last.subscription.value == "remove"


async def test_a_connection_that_is_gone_takes_its_members_out(stage: Stage) -> None:
    """Nobody leaves the audience for it."""
    gold = await stage.audience(PLAN)
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    output = await stage.output()
    connection = await stage.connect(gold, output, identities=["email"])
    await stage.service.activation.audiences.disconnect(connection)
    await stage.settle()
    assert [one[:2] for one in await stage.told(output)] == [("add", ann), ("remove", ann)]
    assert await stage.members(gold) == [ann]


async def test_an_audience_may_ask_for_another(stage: Stage) -> None:
    """Who joins one joins the other by it; the one that is asked for can't be taken away."""
    gold = await stage.audience(PLAN, "gold")
    inner = {"operator": "in", "left": {"model": "user"}, "right": {"audience": str(gold)}}
    asking = await stage.audience(inner, "asking")
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.settle()
    assert await stage.members(asking) == [ann]
    assert await stage.service.activation.audiences.delete(gold) == [asking]


async def test_who_joins_by_another_audience_is_judged_by_their_events(stage: Stage) -> None:
    """Although what became known of them has nothing to do with events."""
    gold = await stage.audience(PLAN, "gold")
    inner = {"operator": "in", "left": {"model": "user"}, "right": {"audience": str(gold)}}
    asking = await stage.audience({"operator": "and", "expressions": [inner, bought(7)]}, "asking")
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "tin"}, events=["purchase"])
    await stage.settle()
    await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    await stage.settle()
    assert await stage.members(asking) == [ann]


async def test_what_is_wrong_with_a_definition_has_a_place(stage: Stage) -> None:
    """Nothing of it is kept."""
    definition = {
        "schema_version": "1",
        "audience": {"operator": "equals", "left": {"model": "moon", "path": "x"}, "right": 1},
    }
    refused = await stage.service.activation.audiences.create(WORKSPACE, "", None, definition)
    assert isinstance(refused, tuple)
    assert all(isinstance(one, Fault) for one in refused)
    assert {one.place for one in refused} >= {"/name", "/definition/audience/left/model"}
    assert await stage.service.store.audiences.documents() == []


async def test_a_preview_counts_and_shows_and_keeps_nothing(stage: Stage) -> None:
    """With the reason of each that is shown."""
    mpids = {await stage.happen(email(f"{number}@example.com"), attributes={"plan": "gold"}) for number in range(30)}
    await stage.happen(email("tin@example.com"), attributes={"plan": "tin"})
    definition = {"schema_version": "1", "audience": PLAN}
    preview = await stage.service.activation.audiences.preview(WORKSPACE, "production", definition)
    assert not isinstance(preview, tuple)
    assert (preview.members, preview.looked_at, preview.share, len(preview.shown)) == (30, 31, 1.0, 20)
    assert {one.member.mpid for one in preview.shown} <= mpids
    assert all(one.reasons[0].found == ("gold",) for one in preview.shown)
    assert await stage.service.store.audiences.documents() == []


async def test_whom_nobody_knows_any_more_has_left_everything(stage: Stage) -> None:
    """An erased profile is taken out at each output by what that had; then nothing is kept of it but what waits, and that goes when it is told."""
    gold = await stage.audience(PLAN)
    output = await stage.output()
    await stage.connect(gold, output, identities=["email"])
    bob = await stage.happen(email("b@example.com"), attributes={"plan": "gold"})
    ann = await stage.happen(customer("c"), email("a@example.com"), attributes={"plan": "gold"})
    await stage.settle()
    store, key = stage.service.store, SectionKey(WORKSPACE, "production", ann)
    waiting = await store.deliveries.waiting(output, 0, 10)
    await store.deliveries.settle([Settlement(one.seq, DeliveryState.SENT, stage.now_ms) for one in waiting])
    await stage.happen(customer("c"), email("second@example.com"))
    await stage.settle()
    assert ("add", ann, ("second@example.com",)) in await stage.told(output)
    while (await store.privacy.erase(Holding(WORKSPACE, ann, (), b"?"), 100)).total:
        pass
    assert await stage.service.activation.forgetting.forget(WORKSPACE, ann) > 0
    await stage.settle()
    removed = [one for one in await stage.told(output) if one[1] == ann]
    assert [(action, set(values)) for action, _, values in removed][-1][0] == "remove"
    assert set().union(*(values for action, _, values in removed if action == "remove")) >= {"a@example.com"}
    assert all(action == "remove" for action, _, _ in removed), "what was not told yet is not told any more"
    subject = (await store.audiences.subjects([key]))[key]
    assert subject.standing is None
    assert await store.audiences.changes_of(key, None, 10) == []
    assert await stage.members(gold) == [bob]
    waiting = await store.deliveries.waiting(output, 0, 10)
    await store.deliveries.settle([Settlement(one.seq, DeliveryState.SENT, stage.now_ms) for one in waiting])
    assert {one.document for one in await store.deliveries.deliveries_about(WORKSPACE, ann, None, 100)} == {b""}
    assert all(one.document for one in await store.deliveries.deliveries_about(WORKSPACE, bob, None, 100))
    assert await stage.service.activation.forgetting.forget(WORKSPACE, ann) == 0


async def test_a_destination_may_say_itself_which_identities_it_takes(stage: Stage) -> None:
    """The connection keeps to it from then on; a wish that it does not take is refused, and so is one while it does not answer."""
    gold = await stage.audience(PLAN)
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    output = await stage.output(destination="saying")
    known = stage.service.activation.catalogues.now.audiences[gold]
    connect = stage.service.activation.audiences.connect
    refused = await connect(known, {"output": str(output), "identities": ["customer_id"]})
    assert isinstance(refused, tuple)
    assert "/identities" in {one.place for one in refused}
    stage.recording.is_out = True
    refused = await connect(known, {"output": str(output), "identities": ["email"]})
    assert isinstance(refused, tuple)
    assert "nobody is there" in refused[0].sentence
    stage.recording.is_out = False
    await stage.connect(gold, output, identities=["email"])
    ((action, mpid, values),) = await stage.told(output)
    assert (action, mpid, len(values[0])) == ("add", ann, 64), "hashed, as the destination takes it"


async def test_an_output_is_set_up_anew(stage: Stage) -> None:
    """Confidential settings that are not given stay; what is wrong is told with its place."""
    outputs = stage.service.activation.outputs
    refused = await outputs.create(WORKSPACE, "needy", "needy", {"unknown": 1})
    assert isinstance(refused, tuple)
    assert {one.place for one in refused} == {"/settings/key", "/settings/unknown"}
    output = await outputs.create(WORKSPACE, "needy", "needy", {"key": "a secret"})
    assert isinstance(output, int)
    assert await outputs.change(output, "other", {}) is None
    opened = await outputs.output(output)
    assert opened is not None
    assert opened.settings["key"] == "a secret"
    (known,) = outputs.known(WORKSPACE)
    assert (known.document.name, known.document.settings) == ("other", {})
    assert await outputs.change(output, "", {"key": 5}) is not None


async def test_an_output_is_told_of_an_erasure_as_soon_as_it_is_asked_for(stage: Stage) -> None:
    """Under what the profile and the request name, once, also by a server that looks again; only if somebody has said so of the output."""
    outputs, erasures = stage.service.activation.outputs, stage.service.activation.erasures
    told = await outputs.create(
        WORKSPACE, "told", "recording", {}, {"identities": ["customer_id", "email"], "hash": True}
    )
    silent = await stage.output("silent")
    assert isinstance(told, int)
    refused = await outputs.create(WORKSPACE, "wrong", "recording", {}, {"identities": []})
    assert isinstance(refused, tuple)
    assert refused[0].place.startswith("/erasures")
    ann = await stage.happen(customer("c"), email("a@example.com"))
    subject = Subject((SubjectIdentity(customer("c")),))
    asked = GivenRequest(
        "11111111-2222-4333-8444-555555555555",
        Regulation.GDPR,
        RequestType.ERASURE,
        subject,
        stage.now_ms,
        None,
        (),
        skips_waiting=False,
    )
    place = next(iter(stage.service.directory.places))
    assert isinstance(await stage.service.privacy.requests.take(place, asked, stage.now_ms), Taken)
    assert await erasures.forward() == 1
    assert await erasures.forward() == 0
    erasures._seen.clear()
    assert await erasures.forward() == 1, "a server that begins looks at what is open"
    (message,) = await stage.messages(told)
    assert isinstance(message, ErasureMessage)
    assert (message.mpid, message.request_id) == (ann, asked.request_id)
    assert {one.value for one in message.identities} == {
        hashlib.sha256(one).hexdigest() for one in (b"c", b"a@example.com")
    }
    assert await stage.messages(silent) == []


async def test_a_profile_that_can_not_be_judged_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its group are judged; it is looked at again, until it can be."""
    gold = await stage.audience(PLAN)
    ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
    bob = await stage.happen(email("b@example.com"), attributes={"plan": "gold"})
    work, was = stage.service.activation.work, assessing.kept_user

    def breaks(key: SectionKey, *given: Any) -> Any:
        if key.mpid == ann:
            raise ZeroDivisionError
        return was(key, *given)

    with monkeypatch.context() as patch:
        patch.setattr(assessing, "kept_user", breaks)
        for _ in range(3):
            await work.work_off()
        assert await stage.members(gold) == [bob]
        assert work.counted["failed"] >= 2
    await stage.settle()
    assert await stage.members(gold) == sorted([ann, bob])
