"""A data subject's request is taken once, kept with its evidence, shown to its workspace alone, and can be taken back."""

import pytest

from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import DAY_MS, RequestState, RequestType, Subject
from knownas.service.privacy.subject_requests import (
    GROUP_REQUESTS_MAX,
    AlreadyExists,
    Cancelled,
    GivenRequest,
    InProgress,
    NotCalled,
    NotPending,
    Taken,
    Unknown,
)
from knownas.service.privacy.subject_status import callback_from
from tests.service.privacy_stage import Stage, given, stage

HERE = "http://127.0.0.1:9/told"


async def taken(world: Stage, asked: GivenRequest) -> str:
    """Take a request that nothing speaks against."""
    outcome = await world.privacy.requests.take(world.place(), asked, world.clock())
    assert isinstance(outcome, Taken), outcome
    return outcome.request.request_id


async def test_a_request_is_kept_with_its_evidence_and_its_callbacks() -> None:
    """What was asked and how it was verified is in the chain, and whoever is to be told has a delivery."""
    world = await stage()
    request_id = await taken(world, given(callbacks=(HERE, HERE, f"{HERE}/2")))
    assert await world.steps(request_id) == [Step.RECEIVED, Step.VERIFIED]
    deliveries = await world.store.deliveries_due(world.clock(), 10)
    assert [callback_from(one).url for one in deliveries] == [HERE, f"{HERE}/2"]
    kept = await world.privacy.requests.find(world.place(), request_id)
    assert kept is not None
    assert kept.request.state is RequestState.PENDING
    assert kept.request.due_ms == world.clock() + 7 * DAY_MS


async def test_the_evidence_holds_nothing_of_the_person() -> None:
    """No identity, group or URL stands in any entry."""
    world = await stage()
    await taken(world, given(callbacks=(HERE,), group="a-group-of-hers"))
    text = b"".join([one.document for one in await world.store.entries(0, 100)])
    for mark in (b"a@example.com", b"127.0.0.1", b"a-group-of-hers"):
        assert mark not in text


async def test_an_id_is_used_once() -> None:
    """The second request with it changes nothing, whosever it is."""
    world = await stage()
    first = given()
    await taken(world, first)
    again = await world.privacy.requests.take(world.place(), first, world.clock())
    other = await world.privacy.requests.take(world.place("other-ws-key"), first, world.clock())
    assert (again, other) == (AlreadyExists(), AlreadyExists())
    assert len(await world.store.entries(0, 100)) == 2


async def test_the_same_of_the_same_person_is_asked_once_at_a_time() -> None:
    """Another type, person or workspace is another request; and it can be asked again once the first has ended."""
    world = await stage()
    request_id = await taken(world, given())
    assert await world.privacy.requests.take(world.place(), given(), world.clock()) == InProgress()
    await taken(world, given(RequestType.ACCESS))
    await taken(world, given(subject=Subject(mpid=5)))
    elsewhere = await world.privacy.requests.take(world.place("other-ws-key"), given(), world.clock())
    assert isinstance(elsewhere, Taken)
    await world.privacy.requests.cancel(world.place(), request_id, world.clock())
    await taken(world, given())


async def test_who_may_not_be_called_is_not_taken() -> None:
    """Before anything is kept."""
    world = await stage(domain="privacy.example.com")
    outcome = await world.privacy.requests.take(world.place(), given(callbacks=(HERE,)), world.clock())
    assert outcome == NotCalled(HERE)
    assert await world.store.entries(0, 100) == []


async def test_a_request_is_its_workspaces_own() -> None:
    """Another one can neither see nor cancel it, and is told the same as of one that is not there."""
    world = await stage()
    request_id, other = await taken(world, given(group="g")), world.place("other-ws-key")
    assert await world.privacy.requests.find(other, request_id) is None
    assert await world.privacy.requests.group(other, "g") == []
    assert await world.privacy.requests.cancel(other, request_id, world.clock()) == Unknown()
    assert await world.privacy.requests.cancel(world.place(), "nothing", world.clock()) == Unknown()


async def test_a_pending_request_can_be_taken_back() -> None:
    """Then it says nothing more of the person, and whoever is to be told has a delivery for that as well."""
    world = await stage()
    request_id = await taken(world, given(callbacks=(HERE,)))
    outcome = await world.privacy.requests.cancel(world.place(), request_id, world.clock())
    assert isinstance(outcome, Cancelled)
    row = await world.store.request(request_id)
    assert row is not None
    assert b"a@example.com" not in row.document
    assert HERE.encode() not in row.document
    assert (await world.steps(request_id))[-1] is Step.CANCELLED
    states = [callback_from(one).state for one in await world.store.deliveries_due(world.clock(), 10)]
    assert states == [RequestState.PENDING, RequestState.CANCELLED]
    again = await world.privacy.requests.cancel(world.place(), request_id, world.clock())
    assert again == NotPending(RequestState.CANCELLED)


async def test_what_is_carried_out_can_not_be_taken_back() -> None:
    """A request that is completed stays as it is."""
    world = await stage(waiting_days=0)
    request_id = await taken(world, given(RequestType.ACCESS))
    assert await world.privacy.work.work_off() == 1
    outcome = await world.privacy.requests.cancel(world.place(), request_id, world.clock())
    assert outcome == NotPending(RequestState.COMPLETED)


async def test_a_group_is_listed_from_its_newest() -> None:
    """Up to the limit."""
    world = await stage()
    for number in range(GROUP_REQUESTS_MAX + 2):
        world.clock.now_ms += 1
        await taken(world, replace_subject(given(group="g"), number + 1))
    listed = await world.privacy.requests.group(world.place(), "g")
    assert len(listed) == GROUP_REQUESTS_MAX
    times = [one.request.received_ms for one in listed]
    assert times == sorted(times, reverse=True)
    assert times[0] == world.clock()


def replace_subject(asked: GivenRequest, mpid: int) -> GivenRequest:
    """Ask the same of somebody else."""
    return given(request_id=asked.request_id, group=asked.group, subject=Subject(mpid=mpid))


@pytest.mark.parametrize(
    ("days", "kind", "skips", "due_days"),
    [(7, RequestType.ERASURE, False, 7), (7, RequestType.ERASURE, True, 0), (0, RequestType.PORTABILITY, False, 0)],
)
async def test_a_request_waits_as_its_workspace_says(
    days: int,
    kind: RequestType,
    skips: bool,  # noqa: FBT001 - a case
    due_days: int,
) -> None:
    """So many days, or not at all where it is skipped or the workspace says 0."""
    world = await stage(days)
    outcome = await world.privacy.requests.take(world.place(), given(kind, skips_waiting=skips), world.clock())
    assert isinstance(outcome, Taken)
    assert outcome.request.due_ms == world.clock() + due_days * DAY_MS
