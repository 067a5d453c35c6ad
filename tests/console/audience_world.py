"""Runs the console over a workspace with people, and with outputs that a test can let take or refuse what they are told."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from knownas.core.delivery.message import EventsMessage, MembershipMessage, Message, Settings
from knownas.core.delivery.outcome import NotAtAll, Outcome, Taken
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.delivery.destination import Destination, Sender, Setting, SettingKind, Surroundings
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door
from tests.console.stage import Stage, running
from tests.waiting import until

WORKSPACE: Final = 100
WITHIN_SECONDS: Final = 20.0
SECRET: Final = "a-secret-that-no-page-shows"
PLAN: Final = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}
EMAIL: Final = "ann@example.com"


def _is_of_ann(message: Message) -> bool:
    return isinstance(message, MembershipMessage) and EMAIL in {one.value for one in message.identities}


@dataclass
class Partner:
    """A destination that takes everything, refuses what is about one address, or refuses whoever asks."""

    answer: str = "takes"
    taken: list[Message] = field(default_factory=list[Message])

    async def send(self, messages: Sequence[Message]) -> Outcome:
        if self.answer == "faults":
            return NotAtAll("answered 401")
        if self.answer == "refuses":
            return Taken(refused={one.id: f"{EMAIL} is no address" for one in messages if _is_of_ann(one)})
        self.taken += messages
        return Taken()

    async def check(self) -> Outcome:
        return Taken()

    async def close(self) -> None:
        return None


@dataclass
class World:
    """A console over a workspace, and the partner that its outputs send to."""

    stage: Stage
    partner: Partner

    async def happen(self, email: str, plan: str = "gold", events: Sequence[str] = (), **attributes: Any) -> int:
        """Let something become known of somebody; return the MPID."""
        service = self.stage.service
        door: Door = next(one for one in service.directory.doors if one.workspace.id == WORKSPACE)
        now_ms = self.stage.clock()
        batch = EventBatch(
            Environment.PRODUCTION,
            now_ms,
            door.input.name,
            Channel.SERVER,
            identities=(Identity(IdentityType.EMAIL, email),),
            attributes={"plan": plan, **attributes},
            events=tuple(Event("custom_event", now_ms, None, {"event_name": one}) for one in events),
        )
        receipt = await service.ingest.submit(Arrival(door, batch))
        assert isinstance(receipt.outcome, Kept), receipt.outcome
        return receipt.outcome.mpid

    async def audience(self, name: str = "Gold", criteria: Any = PLAN) -> int:
        """Define an audience, and wait until everybody is judged."""
        audiences = self.stage.service.activation.audiences
        made = await audiences.create(WORKSPACE, name, None, {"schema_version": "1.6.0", "audience": criteria})
        assert isinstance(made, int), made
        known = audiences.known(WORKSPACE)[made]

        async def is_over() -> bool:
            return await audiences.share_of(known) == 1

        await until(is_over, WITHIN_SECONDS)
        return made

    async def output(self, name: str = "CRM") -> int:
        """Set an output up."""
        outputs = self.stage.service.activation.outputs
        made = await outputs.create(WORKSPACE, name, "partner", {"url": "https://crm.test", "token": SECRET})
        assert isinstance(made, int), made
        return made

    async def connected(self, audience: int, output: int, **written: Any) -> int:
        """Connect an audience with an output."""
        audiences = self.stage.service.activation.audiences
        known = audiences.known(WORKSPACE)[audience]
        made = await audiences.connect(known, {"output": str(output), "identities": ["email"], **written})
        assert isinstance(made, int), made
        return made

    async def settled(self, output: int, state: str) -> int:
        """Wait until an output has a delivery in a state; return its number."""
        found: list[int] = []

        async def is_there() -> bool:
            several = await self.stage.service.store.deliveries.deliveries(output, None, None, 10)
            found[:] = [one.seq for one in several if one.state.value == state and one.mpid]
            return bool(found)

        await until(is_there, WITHIN_SECONDS)
        return found[0]


def partner_kind(opened: Callable[[Settings, Surroundings], Sender]) -> Destination:
    """Return a kind of output of which each is what `opened` says."""
    settings = (
        Setting("url", SettingKind.TEXT, "Where it is.", required=True),
        Setting("token", SettingKind.TEXT, "What lets us in.", required=True, confidential=True),
        Setting("size", SettingKind.INTEGER, "How much goes at once.", default=10),
        Setting("region", SettingKind.TEXT, "Where its servers stand.", choices=("eu", "us")),
        Setting("plain", SettingKind.BOOLEAN, "Whether it may be plain.", default=False),
    )
    return Destination("partner", "Partner", frozenset({MembershipMessage, EventsMessage}), settings, opened)


@asynccontextmanager
async def shop() -> AsyncIterator[World]:
    """Run the console over a workspace in which nobody is known yet."""
    partner = Partner()
    kind = partner_kind(lambda _settings, _surroundings: partner)
    async with running(destinations=MappingProxyType({"partner": kind})) as stage:
        yield World(stage, partner)
