"""Plays random histories of requests, batches of events and aliases over a whole service, and tells what they come to.

What a history comes to without one of its steps is told by deciding and folding everything else from nothing, in the order in
which it came, by the rules for one request and one batch: nothing of what takes decisions back is asked, but for the names of
new profiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple

from knownas.config.values import Configuration
from knownas.core.history.conditions import conditions_of
from knownas.core.history.world import Line, corrections_in, world_of
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from knownas.core.profile.alias import AliasRequest, destination_after, source_after
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.section import NO_CALCULATIONS, Section, fold
from knownas.service.identity.alias_settling import claim_of
from knownas.service.identity.log_form import decision_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.question import Answer
from knownas.service.identity.receipts import logged
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.profile.kept_batches import AliasMark, kept_from
from knownas.service.profile.sections import read, section_from, written
from knownas.service.server import Service, open_service
from knownas.store.port import LogEntry, Pool, Store
from knownas.store.user_data import AliasState, SectionKey, StoredEvents
from tests.config.texts import read as configured
from tests.store.world import EVERYTHING, START_MS, RepeatingChance

STRATEGIES = ("default", "profile_conversion", "profile_link", "profile_isolation", "best_match")
POOL = Pool("shop", "production")
SHOP, APP = 100, 101
STEP_MS = 10
TYPES = {
    IdentityType.CUSTOMER_ID: 3,
    IdentityType.EMAIL: 3,
    IdentityType.DEVICE_APPLICATION_STAMP: 4,
}


def configuration(strategy: str) -> Configuration:
    """Return two workspaces of one scope that keeps every observation; both count, and alias without a delay."""
    workspaces = "".join(
        f"    - id: {number}\n      scope: shop\n      key: ws-{number}\n      secret: secret-{number}\n"
        "      settings: {alias: {provisioned: true, delay_hours: 0}}\n"
        f"      inputs:\n      - {{name: app, platform: web, key: key-{number}, secret: secret-{number}}}\n"
        "      calculated_attributes:\n"
        "      - {name: Visits, calculation_type: count, data_point: {type: session_start}}\n"
        "      - name: Spent\n        calculation_type: sum\n"
        "        data_point: {type: custom_event, event_name: buy, attribute_name: amount}\n"
        for number in (SHOP, APP)
    )
    text = (
        f"scopes:\n- {{name: shop, strategy: {strategy}, settings: {{capture: all}}}}\n"
        f"organization:\n  accounts:\n  - id: 10\n    workspaces:\n{workspaces}"
    )
    return configured(text)


class Came(NamedTuple):
    """A batch that was kept: when it came, and to which workspace."""

    workspace: int
    batch: EventBatch


class Truth(NamedTuple):
    """What a history comes to: the profiles that there are, what is known of them, and their events in any order."""

    profiles: set[int]
    sections: dict[SectionKey, Section]
    events: dict[SectionKey, list[tuple[Any, ...]]]


@dataclass
class SortingStage:
    """A service that plays steps, one after the other, each at a time of its own."""

    seed: int
    store: Store
    now_ms: int = START_MS
    came: dict[int, Came] = field(default_factory=dict[int, Came])
    """Kept batches by the time at which they came."""
    aliased: dict[int, str] = field(default_factory=dict[int, str])
    """Alias requests by the time at which they were carried out."""
    mpids: list[int] = field(default_factory=list[int])

    async def open(self) -> "SortingStage":
        self.random = Random(self.seed)
        self.configuration = configuration(self.random.choice(STRATEGIES))
        self.service: Service = await open_service(
            self.configuration, self.store, clock=lambda: self.now_ms, chance=RepeatingChance(self.seed)
        )
        return self

    async def close(self) -> None:
        await self.service.close()

    async def play(self, steps: int) -> None:
        """Play random steps."""
        for _ in range(steps):
            self.now_ms += STEP_MS
            kind = self.random.random()
            if kind < 0.35 or not self.mpids:
                await self._ask(self._request())
            elif kind < 0.42:
                await self._ask(self._modify())
            elif kind < 0.92:
                await self._send()
            else:
                await self._alias()

    def _identities(self) -> tuple[Identity, ...]:
        kinds = [kind for kind in TYPES if self.random.random() < 0.5] or [self.random.choice(list(TYPES))]
        return identities({kind: f"{kind.value[0]}{self.random.randrange(TYPES[kind])}" for kind in kinds})

    def _request(self) -> IdentityRequest:
        endpoint = self.random.choice((Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGIN, Endpoint.LOGOUT))
        previous = self.random.choice(self.mpids) if self.mpids and self.random.random() < 0.5 else None
        return IdentityRequest(endpoint, self.now_ms, Environment.PRODUCTION, "app", self._identities(), previous)

    def _modify(self) -> ModifyRequest:
        one = self.random.choice(self._identities())
        change = IdentityChange(one.type, None, one.value)
        return ModifyRequest(self.now_ms, Environment.PRODUCTION, "app", self.random.choice(self.mpids[-5:]), (change,))

    async def _ask(self, observation: Observation) -> None:
        rules = self.service.directory.rules("shop")
        assert rules is not None
        answer: Answer = await self.service.resolver.answer(rules.ask(observation))
        answered = answer.decision.answered
        if answered is not None:
            self.mpids.append(answered)

    async def _send(self) -> None:
        workspace = self.random.choice((SHOP, SHOP, APP))
        door = self.service.directory.door(f"key-{workspace}")
        assert door is not None
        batch = self._batch()
        receipt = await self.service.ingest.submit(Arrival(door, batch))
        if isinstance(receipt.outcome, Kept):
            self.mpids.append(receipt.outcome.mpid)
            self.came[self.now_ms] = Came(workspace, batch)

    def _batch(self) -> EventBatch:
        random, now_ms = self.random, self.now_ms
        named = random.choice(self.mpids[-6:]) if random.random() < 0.4 else None
        said = {
            name: random.choice((random.randrange(9), "red", None, ("a", 2))) for name in "abc" if random.random() < 0.4
        }
        stamp = f"stamp{random.randrange(3)}"
        device = Device(stamp, "web", {}, {"model": random.randrange(3)}, now_ms, now_ms)
        consent = Consent(random.random() < 0.5, now_ms - random.randrange(40))
        events = [
            Event("session_start", now_ms - random.randrange(60), f"m{now_ms}", {}),
            Event("custom_event", now_ms, None, {"event_name": "buy", "custom_attributes": {"amount": now_ms % 97}}),
            Event("opt_out", now_ms - 5, None, {"is_opted_out": random.random() < 0.5}),
        ]
        return EventBatch(
            Environment.PRODUCTION,
            now_ms,
            "app",
            random.choice((Channel.SERVER, Channel.SERVER, Channel.JAVASCRIPT)),
            mpid=named,
            identities=self._identities() if named is None or random.random() < 0.3 else (),
            attributes=said,
            consents=((Purpose(Regulation.GDPR, random.choice("xy")), consent),) if random.random() < 0.3 else (),
            device=device if random.random() < 0.5 else None,
            events=tuple(one for one in events if random.random() < 0.5),
            repeated={"r": random.randrange(2)} if random.random() < 0.1 else None,
        )

    async def _alias(self) -> None:
        source, destination = self.random.choice(self.mpids), self.random.choice(self.mpids)
        door = self.service.directory.door(f"key-{SHOP}")
        assert door is not None
        if source != destination:
            request_id = f"alias-{self.now_ms}"
            await self.service.aliasing.request(
                door, AliasRequest(request_id, Environment.PRODUCTION, source, destination)
            )
            await self.service.aliasing.run_due(self.now_ms)
            row = await self.store.user_data.alias(request_id)
            if row is not None and row.state is AliasState.DONE:
                self.aliased[self.now_ms] = request_id

    async def log(self) -> Sequence[LogEntry]:
        """Return the whole log."""
        return await self.store.log(POOL, 0, EVERYTHING)

    async def everything(self) -> dict[str, Any]:
        """Return all user data, byte by byte but for versions, and for copies of an alias that count no longer."""
        rows = [one for one in await self._rows() if not _is_idle_copy(one[1])]
        mpids = {record.mpid for record in await self.store.records(POOL, None, EVERYTHING)}
        sections = {
            key: section_from(stored.document)
            for mpid in mpids
            for key, stored in (await self.store.user_data.sections_of(mpid)).items()
        }
        aliases = [await self.store.user_data.alias(one) for one in self.aliased.values()]
        return {"rows": rows, "sections": sections, "aliases": aliases}

    async def _rows(self) -> list[tuple[SectionKey, StoredEvents]]:
        mpids = [record.mpid for record in await self.store.records(POOL, None, EVERYTHING)]
        return list(await self.store.user_data.events_about(mpids, 0, EVERYTHING))

    async def found(self, profiles: set[int]) -> Truth:
        """Return what the service knows of some profiles."""
        sections: dict[SectionKey, Section] = {}
        events: dict[SectionKey, list[tuple[Any, ...]]] = {}
        for mpid in profiles:
            sections |= {key: read(one) for key, one in (await self.store.user_data.sections_of(mpid)).items()}
        for key, stored in await self._rows():
            kept = kept_from(stored.document)
            if key.mpid in profiles and not kept.is_aside:
                told = [(one.type, one.at_ms, kept.alias_of) for one in kept.events]
                events.setdefault(key, []).extend(told)
        return Truth(profiles, sections, {key: sorted(one, key=repr) for key, one in events.items() if one})

    async def truth(self, undone: set[int], without: dict[int, set[Identity]], unaliased: set[str]) -> Truth:
        """Return what everything comes to without some lines, some identities of lines, and some alias requests."""
        entries = await self.log()
        lines = [Line(entry.seq, logged(entry), decision_from(entry.decision).answered) for entry in entries]
        policies = dict(await policies_of(self.store, "shop"))
        conditions = conditions_of(corrections_in(lines))
        world = world_of(lines, conditions, policies, lambda seq: -seq)
        marks = [kept_from(stored.document).mark for _, stored in await self._rows()]
        told = _Telling(self, policies, world.answers, {one.request_id: one for one in marks if one is not None})
        told.unaliased = unaliased
        for line in lines:
            await told.come_to(line.logged.observation.at_ms)
            told.line(line, undone, without)
        await told.come_to(self.now_ms + 1)
        profiles = {record.mpid for record in told.records}
        return Truth(
            profiles,
            {key: section_from(written(one)) for key, one in told.sections.items() if key.mpid in profiles},
            {key: sorted(one, key=repr) for key, one in told.events.items() if one and key.mpid in profiles},
        )


class _Telling:
    """Decides and folds step by step."""

    def __init__(
        self, stage: SortingStage, policies: dict[int, Policy], names: dict[int, int], marks: dict[str, AliasMark]
    ) -> None:
        self.stage = stage
        self.policies = policies
        self.names = names
        self.marks = marks
        self.records = Records()
        self.led_to: dict[int, int] = {}
        self.sections: dict[SectionKey, Section] = {}
        self.events: dict[SectionKey, list[tuple[Any, ...]]] = {}
        self.stamped: dict[SectionKey, list[tuple[str | None, tuple[Any, ...]]]] = {}
        self.resolved: dict[int, int | None] = {}
        self.unaliased: set[str] = set()
        self.done_ms = 0

    def means(self, mpid: int) -> int | None:
        return mpid if self.records.record(mpid) is not None else self.led_to.get(mpid)

    def line(self, line: Line, undone: set[int], without: dict[int, set[Identity]]) -> None:
        """Decide a line, unless it is taken back."""
        observation = line.logged.observation
        if isinstance(observation, Correction) or line.seq in undone:
            return
        counted = _without(observation, without.get(line.seq, set()))
        if isinstance(counted, IdentityRequest):
            previous = counted.previous_mpid
            counted = counted._replace(previous_mpid=None if previous is None else self.means(previous))
        elif isinstance(counted, ModifyRequest):
            mpid = self.means(counted.mpid)
            counted = None if mpid is None else replace(counted, mpid=mpid)
        if counted is None:
            return
        may_create = counted.may_create if isinstance(counted, IdentityRequest) else True
        name = self.names.get(line.seq, 1)
        decision = decide(counted, self.policies[line.logged.policy_version], self.records, name, may_create=may_create)
        self.records.apply(decision.writes)
        now = decision.answered
        if now is not None and line.answered is not None:
            self.led_to[line.answered] = now
        if isinstance(decision.outcome, Returned) and counted.endpoint is not Endpoint.SEARCH:
            self.records.saw(decision.outcome.mpid, observation.at_ms)
        self.resolved[observation.at_ms] = now

    async def come_to(self, at_ms: int) -> None:
        """Keep the batches that came before a time, and carry the alias requests out."""
        for time in range(max(self.done_ms, START_MS), at_ms):
            came, request_id = self.stage.came.get(time), self.stage.aliased.get(time)
            if came is not None:
                self._keep(*came)
            if request_id is not None and request_id not in self.unaliased:
                await self._alias(request_id)
        self.done_ms = max(self.done_ms, at_ms)

    def _keep(self, workspace: int, batch: EventBatch) -> None:
        mpid = self.resolved.get(batch.at_ms) if batch.mpid is None else self.means(batch.mpid)
        if mpid is None:
            return
        key = SectionKey(workspace, "production", mpid)
        calculations = self.stage.service.calculations.get(workspace, NO_CALCULATIONS)
        self.sections[key] = fold(self.sections.get(key), batch, calculations).section
        stamp = None if batch.device is None else batch.device.stamp
        self.stamped.setdefault(key, []).extend((stamp, (one.type, one.at_ms, None)) for one in batch.events)
        self.events.setdefault(key, []).extend((one.type, one.at_ms, None) for one in batch.events)

    async def _alias(self, request_id: str) -> None:
        row = await self.stage.store.user_data.alias(request_id)
        assert row is not None
        source, destination = self.means(row.source_mpid), self.means(row.destination_mpid)
        if source is None or destination is None or source == destination:
            return
        claim = claim_of(row)._replace(source_mpid=source, destination_mpid=destination)
        key, to = (SectionKey(row.workspace, row.environment, mpid) for mpid in (source, destination))
        mark = self.marks[request_id]
        before = self.sections.get(key) or Section(*mark.source_seen_ms)
        there = self.sections.get(to) or Section(*mark.destination_seen_ms)
        self.sections[key], self.sections[to] = source_after(before, claim), destination_after(there, before, claim)
        copied = [one for one in self.events.get(key, ()) if claim.window.covers(one[1])]
        self.events.setdefault(to, []).extend((kind, at_ms, str(source)) for kind, at_ms, _ in copied)


def _is_idle_copy(stored: StoredEvents) -> bool:
    kept = kept_from(stored.document)
    return kept.is_aside and kept.of > 0


def _without(observation: Observation, left_out: set[Identity]) -> Observation | None:
    if not left_out:
        return observation
    match observation:
        case IdentityRequest(identities=named):
            counted = tuple(one for one in named if one not in left_out)
            return observation._replace(identities=counted) if counted or not named else None
        case ModifyRequest():
            changes = tuple(one for one in observation.changes if (one.type, one.new_value) not in left_out)
            return replace(observation, changes=changes) if changes else None
        case _:
            return observation
