"""Nobody waits past the deadline, and who is told that nothing was changed can rely on it."""

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.observation import Endpoint
from knownas.service.identity.question import Answer
from knownas.service.line import Line, Outdated
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.port import Snapshot, Wanted
from tests.service.stage import PRODUCTION, Stage, mpid_of
from tests.store.world import EVERYTHING
from tests.waiting import moment, until

LOGIN = Endpoint.LOGIN
DEADLINE_SECONDS = 0.1
LATE_BY_SECONDS = 1.0
PATIENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def _short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knownas.service.line.REQUEST_SECONDS", DEADLINE_SECONDS)


async def told(waiting: Sequence[Awaitable[Answer]]) -> list[Answer | BaseException]:
    """Return what those who wait are told, in time."""
    return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), DEADLINE_SECONDS + LATE_BY_SECONDS)


async def test_who_waits_for_a_store_that_hangs_is_told() -> None:
    """While loading hangs, those of the batch and those behind it are told in time, and nothing of them is kept later."""
    stage = Stage()
    stage.store.open.clear()
    batch = [stage.resolver.submit(stage.ask(LOGIN, customerid=f"c-{one}")) for one in range(3)]
    await moment()
    behind = [stage.resolver.submit(stage.ask(LOGIN, customerid=f"b-{one}")) for one in range(3)]

    answers = await told([*batch, *behind])
    stage.store.open.set()
    later = await stage.answer(stage.ask(LOGIN, customerid="later"))

    assert [type(one) for one in answers] == [StoreUnavailable] * 6
    records = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert [record.mpid for record in records] == [mpid_of(later)]


async def test_each_is_told_at_its_own_time() -> None:
    """Who came later is told later: by a deadline of its own, not with the first."""
    line: Line[int, int] = Line()
    loop = asyncio.get_running_loop()
    came, went = dict[int, float](), dict[int, float]()
    for number in range(4):
        came[number] = loop.time()
        line.join(number).add_done_callback(
            lambda done, number=number: went.update({number: loop.time(), -1: id(done)})
        )
        await asyncio.sleep(DEADLINE_SECONDS / 4)
    line.serve(2)

    async def all_are_told() -> bool:
        return len(went) == len(came) + 1

    await until(all_are_told, PATIENCE_SECONDS)
    waited = [went[number] - came[number] for number in came]
    assert all(DEADLINE_SECONDS <= one < DEADLINE_SECONDS + LATE_BY_SECONDS for one in waited), waited


async def test_who_is_told_unknown_may_ask_again() -> None:
    """While the commit hangs the outcome is unknown; it is kept in the end, once, and asked again brings the profile."""
    stage = Stage()
    goes_on = asyncio.Event()
    stage.store.before_commit = goes_on.wait

    answers = await told([stage.resolver.submit(stage.ask(LOGIN, customerid="c"))])
    goes_on.set()
    again = await stage.answer(stage.ask(LOGIN, customerid="c"))

    assert [type(one) for one in answers] == [UnknownOutcome]
    assert isinstance(again.decision.outcome, Returned)
    assert len(await stage.log()) == 1


async def test_what_may_have_been_kept_stays_unknown() -> None:
    """After a commit of unknown outcome nobody is told that nothing was changed, also if the store then hangs or fails."""
    stage = Stage()

    async def lost() -> None:
        # The connection breaks; from then on nothing can be loaded.
        stage.store.open.clear()
        raise UnknownOutcome("the connection was lost")

    stage.store.before_commit = lost
    assert [type(one) for one in await told([stage.resolver.submit(stage.ask(LOGIN, customerid="hangs"))])] == [
        UnknownOutcome
    ]

    stage.store.open.set()
    await stage.resolver.close()
    stage = Stage()

    async def unreachable(_: Sequence[Wanted]) -> Snapshot:
        raise StoreUnavailable("the server is gone")

    async def lost_for_good() -> None:
        stage.store.load = unreachable  # type: ignore[method-assign]
        raise UnknownOutcome("the connection was lost")

    stage.store.before_commit = lost_for_good
    asked = [stage.resolver.submit(stage.ask(LOGIN, customerid=f"fails {one}")) for one in range(2)]
    assert [type(one) for one in await told(asked)] == [UnknownOutcome] * 2


async def test_the_others_of_a_batch_are_decided_without_the_late() -> None:
    """Of a batch whose first is told that nothing was changed, the others are still answered, and only they are kept."""
    stage = Stage()
    stage.store.open.clear()
    first = stage.resolver.submit(stage.ask(LOGIN, customerid="blocks"))
    await moment()
    second = stage.resolver.submit(stage.ask(LOGIN, customerid="first"))
    await asyncio.sleep(DEADLINE_SECONDS / 2)
    third = stage.resolver.submit(stage.ask(LOGIN, customerid="second"))
    # The first is told; the second and the third become a batch, of which the second is late before its commit.
    assert [type(one) for one in await told([first, second])] == [StoreUnavailable] * 2
    stage.store.open.set()

    answer = await third

    assert isinstance(answer.decision.outcome, Created)
    records = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert [record.mpid for record in records] == [mpid_of(answer)]


async def test_a_batch_with_someone_late_is_not_committed() -> None:
    """A commit of a batch is refused as soon as somebody of it was told that nothing was changed."""
    line: Line[int, int] = Line()
    early = line.join(1)
    await asyncio.sleep(DEADLINE_SECONDS / 2)
    line.join(2)
    batch = line.serve(2)
    with pytest.raises(StoreError):
        await early

    with pytest.raises(Outdated):
        line.begin_commit()

    line.put_back(batch)
    assert [asked for asked, _, _ in line.serve(2)] == [2]
    line.begin_commit()
