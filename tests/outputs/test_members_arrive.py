"""Promise about whole histories: whatever goes wrong on the way, who should be a member at a destination is one in the end, and nobody else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.batching import Batch, Waiting, next_batch
from knownas.core.delivery.message import MembershipMessage, Settings
from knownas.core.delivery.outcome import NotNow, Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.telling import Action
from knownas.outputs import braze, iterable, meta
from knownas.service.delivery.destination import Destination
from tests.outputs import braze_contract, iterable_contract, meta_contract
from tests.outputs.messages import NOW_MS, membership, outgoing, surroundings
from tests.outputs.receiving import HANGING_UP, Answering, Behaviour, Received, answering, receiving

CONNECTION = 1
VALUES = ("a", "b", "c", "d")


class Luck(Enum):
    """What becomes of one request on its way."""

    GOOD = "good"
    BUSY = "busy"
    DOWN = "down"
    LOST = "lost"
    """It is carried out, and nobody hears of it."""


@dataclass
class World:
    """A destination that remembers who is a member, by the value that it was told of."""

    members: set[str] = field(default_factory=set[str])

    def braze(self, request: Received) -> Answering:
        """Set and unset switches."""
        objects = braze_contract.read(request)
        assert isinstance(objects, list)
        for one in objects:
            switched = one.members["s (audience 7)"]
            (self.members.add if switched else self.members.discard)(str(one.user[1]))
        return braze_contract.TAKEN

    def iterable(self, request: Received) -> Answering:
        """Subscribe and unsubscribe."""
        came = iterable_contract.read(request)
        change = self.members.add if came.path.endswith("/subscribe") else self.members.discard
        for _, value in came.users:
            change(value)
        return iterable_contract.LISTED

    def meta(self, request: Received) -> Answering:
        """Add and remove rows."""
        came = meta_contract.read(request)
        assert isinstance(came, meta_contract.People)
        for row in came.rows:
            (self.members.add if came.method == "POST" else self.members.discard)(row["EXTERN_ID"])
        return meta_contract.RECEIVED


@dataclass(frozen=True)
class Case:
    """A destination, what is set for it, how it remembers, and where it says how many a call may have."""

    destination: Destination
    settings: Settings
    connection: Settings
    slot: str
    carry_out: Callable[[World, Received], Answering]
    limit: str


CASES = (
    Case(
        braze.DESTINATION,
        {"api_key": braze_contract.KEY},
        {"attribute": "s (audience 7)"},
        "user",
        World.braze,
        "braze.BRAZE_OBJECTS_MAX",
    ),
    Case(
        iterable.DESTINATION,
        {"api_key": iterable_contract.KEY},
        {"made_list_id": 1},
        "user",
        World.iterable,
        "iterable.ITERABLE_SUBSCRIBERS_MAX",
    ),
    Case(
        meta.DESTINATION,
        {"ad_account_id": meta_contract.ACCOUNT, "access_token": meta_contract.TOKEN},
        {"audience_id": meta_contract.AUDIENCE},
        "EXTERN_ID",
        World.meta,
        "meta.META_ROWS_MAX",
    ),
)


def history(steps: Sequence[tuple[int, int]], case: Case) -> tuple[list[Waiting], set[str]]:
    """Return messages that tell of steps, each a user and a value, and who is a member after all of them.

    A step gives the value to the user, or takes it away if the user has it; one that another has is taken away there first.
    """
    holders: dict[str, int] = {}
    waiting: list[Waiting] = []

    def tell(action: Action, mpid: int, value: str) -> None:
        seq = len(waiting) + 1
        who: Outgoing = outgoing(IdentityType.CUSTOMER_ID, value, Encoding.RAW, case.slot)
        message = membership(who, action=action, id=f"m-{seq}", mpid=mpid, settings=case.connection)
        waiting.append(Waiting(seq, CONNECTION, mpid, message))

    for mpid, number in steps:
        value = VALUES[number]
        holder = holders.pop(value, None)
        if holder is not None:
            tell(Action.REMOVE, holder, value)
        if holder != mpid:
            holders[value] = mpid
            tell(Action.ADD, mpid, value)
    return waiting, set(holders)


def lucky(case: Case, world: World, luck: Iterator[Luck]) -> Callable[[Received], Behaviour]:
    """Return what a server does that has this luck, and is good from then on."""

    def decide(request: Received) -> Behaviour:
        match next(luck, Luck.GOOD):
            case Luck.GOOD:
                return case.carry_out(world, request)
            case Luck.BUSY:
                return answering(429)
            case Luck.DOWN:
                return answering(500)
            case Luck.LOST:
                case.carry_out(world, request)
                return HANGING_UP

    return decide


@hypothesis_settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.destination.name)
@given(
    steps=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=12),
    luck=st.lists(st.sampled_from([Luck.GOOD, *Luck]), max_size=12),
    most=st.integers(1, 5),
    a_call=st.integers(1, 3),
)
@example(steps=[(1, 0), (2, 1), (3, 2)], luck=[Luck.GOOD, Luck.BUSY], most=5, a_call=1)
@example(steps=[(1, 0), (2, 0), (2, 0), (1, 0)], luck=[Luck.LOST, Luck.LOST, Luck.DOWN], most=5, a_call=1)
async def test_members_arrive(
    case: Case, steps: list[tuple[int, int]], luck: list[Luck], most: int, a_call: int
) -> None:
    """Requests that are refused for now, fail, or are carried out without an answer change nothing of how it ends."""
    waiting, expected = history(steps, case)
    batching = replace(case.destination.batching, messages_max=most, memberships_max=None)
    world = World()
    answers = lucky(case, world, iter(luck))
    with patch(f"knownas.outputs.{case.limit}", a_call), patch("knownas.outputs.braze.BRAZE_PAUSE_SECONDS", 0.0):
        async with receiving(otherwise=answers) as server:
            sender = case.destination.open({"url": server.url, **case.settings}, surroundings())
            for _ in range(len(waiting) + len(luck) + 1):
                batch = next_batch(waiting, batching, NOW_MS + 10**6)
                if batch is None:
                    break
                assert isinstance(batch, Batch)
                messages = [one.message for one in batch.waiting if isinstance(one.message, MembershipMessage)]
                outcome = await sender.send(messages)
                assert isinstance(outcome, Taken | NotNow)
                if isinstance(outcome, Taken):
                    assert not outcome.refused
                    settled = {one.id for one in messages} - outcome.again.keys()
                    waiting = [one for one in waiting if one.message is None or one.message.id not in settled]
            await sender.close()
    assert waiting == []
    assert world.members == expected
