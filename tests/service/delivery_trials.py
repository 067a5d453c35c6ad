"""Plays what a destination, the network, the store and a killer do to a delivery, and says what of the promises was broken.

A trial is a script: what is written, and what happens at each request until it is over; after that all goes well. The destination remembers what it
has taken. Whether it is in order is judged by `tests.core.delivery.order`, which knows nothing of how it is kept.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import combinations

from hypothesis import strategies as st

from knownas.core.delivery.batching import Batching, Waiting
from knownas.core.delivery.limits import TRIES_MAX
from knownas.core.delivery.message import ErasureMessage, EventsMessage, Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.service.delivery.delivering_output import OutputDelivery
from knownas.service.delivery.limits import OUTPUT_FRESH_MS
from knownas.service.delivery.outputs import OutputState
from knownas.store.errors import StoreError
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.core.delivery.order import MESSAGES, must_stay
from tests.service.delivery_stage import Stage
from tests.service.kept_deliveries import KeptDeliveries

STEPS_MAX = 5_000


class Killed(BaseException):
    """The process is no more."""


class Act(Enum):
    """What happens to a request."""

    TAKE = "take"
    AGAIN = "again"
    REFUSE = "refuse"
    NOT_NOW = "not now"
    CUT = "cut off after a part was taken"
    NOT_THIS = "not this"
    NOT_AT_ALL = "not at all"
    BREAK = "the sender breaks"
    KILL_BEFORE = "killed before it arrives"
    KILL_AFTER = "killed after it was taken"
    STORE_FAILS = "taken, and the store fails"
    FAILS_AND_KILL = "taken, the store fails, and killed"


@dataclass(frozen=True)
class Deed:
    """What happens to one request, and which of its messages it concerns; how many messages are written before."""

    act: Act
    which: int
    writes: int


@dataclass(frozen=True)
class Script:
    """A trial: what is written over which connections, what happens, and how much goes into a request."""

    rows: Sequence[tuple[Message, int]]
    deeds: Sequence[Deed]
    batching: Batching


DEEDS = st.builds(Deed, st.sampled_from(Act), st.integers(0, 255), st.integers(0, 3))
SCRIPTS = st.builds(
    Script,
    st.lists(st.tuples(MESSAGES, st.integers(1, 3)), min_size=1, max_size=12),
    st.lists(DEEDS, max_size=25),
    st.builds(Batching, st.integers(1, 5), st.sampled_from([0.0, 60.0]), st.booleans(), st.none() | st.integers(1, 5)),
)


@dataclass
class Trial:
    """A script as it is played."""

    script: Script
    kind: type[OutputDelivery] = OutputDelivery
    store: Store = field(default_factory=MemoryStore)
    taken: list[Message] = field(default_factory=list[Message])
    unheard: Counter[str] = field(default_factory=Counter[str])
    """How often a message was taken whose answer nobody heard, or nobody could write down."""
    refused: set[str] = field(default_factory=set[str])
    """What was refused by itself, or asked for again too often."""
    asked_again: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.stage = Stage(self.script.batching, kind=self.kind, store=KeptDeliveries(self.store))
        self.stage.place.then = self._answer
        self.left = [
            (replace(message, id=f"{number}"), 0 if isinstance(message, EventsMessage | ErasureMessage) else connection)
            for number, (message, connection) in enumerate(self.script.rows)
        ]
        self.rows: list[Waiting] = []
        self.deeds = list(self.script.deeds)

    async def play(self) -> None:
        """Play it to its end."""
        await self._write(3)
        for _ in range(STEPS_MAX):
            try:
                until_ms = await self.stage.delivery.step()
            except Killed:
                self.stage.restart()
                continue
            except StoreError:
                if self.stage.store.fails_settling == 0 and self._kills_next:
                    self.stage.restart()
                continue
            if until_ms is not None:
                self.stage.clock.now_ms = max(self.stage.clock.now_ms, until_ms)
            elif self.stage.outputs.state() is not OutputState.ACTIVE:
                await self.stage.outputs.resume(1)
                self.stage.clock.now_ms += OUTPUT_FRESH_MS
            elif self.left:
                await self._write(3)
            else:
                return
        raise AssertionError("it does not come to an end")

    _kills_next = False

    async def _write(self, count: int) -> None:
        for message, connection in self.left[:count]:
            await self.stage.write(message, connection=connection)
            (row,) = await self.stage.store.store.deliveries.deliveries(1, None, None, 1)
            self.rows.append(Waiting(row.seq, row.connection, row.mpid, message))
        self.left = self.left[count:]

    async def _answer(self, messages: Sequence[Message]) -> Outcome:
        deed = self.deeds.pop(0) if self.deeds else Deed(Act.TAKE, 0, 0)
        await self._write(deed.writes)
        some = {one.id: "" for place, one in enumerate(messages) if deed.which >> place & 1}
        match deed.act:
            case Act.TAKE:
                self.taken += messages
                return Taken()
            case Act.AGAIN if not self.script.batching.is_whole:
                self.taken += [one for one in messages if one.id not in some]
                self.asked_again.update(list(some))
                self.refused |= {name for name in some if self.asked_again[name] >= TRIES_MAX}
                return Taken(again=some)
            case Act.REFUSE:
                self.taken += [one for one in messages if one.id not in some]
                self.refused |= set(some)
                return Taken(refused=some)
            case Act.NOT_THIS:
                self.refused |= {one.id for one in messages if len(messages) == 1}
                return NotThis("")
            case Act.NOT_AT_ALL:
                return NotAtAll("")
            case Act.BREAK:
                raise ValueError
            case Act.KILL_BEFORE:
                raise Killed
            case Act.NOT_NOW | Act.AGAIN:
                return NotNow(Trouble.BUSY, "", 5.0)
            case Act.CUT:
                return self._unheard(messages[: deed.which % (len(messages) + 1)], NotNow(Trouble.FAILED, ""))
            case Act.KILL_AFTER:
                self._unheard(messages, Taken())
                raise Killed
            case Act.STORE_FAILS | Act.FAILS_AND_KILL:
                self.stage.store.fails_settling = 1
                self._kills_next = deed.act is Act.FAILS_AND_KILL
                if not self._kills_next:
                    self.taken += messages
                    return Taken()
                return self._unheard(messages, Taken())

    def _unheard(self, messages: Sequence[Message], outcome: Outcome) -> Outcome:
        self.taken += messages
        self.unheard.update(one.id for one in messages)
        return outcome

    @property
    def duplicates(self) -> int:
        """How often something was taken that had been taken before."""
        return len(self.taken) - len({one.id for one in self.taken})

    async def judge(self) -> None:
        """Hold what was taken against the promises.

        Raises:
            AssertionError: one is broken.
        """
        written = {one.message.id: one for one in self.rows if one.message is not None}
        states = {one.delivery_id: one.state.value for one in await self.stage.store.written(1)}
        took = Counter(one.id for one in self.taken)
        assert set(took) <= set(written), "invented"
        assert set(states.values()) <= {"sent", "dead"}, "left over"
        assert {name for name, state in states.items() if state == "sent"} <= set(took), "lost"
        assert {name for name, state in states.items() if state == "dead"} <= self.refused, "given up"
        for name, times in took.items():
            assert times - 1 <= self.unheard[name], "told twice for no reason"
        # What was taken and then refused stands where it first was: whoever refuses it says that he does not have it.
        kept = [one for one in self.taken if states[one.id] == "sent"]
        for takes, ahead in ((self.taken, 1), (kept[::-1], -1)):
            place = {one.id: place for place, one in reversed(list(enumerate(takes)))}
            for one, other in combinations([row for name, row in written.items() if name in place], 2):
                if must_stay(one, other):
                    first, second = (place[each.message.id] for each in (one, other) if each.message is not None)
                    assert (second - first) * ahead > 0, "out of order"
