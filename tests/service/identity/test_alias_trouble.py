"""What becomes of alias requests when servers are killed, stores fail, and others are faster; and when they are run."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from knownas.config.values import AliasSettings
from knownas.service.identity import aliasing
from knownas.service.identity.aliasing import Aliasing, Queued, Repeated
from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.memory.store import MemoryStore
from knownas.store.port import StoredProfile
from knownas.store.user_data import SectionKey, UserDataCommit, UserDataStore
from tests.service.alias_stage import AT_ONCE, DAY, SHOP, AliasStage, opened
from tests.store.world import START_MS
from tests.waiting import moment, until

PATIENCE_SECONDS = 10


class Killed(BaseException):
    """The process ends here."""


class Trouble:
    """Passes everything on to a store's second half, but for what it is told to do at the next commit."""

    def __init__(self, data: UserDataStore) -> None:
        self._data = data
        self.at_commit: Callable[[UserDataCommit], Any] | None = None
        self.commits = 0

    async def commit(self, commit: UserDataCommit) -> bool:
        self.commits += 1
        trouble, self.at_commit = self.at_commit, None
        if trouble is not None:
            answer = await trouble(commit)
            if answer is not None:
                return answer
        return await self._data.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)


class TroubledStore:
    """A real store whose second half can be told to fail."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.user_data = Trouble(self.store.user_data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.fixture
async def troubled() -> AliasStage:
    """Aliasing over a store that can be told to fail."""
    return await opened(TroubledStore)


def trouble(stage: AliasStage) -> Trouble:
    """Return the store's second half that can be told to fail."""
    assert isinstance(stage.store.user_data, Trouble)
    return stage.store.user_data


async def test_killed_before_the_commit_it_is_queued(troubled: AliasStage) -> None:
    """The next run carries it out from the beginning, with nothing copied twice."""
    source, destination = await troubled.with_past()
    request_id = await troubled.ask(source, destination)

    async def kill(_commit: UserDataCommit) -> None:
        raise Killed

    trouble(troubled).at_commit = kill
    with pytest.raises(Killed):
        await troubled.run()
    assert await troubled.state(request_id) == ("queued", None)
    assert await troubled.times(destination) == [START_MS - 1]
    restarted = await AliasStage(troubled.store, now_ms=troubled.now_ms).open()
    assert await restarted.run(0) == 1
    assert len(await restarted.times(destination)) == 4


async def test_killed_after_the_commit_it_is_done(troubled: AliasStage) -> None:
    """The next run finds nothing to do."""
    source, destination = await troubled.with_past()
    request_id = await troubled.ask(source, destination)

    async def keep_and_die(commit: UserDataCommit) -> None:
        assert await trouble(troubled).commit(commit)
        raise Killed

    trouble(troubled).at_commit = keep_and_die
    with pytest.raises(Killed):
        await troubled.run()
    restarted = await AliasStage(troubled.store, now_ms=troubled.now_ms).open()
    assert await restarted.run(0) == 0
    assert await restarted.state(request_id) == ("done", None)
    assert len(await restarted.times(destination)) == 4


async def test_events_that_arrive_while_it_is_carried_out_are_copied_too(troubled: AliasStage) -> None:
    """If a section has changed since it was loaded the commit is refused, and everything is done again."""
    source, destination = await troubled.with_past()
    request_id = await troubled.ask(source, destination)

    async def visit_first(_commit: UserDataCommit) -> None:
        await troubled.visit(source, START_MS - 77)

    trouble(troubled).at_commit = visit_first
    assert await troubled.run() == 1
    assert await troubled.state(request_id) == ("done", None)
    assert START_MS - 77 in await troubled.times(destination)
    assert len(await troubled.times(destination)) == 5


async def test_two_servers_carry_it_out_once(troubled: AliasStage) -> None:
    """Of two that settle the same request at the same time, one finds it settled."""
    source, destination = await troubled.with_past()
    await troubled.ask(source, destination)
    other = await AliasStage(troubled.store, now_ms=troubled.now_ms + DAY).open()

    async def overtake(_commit: UserDataCommit) -> None:
        assert await other.run(0) == 1

    trouble(troubled).at_commit = overtake
    assert await troubled.run() == 0
    assert len(await troubled.times(destination)) == 4


async def test_it_does_not_try_for_ever(troubled: AliasStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that loses every race is left for the next run, and holds up no other."""
    monkeypatch.setattr(aliasing, "COMMIT_ATTEMPTS_MAX", 3)
    source, destination = await troubled.with_past()
    first = await troubled.ask(source, destination)
    second = await troubled.ask(await troubled.profile(), await troubled.profile())
    data = trouble(troubled)
    data.commits = 0

    async def lose(_commit: UserDataCommit) -> bool:
        data.at_commit = lose if data.commits < 3 else None
        return False

    data.at_commit = lose
    assert await troubled.run() == 1
    assert (await troubled.state(first), await troubled.state(second)) == (("queued", None), ("done", None))
    assert await troubled.run(0) == 1


async def test_a_request_that_loses_every_race_is_told_to_come_back(
    troubled: AliasStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a request has an end too, and says that the store is busy."""
    monkeypatch.setattr(aliasing, "COMMIT_ATTEMPTS_MAX", 3)
    request = troubled.alias(await troubled.profile(), await troubled.profile())
    data = trouble(troubled)

    async def lose(_commit: UserDataCommit) -> bool:
        data.at_commit = lose
        return False

    data.at_commit = lose
    with pytest.raises(StoreBusy):
        await troubled.aliasing.request(troubled.door(), request)
    data.at_commit = None
    assert isinstance(await troubled.aliasing.request(troubled.door(), request), Queued)


async def test_a_profile_that_is_gone_by_then(troubled: AliasStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one of the profiles no longer exists when the request is due, it is rejected and changes nothing."""
    source, destination = await troubled.with_past()
    request_id = await troubled.ask(source, destination)
    assert isinstance(troubled.store, TroubledStore)
    profile = troubled.store.store.profile

    async def find(mpid: int) -> StoredProfile | None:
        return None if mpid == source else await profile(mpid)

    monkeypatch.setattr(troubled.store.store, "profile", find)
    assert await troubled.run() == 1
    assert await troubled.state(request_id) == ("rejected", "profile_gone")
    assert await troubled.times(destination) == [START_MS - 1]


async def test_two_at_once_under_one_id_are_one(troubled: AliasStage) -> None:
    """The same request sent twice at the same time is kept once, and both are accepted."""
    request = troubled.alias(await troubled.profile(), await troubled.profile())

    async def overtake(_commit: UserDataCommit) -> None:
        assert isinstance(await troubled.aliasing.request(troubled.door(), request), Queued)

    trouble(troubled).at_commit = overtake
    assert isinstance(await troubled.aliasing.request(troubled.door(), request), Repeated)
    assert await troubled.run() == 1


async def test_an_acceptance_that_got_lost_can_be_asked_for_again(troubled: AliasStage) -> None:
    """If nobody knows whether it was kept the sender hears of an error, sends it again, and it is kept once."""
    request = troubled.alias(await troubled.profile(), await troubled.profile())

    async def keep_and_fail(commit: UserDataCommit) -> None:
        assert await trouble(troubled).commit(commit)
        raise UnknownOutcome("the connection was lost")

    trouble(troubled).at_commit = keep_and_fail
    with pytest.raises(UnknownOutcome):
        await troubled.aliasing.request(troubled.door(), request)
    assert isinstance(await troubled.aliasing.request(troubled.door(), request), Repeated)


async def test_one_that_can_not_be_read_holds_up_no_other(
    troubled: AliasStage, caplog: pytest.LogCaptureFixture
) -> None:
    """A request over damaged data stays queued and is complained about; the others are carried out."""
    damaged, fine = await troubled.with_past()
    key = SectionKey(SHOP, "production", damaged)
    stored = (await troubled.store.user_data.load([key])).sections[key]
    data: Any = troubled.store.user_data
    memory = data._sections
    first = await troubled.ask(damaged, fine)
    second = await troubled.ask(await troubled.profile(), await troubled.profile())
    memory[key] = stored._replace(document=b"{")
    assert await troubled.run() == 1
    assert await troubled.state(first) == ("queued", None)
    assert await troubled.state(second) == ("done", None)
    assert first in caplog.text
    memory[key] = stored
    assert await troubled.run(0) == 1


async def test_a_store_that_fails_ends_the_run(troubled: AliasStage) -> None:
    """The error is told to the caller, and what was settled before stays settled."""
    first = await troubled.ask(await troubled.profile(), await troubled.profile())
    second = await troubled.ask(await troubled.profile(), await troubled.profile())

    async def fail_next(commit: UserDataCommit) -> bool:
        kept = await trouble(troubled).commit(commit)
        trouble(troubled).at_commit = fail
        return kept

    async def fail(_commit: UserDataCommit) -> bool:
        raise StoreUnavailable("gone")

    trouble(troubled).at_commit = fail_next
    with pytest.raises(StoreError):
        await troubled.run()
    assert [(await troubled.state(one))[0] for one in (first, second)] == ["done", "queued"]


async def eventually(stage: AliasStage, request_id: str, state: str) -> None:
    """Wait until a request has come to a state."""

    async def is_there() -> bool:
        return (await stage.state(request_id))[0] == state

    await until(is_there, PATIENCE_SECONDS)


async def test_the_runner_sleeps_until_a_request_comes() -> None:
    """Without a delay a request is carried out by itself right after it was accepted, however late it comes."""
    stage = await opened(settings=AT_ONCE)
    stage.aliasing.start()
    source, destination = await stage.with_past()
    await eventually(stage, await stage.ask(source, destination), "done")
    await moment()
    await eventually(stage, await stage.ask(await stage.profile(), await stage.profile()), "done")
    await stage.aliasing.close()


async def test_the_runner_wakes_when_a_request_is_due() -> None:
    """It sleeps as long as the earliest request has to wait, and then settles it."""
    delay_hours = 0.05 / 3600
    stage = await opened(settings=AliasSettings(provisioned=True, delay_hours=delay_hours))
    started = time.monotonic()
    stage.aliasing = Aliasing(stage.store, lambda: START_MS + int((time.monotonic() - started) * 1000))
    stage.aliasing.start()
    request_id = await stage.ask(await stage.profile(), await stage.profile())
    assert await stage.state(request_id) == ("queued", None)
    await eventually(stage, request_id, "done")
    assert time.monotonic() - started >= 0.05
    await stage.aliasing.close()


async def test_the_runner_survives_the_store(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the store, or any other, is logged, and the work is taken up again later."""
    monkeypatch.setattr(aliasing, "TROUBLE_PAUSE_SECONDS", 0.01)
    stage = await opened(TroubledStore, settings=AT_ONCE)
    data = trouble(stage)
    request_id = await stage.ask(await stage.profile(), await stage.profile())

    async def fail(_commit: UserDataCommit) -> bool:
        data.at_commit = fail_otherwise
        raise StoreUnavailable("away for a moment")

    async def fail_otherwise(_commit: UserDataCommit) -> bool:
        raise RuntimeError("a fault of ours")

    data.at_commit = fail
    stage.aliasing.start()
    await eventually(stage, request_id, "done")
    await stage.aliasing.close()
    assert "away for a moment" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_the_runner_finishes_what_it_is_at() -> None:
    """Closing waits for the request under way and leaves the rest queued; closing one that never ran is allowed."""
    stage = await opened(TroubledStore, settings=AT_ONCE)
    first = await stage.ask(await stage.profile(), await stage.profile())
    second = await stage.ask(await stage.profile(), await stage.profile())
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_commit: UserDataCommit) -> None:
        reached.set()
        await go_on.wait()

    trouble(stage).at_commit = wait
    stage.aliasing.start()
    await reached.wait()
    closing = asyncio.create_task(stage.aliasing.close())
    await moment()
    assert not closing.done()
    go_on.set()
    await closing
    assert (await stage.state(first), await stage.state(second)) == (("done", None), ("queued", None))
    await Aliasing(stage.store, stage.clock).close()
