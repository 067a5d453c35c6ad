"""A service with audiences and outputs over a store, whose clock and jobs a test moves by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from knownas.core.delivery.message import ErasureMessage, EventsMessage, MembershipMessage, Message, Settings
from knownas.core.delivery.outcome import NotNow, Outcome, Taken, Trouble
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Requirement
from knownas.service.audience.assessing import Assessing
from knownas.service.audience.catalogue import KnownGroup
from knownas.service.delivery.destination import AskedPlaces, Destination, Setting, SettingKind, Surroundings
from knownas.service.delivery.form import message_from
from knownas.service.group.groups import GroupWish
from knownas.service.group.values import Values
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door
from knownas.service.server import Service, open_service
from knownas.store.port import Store
from knownas.store.user_data import SectionKey
from tests.service.profile.test_ingest import CONFIGURATION
from tests.store.world import START_MS

Json = dict[str, Any]

DAY_MS = 86_400_000
WORKSPACE = 100


class Recording:
    """A destination that takes whatever it is told, and remembers it."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.is_out = False

    async def says(self, _: Settings, __: Surroundings) -> AskedPlaces | NotNow:
        """Say that addresses are taken, hashed, and nothing else."""
        if self.is_out:
            return NotNow(Trouble.NOT_REACHED, "nobody is there")
        kinds = frozenset({IdentityType.EMAIL})
        hashed = frozenset({Encoding.SHA256})
        place = Place("email", kinds, (IdentityType.EMAIL,), Encoding.SHA256, hashed, required=True)
        return AskedPlaces((place,), Requirement.ANY)

    async def send(self, messages: Sequence[Message]) -> Outcome:
        self.taken += messages
        return Taken()

    async def check(self) -> Outcome:
        return Taken()

    async def close(self) -> None:
        return None


class Stage:
    """The service, a destination that remembers, and what tests do with both."""

    def __init__(self, service: Service, recording: Recording, now: list[int]) -> None:
        self.service = service
        self.recording = recording
        self._now = now
        self.batches: list[EventBatch] = []
        """Those that have happened."""

    @property
    def now_ms(self) -> int:
        return self._now[0]

    async def wait(self, milliseconds: int) -> None:
        """Let time pass, and judge who is due."""
        self._now[0] += milliseconds
        await self.settle()

    async def settle(self) -> None:
        """Judge whoever has to be, until nobody does."""
        while await self.service.activation.work.work_off():
            pass

    async def happen(
        self,
        *identities: Identity,
        events: Sequence[str] = (),
        attributes: Mapping[str, AttributeValue | None] | None = None,
        mpid: int | None = None,
        data: Mapping[str, Any] | None = None,
        given: tuple[Event, ...] = (),
        **more: Any,
    ) -> int:
        """Let a batch arrive; return whose it is."""
        door: Door = next(iter(self.service.directory.doors))
        batch = EventBatch(
            Environment.PRODUCTION,
            self.now_ms,
            door.input.name,
            Channel.SERVER,
            mpid=mpid,
            identities=tuple(identities),
            attributes=attributes or {},
            events=tuple(
                Event("custom_event", self.now_ms, None, {"event_name": name, **(data or {})}) for name in events
            ),
        )
        batch = batch._replace(events=(*batch.events, *given), **more)
        self.batches.append(batch)
        receipt = await self.service.ingest.submit(Arrival(door, batch))
        assert isinstance(receipt.outcome, Kept), receipt.outcome
        return receipt.outcome.mpid

    async def audience(self, expression: Json, name: str = "audience") -> int:
        """Define an audience, and judge everybody."""
        definition = {"schema_version": "1.6.0", "audience": expression}
        made = await self.service.activation.audiences.create(WORKSPACE, name, None, definition)
        assert isinstance(made, int), made
        await self.settle()
        return made

    async def group(self, source: str = "$address", id_: str = "household", **attributes: str) -> KnownGroup:
        """Define a kind of groups, and look at everybody."""
        asked = tuple(Aggregated(name, AggregateType(of)) for name, of in attributes.items())
        made = await self.service.activation.groups.create(WORKSPACE, GroupWish(id_, source, asked))
        assert isinstance(made, int), made
        await self.settle()
        return self.service.activation.catalogues.now.groups[made]

    async def grouped(self, mpid: int, environment: str = "production") -> Values:
        """Return what the groups of somebody have come to."""
        key = SectionKey(WORKSPACE, environment, mpid)
        return await self.service.activation.groups.values(key, await self.service.sections.find(key))

    async def output(self, name: str = "output", destination: str = "recording", **settings: Any) -> int:
        """Set an output up."""
        made = await self.service.activation.outputs.create(WORKSPACE, name, destination, settings)
        assert isinstance(made, int), made
        return made

    async def connect(self, audience: int, output: int, **written: Any) -> int:
        """Connect an audience with an output, and tell of its members."""
        known = self.service.activation.catalogues.now.audiences[audience]
        made = await self.service.activation.audiences.connect(known, {"output": str(output), **written})
        assert isinstance(made, int), made
        await self.settle()
        return made

    async def forward(self, output: int, **written: Any) -> int:
        """Connect the input of the stage with an output, so that its events are forwarded."""
        made = await self.service.activation.forwarding.connect(
            WORKSPACE, {"input": "app", "output": str(output), **written}
        )
        assert isinstance(made, int), made
        return made

    async def members(self, audience: int) -> list[int]:
        """Return the MPIDs of an audience's members."""
        known = self.service.activation.catalogues.now.audiences[audience]
        found = await self.service.activation.audiences.members(known, "production", None, 1_000, reasoned=False)
        return [one.member.mpid for one in found]

    async def told(self, output: int) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return what waits for an output: what is done with whom under which values."""
        messages = [one for one in await self.messages(output) if isinstance(one, MembershipMessage)]
        return [(one.action.value, one.mpid, tuple(each.value for each in one.identities)) for one in messages]

    async def messages(self, output: int) -> list[Message]:
        """Return all messages that wait for an output."""
        waiting = await self.service.store.deliveries.waiting(output, 0, 10_000)
        return [message_from(one.document, {}) for one in waiting]


def email(value: str) -> Identity:
    """Make an e-mail address."""
    return Identity(IdentityType.EMAIL, value)


def customer(value: str) -> Identity:
    """Make a customer ID."""
    return Identity(IdentityType.CUSTOMER_ID, value)


async def open_stage(store: Store, assessing: Assessing | None = None) -> Stage:
    """Open a service whose jobs nobody starts; without `assessing`, users are assessed here."""
    now = [START_MS]
    recording = Recording()

    def opened(_: Settings, __: Surroundings) -> Recording:
        return recording

    takes = frozenset({MembershipMessage, EventsMessage, ErasureMessage})
    kind = Destination("recording", "Remembers", takes, (), opened)
    needy = Setting("key", SettingKind.TEXT, "a key", required=True, confidential=True)
    other = Destination("needy", "Needs a key", frozenset({MembershipMessage}), (needy,), opened)
    saying = replace(kind, name="saying", ask_places=recording.says)
    kinds = {one.name: one for one in (kind, other, saying)}
    service = await open_service(CONFIGURATION, store, clock=lambda: now[0], destinations=kinds, assessing=assessing)
    return Stage(service, recording, now)
