"""Alias requests are taken durably, and carried out when they are due, once and whole (idsync §4.7)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knownas.config.values import AliasSettings
from knownas.core.identity.policy import Strategy
from knownas.core.profile.alias import AliasRefusal, AliasRefused, AliasRequest
from knownas.service.identity import alias_settling, aliasing
from knownas.service.identity.aliasing import Queued, Repeated
from knownas.service.profile.kept_batches import shown_document
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import AliasRow
from tests.service.alias_stage import AT_ONCE, DAY, DEVELOPMENT, OTHER, SHOP, TV, AliasStage, configuration, opened
from tests.store.world import START_MS


@pytest.fixture(params=["memory", "sqlite"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AliasStage]:
    """Aliasing over each store."""
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "knownas.db")
    yield await AliasStage(store).open()
    await store.close()


def refusal(outcome: object) -> AliasRefusal:
    """Return why a request was refused."""
    assert isinstance(outcome, AliasRefused)
    return outcome.reason


async def test_an_accepted_request_is_carried_out_after_its_delay(stage: AliasStage) -> None:
    """A day later, and not before, the destination has the source's first day, attribution and events (idsync §4.7)."""
    source, destination = await stage.with_past()
    was, source_was = await stage.section(destination), await stage.section(source)
    request_id = await stage.ask(source, destination)
    assert await stage.run(DAY - 1) == 0
    assert await stage.state(request_id) == ("queued", None)
    assert await stage.run(1) == 1
    assert await stage.state(request_id) == ("done", None)

    now, source_now = await stage.section(destination), await stage.section(source)
    assert was is not None
    assert now is not None
    assert source_was is not None
    assert source_now is not None
    assert now.first_seen_ms == source_was.first_seen_ms == START_MS - 3 * DAY
    assert now.attributions == source_was.attributions != ()
    assert (now.attributes, now.consents, now.devices, now.calculated, now.last_seen_ms) == (
        was.attributes,
        was.consents,
        was.devices,
        was.calculated,
        was.last_seen_ms,
    )
    assert str(source) in now.notes[-1]
    assert str(destination) in source_now.notes[-1]
    days = [START_MS - 3 * DAY, START_MS - 2 * DAY, START_MS - DAY]
    assert await stage.times(destination) == [*days, START_MS - 1]
    assert await stage.times(source) == days
    assert await stage.run() == 0


async def test_copies_say_whose_they_are(stage: AliasStage) -> None:
    """A copied batch is what was kept, with the source's MPID beside it; what an event says is copied to the byte."""
    source, destination = await stage.with_past()
    await stage.ask(source, destination)
    await stage.run()
    originals = [shown_document(one.document) or {} for one in await stage.kept(source)]
    copies = await stage.kept(destination)
    assert [shown_document(one.document) for one in copies[1:]] == [
        {**one, "alias_of": str(source)} for one in originals
    ]
    assert [(one.first_ms, one.last_ms) for one in copies[1:]] == [
        (START_MS - days * DAY, START_MS - days * DAY) for days in (3, 2, 1)
    ]


async def test_only_the_window_is_copied(stage: AliasStage) -> None:
    """Events outside of it stay behind, also those of a batch that lies partly in it; both ends belong to it."""
    source, destination = await stage.profile(), await stage.profile()
    start, end = START_MS - 5 * DAY, START_MS - 2 * DAY
    await stage.visit(source, start - 1, start, end, end + 1)
    await stage.visit(source, start - 2)
    await stage.visit(source, start + 1, end + 2)
    await stage.ask(source, destination, start_ms=start, end_ms=end)
    await stage.run()
    assert await stage.times(destination) == [start, start + 1, end]


async def test_late_events_of_the_window_are_copied(stage: AliasStage) -> None:
    """What arrives between the request and its time, but happened in the window, counts: that is why there is a delay."""
    source, destination = await stage.with_past()
    await stage.ask(source, destination)
    await stage.visit(source, START_MS - 7, START_MS + 7)
    await stage.run()
    assert START_MS - 7 in await stage.times(destination)
    assert START_MS + 7 not in await stage.times(destination)


async def test_a_stamp_chooses_the_events_of_one_device(stage: AliasStage) -> None:
    """With a device's stamp only events that came from it are copied."""
    source, destination = await stage.with_past()
    await stage.visit(source, START_MS - 50, stamp="tablet")
    await stage.visit(source, START_MS - 60)
    await stage.ask(source, destination, stamp="tablet")
    await stage.run()
    assert await stage.times(destination) == [START_MS - 50, START_MS - 1]


async def test_profiles_that_were_only_identified_can_be_aliased(stage: AliasStage) -> None:
    """Profiles of which the workspace knows nothing yet were first seen when they were made."""
    source = await stage.profile()
    stage.now_ms += 10
    destination = await stage.profile()
    request_id = await stage.ask(source, destination)
    await stage.run()
    assert await stage.state(request_id) == ("done", None)
    section = await stage.section(destination)
    assert section is not None
    assert section.first_seen_ms == START_MS
    assert await stage.kept(destination) == []


async def test_workspaces_of_a_scope_keep_their_own_past(stage: AliasStage) -> None:
    """An alias of one workspace changes nothing in another, and speaks against none there."""
    source, destination = await stage.with_past()
    await stage.visit(source, START_MS - 9, workspace=TV)
    await stage.visit(destination, START_MS - 8, workspace=TV)
    before = await stage.section(destination, TV), await stage.section(source, TV)
    await stage.ask(source, destination)
    elsewhere = stage.alias(destination, source)
    assert isinstance(await stage.aliasing.request(stage.door(TV), elsewhere), Queued)
    assert await stage.run(DAY - 1) == 0
    assert (await stage.section(destination, TV), await stage.section(source, TV)) == before
    assert await stage.run(1) == 2
    assert await stage.state(elsewhere.request_id) == ("done", None)
    assert await stage.times(source, TV) == [START_MS - 9, START_MS - 8]
    assert START_MS - 9 not in await stage.times(destination)


async def test_the_silent_rules_are_told_to_whoever_asks(stage: AliasStage) -> None:
    """Requests that break them are accepted, change nothing, and their state names the rule."""
    p1, p2 = await stage.with_past()
    p3 = await stage.profile()
    first = await stage.ask(p1, p2, start_ms=START_MS - 10 * DAY, end_ms=START_MS - 5 * DAY)
    overlapping = await stage.ask(p1, p3, start_ms=START_MS - 7 * DAY, end_ms=START_MS - DAY)
    was_source = await stage.ask(p3, p1)
    was_destination = await stage.ask(p2, p3)
    beside = await stage.ask(p1, p3, start_ms=START_MS - 4 * DAY, end_ms=START_MS - DAY)
    assert await stage.run() == 5
    assert await stage.state(first) == ("done", None)
    assert await stage.state(overlapping) == ("rejected", "overlapping_window")
    assert await stage.state(was_source) == ("rejected", "destination_was_source")
    assert await stage.state(was_destination) == ("rejected", "source_was_destination")
    assert await stage.state(beside) == ("done", None)
    assert await stage.times(p3) == [START_MS - 3 * DAY, START_MS - 2 * DAY, START_MS - DAY]


async def test_a_rejected_request_forbids_nothing(stage: AliasStage) -> None:
    """What was not carried out does not count against later requests."""
    p1, p2 = await stage.with_past()
    p3, p4 = await stage.profile(), await stage.profile()
    await stage.ask(p1, p2)
    rejected = await stage.ask(p2, p3)
    later = await stage.ask(p3, p4)
    await stage.run()
    assert (await stage.state(rejected))[0] == "rejected"
    assert await stage.state(later) == ("done", None)


async def test_requests_are_settled_in_the_order_in_which_they_were_made(stage: AliasStage) -> None:
    """Although the clock stands still and ids sort the other way, the first one wins, whatever page it is on."""
    p1, p2 = await stage.profile(), await stage.profile()
    ids = [await stage.ask(p1, p2, f"{number:03}") for number in range(aliasing.DUE_A_PAGE + 5, 0, -1)]
    assert await stage.run() == len(ids)
    assert [(await stage.state(one))[0] for one in ids] == ["done"] + ["rejected"] * (len(ids) - 1)


async def test_a_shorter_delay_does_not_overtake(stage: AliasStage) -> None:
    """After a restart with another delay, a later request still waits for the earlier one about its profiles."""
    p1, p2 = await stage.with_past()
    p3 = await stage.profile()
    first = await stage.ask(p1, p2)
    restarted = await AliasStage(stage.store, configuration(settings=AT_ONCE), stage.now_ms + 5, made=10).open()
    second = await restarted.ask(p3, p1)
    other = await restarted.ask(await restarted.profile(), p3)
    assert await restarted.run(0) == 0
    assert await restarted.state(other) == ("queued", None)
    assert await restarted.run() == 3
    assert await restarted.state(first) == ("done", None)
    assert await restarted.state(second) == ("rejected", "destination_was_source")


async def test_without_a_delay_a_request_is_due_at_once(stage: AliasStage) -> None:
    """A delay of 0 hours needs no time to pass."""
    at_once = await AliasStage(stage.store, configuration(settings=AT_ONCE)).open()
    source, destination = await at_once.with_past()
    request_id = await at_once.ask(source, destination)
    assert await at_once.run(0) == 1
    assert await at_once.state(request_id) == ("done", None)


async def test_a_repeated_request_changes_nothing(stage: AliasStage) -> None:
    """Sent again under its id it is accepted, before and after it was settled, and carried out once."""
    source, destination = await stage.with_past()
    request = stage.alias(source, destination)
    first = await stage.aliasing.request(stage.door(), request)
    stage.now_ms += 1000
    again = await stage.aliasing.request(stage.door(), request)
    assert isinstance(first, Queued)
    assert again == Repeated(first.row)
    await stage.run()
    times = await stage.times(destination)
    stage.now_ms += 100 * DAY
    assert isinstance(await stage.aliasing.request(stage.door(), request), Repeated)
    assert await stage.run() == 0
    assert await stage.times(destination) == times


async def test_two_requests_under_one_id_are_told_apart(stage: AliasStage) -> None:
    """Another request with an id that is taken is refused, so that nobody believes it accepted."""
    source, destination = await stage.with_past()
    await stage.ask(source, destination, "same")
    other = stage.alias(source, await stage.profile(), "same")
    assert refusal(await stage.aliasing.request(stage.door(), other)) is AliasRefusal.REQUEST_ID_TAKEN
    elsewhere = stage.alias(source, destination, "same")
    assert refusal(await stage.aliasing.request(stage.door(TV), elsewhere)) is AliasRefusal.REQUEST_ID_TAKEN


async def test_profiles_elsewhere_are_unknown(stage: AliasStage) -> None:
    """A profile of another scope or environment does not exist for a request, on either side."""
    here, there = await stage.profile(), await stage.profile(OTHER)
    development = await stage.profile(environment=DEVELOPMENT)
    for source, destination in ((here, there), (there, here), (here, development), (development, here), (here, 999)):
        outcome = await stage.aliasing.request(stage.door(), stage.alias(source, destination))
        assert refusal(outcome) is AliasRefusal.UNKNOWN_MPID
    outcome = await stage.aliasing.request(stage.door(), stage.alias(here, development, environment=DEVELOPMENT))
    assert refusal(outcome) is AliasRefusal.UNKNOWN_MPID
    second = await stage.profile(environment=DEVELOPMENT)
    outcome = await stage.aliasing.request(stage.door(), stage.alias(development, second, environment=DEVELOPMENT))
    assert isinstance(outcome, Queued)


async def test_a_refused_request_is_not_kept() -> None:
    """What is refused at once can be corrected and sent again under its id."""
    stage = await opened()
    source, destination = await stage.with_past()
    wrong = stage.alias(source, destination, "r", start_ms=START_MS, end_ms=START_MS - DAY)
    assert refusal(await stage.aliasing.request(stage.door(), wrong)) is AliasRefusal.INVERTED_WINDOW
    assert await stage.aliasing.show("r") is None
    await stage.ask(source, destination, "r")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"settings": AliasSettings()}, AliasRefusal.NOT_PROVISIONED),
        ({"strategy": Strategy.PROFILE_ISOLATION}, AliasRefusal.STRATEGY_NOT_SUPPORTED),
        ({"strategy": Strategy.BEST_MATCH}, AliasRefusal.STRATEGY_NOT_SUPPORTED),
    ],
)
async def test_workspace_and_scope_must_allow_it(settings: dict[str, Any], reason: AliasRefusal) -> None:
    """The settings of the workspace and the strategy of its scope decide whether there are aliases."""
    stage = await opened(**settings)
    source, destination = await stage.profile(), await stage.profile()
    outcome = await stage.aliasing.request(stage.door(), stage.alias(source, destination))
    assert refusal(outcome) is reason


async def test_the_workspaces_window_counts() -> None:
    """How far back a window may reach is a setting of the workspace."""
    stage = await opened(settings=AliasSettings(provisioned=True, window_days=2))
    source, destination = await stage.with_past()
    outcome = await stage.aliasing.request(stage.door(), stage.alias(source, destination, start_ms=START_MS - 3 * DAY))
    assert refusal(outcome) is AliasRefusal.START_TOO_OLD
    await stage.ask(source, destination)
    await stage.run()
    assert await stage.times(destination) == [START_MS - 2 * DAY, START_MS - DAY, START_MS - 1]


async def test_a_profile_can_not_be_named_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of requests about a profile a further one is refused."""
    monkeypatch.setattr(aliasing, "ALIASES_OF_PROFILE_MAX", 3)
    stage = await opened()
    source, destination = await stage.profile(), await stage.profile()
    for _ in range(3):
        await stage.ask(source, destination)
    outcome = await stage.aliasing.request(stage.door(), stage.alias(source, destination))
    assert refusal(outcome) is AliasRefusal.TOO_MANY_REQUESTS


@pytest.mark.parametrize(("limit", "most"), [("EVENT_BATCHES_MAX", 2), ("EVENT_BYTES_MAX", 100)])
async def test_more_events_than_an_alias_may_copy(limit: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rejected whole, with a reason, and shorter windows can be asked for."""
    stage = await opened()
    source, destination = await stage.with_past()
    request_id = await stage.ask(source, destination)
    monkeypatch.setattr(alias_settling, limit, most)
    await stage.run()
    assert await stage.state(request_id) == ("rejected", "too_many_events")
    assert await stage.times(destination) == [START_MS - 1]
    monkeypatch.undo()
    again = await stage.ask(source, destination)
    await stage.run()
    assert await stage.state(again) == ("done", None)


async def test_events_of_many_pages_are_copied_together(stage: AliasStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages are read, each event is copied once, in one commit."""
    monkeypatch.setattr(alias_settling, "EVENT_BATCHES_A_PAGE", 4)
    source, destination = await stage.profile(), await stage.profile()
    times = [START_MS - 1000 + number for number in range(12)]
    for at_ms in times:
        await stage.visit(source, at_ms)
    await stage.ask(source, destination)
    await stage.run()
    assert await stage.times(destination) == times


async def test_a_request_shows_its_whole_state(stage: AliasStage) -> None:
    """State, profiles, window and times of a request can be asked for by its id, with a sentence if it was rejected."""
    source, destination = await stage.with_past()
    await stage.ask(source, destination, "one", stamp="phone", end_ms=START_MS - 1)
    document = await stage.aliasing.show("one")
    assert document == {
        "request_id": "one",
        "workspace": SHOP,
        "environment": "production",
        "state": "queued",
        "reason": None,
        "message": None,
        "source_mpid": str(source),
        "destination_mpid": str(destination),
        "start": "2023-08-16T22:13:20.000Z",
        "end": "2023-11-14T22:13:19.999Z",
        "device_application_stamp": "phone",
        "requested_at": "2023-11-14T22:13:20.000Z",
        "due_at": "2023-11-15T22:13:20.000Z",
        "settled_at": None,
    }
    await stage.ask(source, destination, "two")
    await stage.run()
    rejected = await stage.aliasing.show("two")
    assert rejected is not None
    assert (rejected["state"], rejected["settled_at"]) == ("rejected", "2023-11-15T22:13:20.000Z")
    assert str(rejected["message"]).startswith("An earlier request aliased the same source")
    assert await stage.aliasing.show("three") is None


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """A request that was accepted before the server stopped is carried out by the one that starts later."""
    file = tmp_path / "knownas.db"
    stage = await AliasStage(SqliteStore(file)).open()
    source, destination = await stage.with_past()
    request_id = await stage.ask(source, destination)
    await stage.store.close()
    later = await AliasStage(SqliteStore(file), now_ms=stage.now_ms + 40 * DAY).open()
    assert await later.aliasing.run_due(later.now_ms) == 1
    assert await later.state(request_id) == ("done", None)
    assert len(await later.times(destination)) == 4
    await later.store.close()


async def test_rows_are_kept_as_asked(stage: AliasStage) -> None:
    """What is kept of a request is what it said, with its effective window and the time at which it is due."""
    source, destination = await stage.profile(), await stage.profile()
    request = AliasRequest("r", DEVELOPMENT, source, destination)
    assert refusal(await stage.aliasing.request(stage.door(), request)) is AliasRefusal.UNKNOWN_MPID
    await stage.ask(source, destination, "r", stamp="s")
    kept = await stage.store.user_data.alias("r")
    window = (START_MS - 90 * DAY, START_MS)
    assert kept == AliasRow(
        "r", SHOP, "production", source, destination, *window, "s", requested_ms=START_MS, due_ms=START_MS + DAY
    )
