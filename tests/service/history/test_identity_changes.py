"""Another system can follow every change of identities, without missing one, repeating one, or seeing a double holder."""

import random
from collections import defaultdict
from typing import Any, Final

from knownas.core.identity.decision import Change, ChangeKind
from knownas.core.identity.kinds import Identity, IdentityType, types_named_on
from knownas.core.identity.kinds import Surface as Spelled
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import Capture
from knownas.service.history.identity_changes import ChangesPage, Passage, changes_in_pool, changes_of_profile, passages
from knownas.store.port import Pool
from tests.core.pool import rules as policy_of
from tests.service.erasing_stage import ErasingStage, erase, subject
from tests.service.stage import DEVELOPMENT, PRODUCTION, Stage, held, mpid_of
from tests.store.world import EVERYTHING

EMAIL, CUSTOMER, IDFV, DEVICE = (
    IdentityType.EMAIL,
    IdentityType.CUSTOMER_ID,
    IdentityType.IOS_IDFV,
    IdentityType.DEVICE_APPLICATION_STAMP,
)
LOGIN: Final = Endpoint.LOGIN
_TYPES: Final = types_named_on(Spelled.EVENTS)


def _sides(one: dict[str, Any]) -> tuple[str, str | None, str | None]:
    data = one["data"]
    return data["new"]["identity_type"], data["old"]["identity"], data["new"]["identity"]


async def _all(stage: Stage, limit: int = 3) -> list[dict[str, Any]]:
    """Follow the changes from the beginning to now."""
    items: list[dict[str, Any]] = []
    after, more = 0, True
    while more:
        page = await changes_in_pool(stage.store, PRODUCTION, after, limit)
        items += page.items
        after, more = page.told_seq, page.more
    return items


def _change(kind: ChangeKind, type_: IdentityType, value: str, mpid: int = 1, donor: int | None = None) -> Change:
    return Change(kind, Identity(type_, value), mpid, donor)


def test_a_replaced_value_is_one_change() -> None:
    """What a profile gives up and what it gets in its place is one change with an old and a new value."""
    found = passages([_change(ChangeKind.REMOVED, EMAIL, "a"), _change(ChangeKind.ADDED, EMAIL, "b")])
    assert found == [Passage(1, EMAIL, "a", "b")]


def test_values_of_two_types_are_two_changes() -> None:
    """A value that goes and a value of another type that comes have nothing to do with each other."""
    found = passages([_change(ChangeKind.REMOVED, EMAIL, "a"), _change(ChangeKind.ADDED, IDFV, "b")])
    assert found == [Passage(1, EMAIL, "a", None), Passage(1, IDFV, None, "b")]


def test_a_moved_value_goes_before_it_comes() -> None:
    """A move is told by the profile that lost the value, then by the one that got it, and each names the other."""
    found = passages(
        [_change(ChangeKind.REMOVED, CUSTOMER, "old", 2), _change(ChangeKind.MOVED, CUSTOMER, "c", 2, 1)],
    )
    assert found == [
        Passage(1, CUSTOMER, "c", None, went_to=2),
        Passage(2, CUSTOMER, "old", "c", came_from=(1,)),
    ]


def test_a_value_taken_from_several_comes_once() -> None:
    """A value that was on several profiles when its type became unique leaves each of them and arrives once."""
    found = passages([_change(ChangeKind.MOVED, CUSTOMER, "c", 3, donor) for donor in (1, 2)])
    assert found == [
        Passage(1, CUSTOMER, "c", None, went_to=3),
        Passage(2, CUSTOMER, "c", None, went_to=3),
        Passage(3, CUSTOMER, None, "c", came_from=(1, 2)),
    ]


def test_only_values_of_the_priority_are_looked_up() -> None:
    """What a profile merely carries says so, when it comes and when it goes."""
    found = passages([_change(ChangeKind.CARRIED, DEVICE, "s"), _change(ChangeKind.DROPPED, DEVICE, "t")])
    assert found == [Passage(1, DEVICE, None, "s", looked_up=False), Passage(1, DEVICE, "t", None, looked_up=False)]


def test_a_value_that_stays_is_no_change() -> None:
    """What one request takes away and gives back is not told."""
    assert passages([_change(ChangeKind.REMOVED, EMAIL, "a"), _change(ChangeKind.ADDED, EMAIL, "a")]) == []


async def test_an_event_is_in_the_vendors_shape() -> None:
    """A change is a `user_identity_change` with the type's name on the Events API and both sides' times."""
    stage = await Stage().start()
    answer = await stage.answer(stage.ask(LOGIN, customerid="c"))
    (one,) = await _all(stage)
    assert one["event_type"] == "user_identity_change"
    assert (one["mpid"], one["decision_id"]) == (str(mpid_of(answer)), answer.decision_id)
    side = {"identity_type": "customer_id", "timestamp_unixtime_ms": stage.now_ms}
    assert one["data"] == {
        "timestamp_unixtime_ms": stage.now_ms,
        "source_message_id": f"{answer.decision_id}-0",
        "old": {**side, "identity": None, "created_this_batch": False},
        "new": {**side, "identity": "c", "created_this_batch": True},
    }


async def test_the_newest_page_goes_on_later() -> None:
    """Where a follower stands stays valid: asked again from there, only what came since is told."""
    stage = await Stage().start()
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    first = await changes_in_pool(stage.store, PRODUCTION, 0, 100)
    again = await changes_in_pool(stage.store, PRODUCTION, first.told_seq, 100)
    assert again == ChangesPage([], first.told_seq, more=False)
    await stage.answer(stage.ask(LOGIN, customerid="d"))
    later = await changes_in_pool(stage.store, PRODUCTION, again.told_seq, 100)
    assert [_sides(one) for one in later.items] == [("customer_id", None, "d")]
    assert await changes_in_pool(stage.store, DEVELOPMENT, 0, 100) == ChangesPage([], 0, more=False)


async def test_a_decision_is_never_torn() -> None:
    """A page ends with the decision that fills it, and the next one begins with the next decision."""
    stage = await Stage().start()
    await stage.answer(stage.ask(LOGIN, customerid="c", email="e", ios_idfv="i"))
    await stage.answer(stage.ask(LOGIN, customerid="d"))
    first = await changes_in_pool(stage.store, PRODUCTION, 0, 2)
    assert (len(first.items), first.more) == (3, True)
    second = await changes_in_pool(stage.store, PRODUCTION, first.told_seq, 2)
    assert (len(second.items), second.more) == (1, False)


async def test_what_changed_nothing_is_passed_over() -> None:
    """Observations that are captured although they change nothing are no changes, and the pages go on behind them."""
    stage = await Stage(policy=policy_of(capture=Capture.ALL)).start()
    for _ in range(5):
        await stage.answer(stage.ask(LOGIN, customerid="c"))
    await stage.flushed()
    await stage.answer(stage.ask(LOGIN, customerid="d"))
    assert len(await stage.log()) == 6
    assert [_sides(one)[2] for one in await _all(stage, limit=2)] == ["c", "d"]


async def test_one_profile_can_be_followed() -> None:
    """The changes of one profile leave out what the same decision did to another."""
    stage = await Stage().start()
    owner = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    taker = mpid_of(await stage.answer(stage.ask(ios_idfv="i")))
    await stage.answer(stage.modify(taker, ("customerid", None, "c")))
    lost = (await changes_of_profile(stage.store, owner, 0, 100)).items[-1]
    assert (_sides(lost), lost["to_mpid"]) == (("customer_id", "c", None), str(taker))
    got = (await changes_of_profile(stage.store, taker, 0, 100)).items[-1]
    assert (_sides(got), got["from_mpids"]) == (("customer_id", None, "c"), [str(owner)])


async def test_who_follows_has_what_the_server_has() -> None:
    """Applied in order, the changes make the identity records, and never put a unique value on two profiles."""
    chance = random.Random(7)
    stage = await Stage(policy=policy_of(unique="customerid email", immutable="", max_values={EMAIL: 2})).start()
    mpids: list[int] = []
    for _ in range(300):
        named = {name: f"{name}-{chance.randrange(6)}" for name in ("customerid", "email", "ios_idfv", "other")}
        some = {name: value for name, value in named.items() if chance.random() < 0.5} or {"other": "o"}
        if mpids and chance.random() < 0.5:
            kept = {name: value if chance.random() < 0.7 else None for name, value in some.items()}
            changes = [(name, f"{name}-{chance.randrange(6)}", value) for name, value in kept.items()]
            await stage.answer(stage.modify(chance.choice(mpids), *changes))
        else:
            mpids.append(mpid_of(await stage.answer(stage.ask(**some))))
    items = await _all(stage)
    assert len({one["data"]["source_message_id"] for one in items}) == len(items)
    assert {one["decision_id"] for one in items} <= {entry.decision_id for entry in await stage.log()}
    kept_values = _applied(items)
    for record in await stage.store.records(PRODUCTION, None, EVERYTHING):
        there = {name: set(values) for name, values in (held(record.identities) | held(record.carried)).items()}
        assert {name: values for name, values in kept_values[str(record.mpid)].items() if values} == there


def _applied(items: list[dict[str, Any]]) -> dict[str, dict[str, set[str]]]:
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in items:
        named, old, new = _sides(one)
        kind = _TYPES[named]
        mine = values[one["mpid"]][kind.value]
        if old is not None:
            mine.remove(old)
        if new is not None:
            assert new not in mine
            if kind in (CUSTOMER, EMAIL):
                assert not [mpid for mpid, all_ in values.items() if new in all_[kind.value]]
            mine.add(new)
    return values


async def test_an_erased_profile_is_told_of_once_and_without_what_it_held() -> None:
    """Whoever kept what was told of it before knows that this is to go."""
    at = await ErasingStage().open()
    mpid = await at.login(customerid="canary", email="canary@example.com")
    assert len((await changes_of_profile(at.store, mpid, 0, 100)).items) == 2
    await erase(at, subject(mpid=mpid))
    last = (await changes_in_pool(at.store, Pool("shop", "production"), 0, 100)).items[-1]
    assert (last["event_type"], last["mpid"]) == ("profile_erased", str(mpid))
    assert set(last) == {"at", "decision_id", "mpid", "event_type", "data"}
    (mine,) = [
        one for one in (await changes_of_profile(at.store, mpid, 0, 100)).items if one["event_type"] == "profile_erased"
    ]
    assert mine == last
