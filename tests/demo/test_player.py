"""The promises of the player, and of the traffic once it is played through the core."""

import asyncio
from collections import Counter, defaultdict
from itertools import count

import pytest

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import ChangeKind, Created, Decision, Modified, NotFound, Refused, Returned, Seeded
from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, ModifyRequest, Observation
from knownas.core.identity.policy import Strategy, policy
from knownas.core.identity.records import Records
from knownas.core.identity.story import story
from knownas.demo.player import AT_ONCE_MAX, Answer, Played, play
from knownas.demo.traffic import Visit, traffic

START_MS = 1_767_225_600_000


class CoreSender:
    """Answers visits from records in memory, and keeps what was decided."""

    def __init__(self) -> None:
        self.policy = policy(Strategy.PROFILE_CONVERSION, login_ids=[IdentityType.CUSTOMER_ID])
        self.records = Records()
        self.mpids = count(1)
        self.decided: list[tuple[Visit, Observation, Decision]] = []

    async def __call__(self, visit: Visit, previous_mpid: int | None, mpid: int | None) -> Answer:
        observation = self.observation(visit, previous_mpid, mpid)
        decision = decide(observation, self.policy, self.records, next(self.mpids))
        self.records.apply(decision.writes)
        self.decided.append((visit, observation, decision))
        match decision.outcome:
            case Returned(answer) | Created(answer) | Modified(answer) | Seeded(answer):
                self.records.saw(answer, visit.at_ms)
                return Answer(answer)
            case NotFound() | Refused():
                return Answer(None)

    @staticmethod
    def observation(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Observation:
        environment = Environment(visit.environment)
        if visit.call == "modify":
            assert mpid is not None
            return ModifyRequest(visit.at_ms, environment, visit.input, mpid, visit.changes)
        given = {IdentityType(kind): value for kind, value in visit.identities.items()}
        endpoint = Endpoint(visit.call)
        return IdentityRequest(endpoint, visit.at_ms, environment, visit.input, identities(given), previous_mpid)


@pytest.fixture(scope="module")
def played() -> CoreSender:
    sender = CoreSender()
    asyncio.run(play(traffic(1, 400, START_MS), sender))
    return sender


def test_an_hour_shows_every_outcome(played: CoreSender) -> None:
    """Known and anonymous returns, new profiles, sign-ups, changes, moves and misses all occur, and no refusal."""
    outcomes = [decision.outcome for _, _, decision in played.decided]
    returned = [outcome for outcome in outcomes if isinstance(outcome, Returned)]
    assert {outcome.known for outcome in returned} == {True, False}
    assert any(outcome.became_known for outcome in returned)
    assert any(isinstance(outcome, Created) for outcome in outcomes)
    assert any(isinstance(outcome, Modified) for outcome in outcomes)
    assert any(isinstance(outcome, NotFound) for outcome in outcomes)
    assert not any(isinstance(outcome, Refused) for outcome in outcomes)
    kinds = {change.kind for _, _, decision in played.decided for change in decision.changes}
    assert kinds == {ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.MOVED}


def test_most_of_an_hour_changes_nothing(played: CoreSender) -> None:
    """Return visits are most of the traffic, and a return changes nothing."""
    changing = sum(bool(decision.changes) for _, _, decision in played.decided)
    assert 0.1 < changing / len(played.decided) < 0.5


def test_devices_are_shared_and_people_meet_on_several(played: CoreSender) -> None:
    """Some device identities sit on several profiles, the kiosk's on many; some profiles have several devices."""
    holders = Counter(held for record in played.records for held in record.lookups() if held.type in DEVICE_TYPES)
    assert sum(many > 1 for many in holders.values()) > 20
    assert max(holders.values()) > 16
    stamps = [len(record.identities.get(IdentityType.DEVICE_APPLICATION_STAMP, ())) for record in played.records]
    assert max(stamps) >= 3


def test_a_customer_has_one_profile(played: CoreSender) -> None:
    """However often and wherever people log in, a customer ID leads to at most one profile."""
    customers = Counter(
        held for record in played.records for held in record.lookups() if held.type is IdentityType.CUSTOMER_ID
    )
    assert len(customers) > 100
    assert set(customers.values()) == {1}


def test_every_decision_of_an_hour_can_be_told(played: CoreSender) -> None:
    """The story of each decision names its call and is made of sentences."""
    for visit, observation, decision in played.decided:
        told = story(observation, decision, played.policy)
        assert told.headline.startswith(visit.call)
        assert all(sentence.endswith(".") for sentence in told.sentences)


async def test_a_device_sends_the_mpid_it_was_answered_last() -> None:
    """The previous MPID of a visit is the last answer to its device; a modify names it in its path instead."""
    last: dict[str, int] = {}
    mpids = count(1)

    async def send(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Answer:
        device = visit.previous_mpid
        if device is None:
            assert (previous_mpid, mpid) == (None, None)
            return Answer(None)
        if visit.call == "modify":
            assert (previous_mpid, mpid) == (None, last[device])
        else:
            assert (previous_mpid, mpid) == (last.get(device), None)
        last[device] = next(mpids)
        return Answer(last[device])

    visits = list(traffic(3, 100, START_MS))
    assert await play(visits, send) == Played(len(visits), 0)


async def test_many_at_once_keep_each_device_in_order() -> None:
    """However many visits are on their way, a device has one at a time, and in its order."""
    visits = list(traffic(4, 60, START_MS))
    order: dict[str | None, list[int]] = defaultdict(list)
    busy: set[str] = set()
    most = 0

    async def send(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Answer:
        nonlocal most
        device = visit.previous_mpid
        if device is None:
            return Answer(None)
        assert device not in busy
        busy.add(device)
        most = max(most, len(busy))
        for _ in range(visit.at_ms % 7):
            await asyncio.sleep(0)
        busy.remove(device)
        order[device].append(visit.at_ms)
        return Answer(previous_mpid or mpid or 1)

    played = await play(visits, send, at_once=16)
    assert played.sent == len(visits)
    assert 4 < most <= 16
    assert all(times == sorted(times) for times in order.values())


async def test_one_at_a_time_is_strictly_in_order() -> None:
    """By default the sender sees the visits exactly as they were generated."""
    visits = list(traffic(5, 50, START_MS))
    seen: list[Visit] = []

    async def send(visit: Visit, _previous_mpid: int | None, _mpid: int | None) -> Answer:
        seen.append(visit)
        await asyncio.sleep(0)
        return Answer(1)

    await play(visits, send)
    assert seen == visits


async def test_a_modify_without_a_profile_is_not_sent() -> None:
    """A device that was never answered has no profile to modify; the visit is counted as unsent."""
    visits = list(traffic(1, 400, START_MS))

    async def send(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Answer:
        assert visit.call != "modify"
        assert (previous_mpid, mpid) == (None, None)
        return Answer(None)

    unsent = sum(visit.call == "modify" for visit in visits)
    assert unsent > 0
    assert await play(visits, send) == Played(len(visits) - unsent, unsent)


async def test_a_failing_sender_stops_the_play() -> None:
    """What the sender raises comes out, and no further visit is sent."""
    sent = count(1)

    async def send(_visit: Visit, _previous_mpid: int | None, _mpid: int | None) -> Answer:
        if next(sent) == 10:
            raise ConnectionError("gone")
        return Answer(1)

    with pytest.raises(ExceptionGroup) as caught:
        await play(traffic(6, 50, START_MS), send, at_once=4)
    assert caught.value.subgroup(ConnectionError) is not None
    assert next(sent) < 16


@pytest.mark.parametrize("at_once", [0, -1, AT_ONCE_MAX + 1])
async def test_an_unbounded_crowd_is_refused(at_once: int) -> None:
    """The number of visits on their way has a limit."""
    with pytest.raises(ValueError, match="1 to"):
        await play([], CoreSender(), at_once=at_once)
