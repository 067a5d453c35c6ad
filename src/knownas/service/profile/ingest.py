"""Takes batches of events: resolves each to a profile, folds it into what the workspace knows, keeps it durably.

Batches that arrive while others are under way wait and form the next group. A group is looked through for repeats,
resolved together (`resolver`), folded in arrival order and kept in one transaction; only then is any of it answered.
So a batch that was answered is kept once: one that was not, and is sent again, resolves to the same profile, and the
unique id of its sender keeps it from being counted twice.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never

from knownas.core.identity.decision import (
    Corrected,
    Created,
    Erased,
    Modified,
    NotFound,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.learning import unguarded
from knownas.core.identity.observation import Endpoint, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.profile.event import Event, EventBatch
from knownas.core.profile.section import NO_CALCULATIONS, Calculations, Section, fold
from knownas.service.arrivals import Arrivals, Kind
from knownas.service.audience.marking import Came, Marking
from knownas.service.chance import Chance
from knownas.service.health.tallying import Tallying
from knownas.service.history.successors import named_now
from knownas.service.identity.question import TURNED_AWAY, Answer
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import BATCH_MAX, COMMIT_ATTEMPTS_MAX
from knownas.service.line import Line, Outdated, Waiting
from knownas.service.profile.batch_receipts import Kept, Outcome, Rejected, Repeated, receipt_document
from knownas.service.profile.kept_batches import Placing, batch_write
from knownas.service.profile.sections import read, section_write
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Door
from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable
from knownas.store.port import Store
from knownas.store.user_data import (
    NO_MARKS,
    BatchReceipt,
    EventsWrite,
    MessageKey,
    RequestKey,
    SectionKey,
    UserDataCommit,
)

log: Final = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """A batch and the input that it came through. `refusal` is why it can't be taken; then it is only kept as refused."""

    door: Door
    batch: EventBatch
    refusal: Rejected | None = None


_Name = RequestKey | MessageKey
"""What tells a batch from others: its sender's id, or as a message of nobody's the vendor's id of a replayed one."""

NOBODY: Final = 0
"""Stands for the profile where a batch as a whole is named: no profile has this MPID."""


class Receipted(NamedTuple):
    """What became of a batch, and the id under which that can be looked up."""

    receipt_id: str
    outcome: Outcome


@dataclass(slots=True)
class _Resolved:
    """A batch on its way: the profile it is about, or how it ended."""

    arrival: Arrival
    receipt_id: str
    mpid: int | None = None
    created: bool = False
    decision_id: str | None = None
    outcome: Outcome | None = None


class Ingest:
    """Takes batches over one store. One event loop, one ingest."""

    def __init__(
        self,
        store: Store,
        resolver: Resolver,
        chance: Chance,
        calculations: Mapping[int, Calculations],
        placing: asyncio.Lock | None = None,
        marking: Marking | None = None,
        tallying: Tallying | None = None,
    ) -> None:
        """`placing` is held from when the profiles of batches are looked for until these are kept. `marking` says who has to be judged; `tallying` is told of decisions."""
        self.arrivals: Final = Arrivals(store)
        self._marking = marking
        self._tallying = tallying
        self._placing = placing or asyncio.Lock()
        self._store = store
        self._data = store.user_data
        self._resolver = resolver
        self._chance = chance
        self._calculations = calculations
        self._line: Line[Arrival, Receipted] = Line()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def submit(self, arrival: Arrival) -> asyncio.Future[Receipted]:
        """Take one batch. The future brings what became of it, once that is durable, or within `REQUEST_SECONDS` a StoreError.

        Raises:
            Overloaded: too many batches wait.
            StoreUnavailable: the server is stopping.
        """
        if self._closed:
            raise StoreUnavailable("the server is stopping")
        future = self._line.join(arrival)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return future

    async def close(self) -> None:
        """Answer what waits, and stop."""
        self._closed = True
        while self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            while self._line:
                group = self._line.serve(BATCH_MAX)
                if group:
                    await self._answer(group)
                    self._line.served()
                await asyncio.sleep(0)
        finally:
            self._task = None
            if self._line:
                self._task = asyncio.get_running_loop().create_task(self._run())

    async def _answer(self, group: Sequence[Waiting[Arrival, Receipted]]) -> None:
        try:
            receipts = await self._take([arrival for arrival, _, _ in group])
        except Outdated:
            # Some have been told that they were not kept. The others are taken without them.
            self._line.put_back(group)
            return
        except Exception as error:
            if len(group) > 1 and not isinstance(error, StoreError):
                # One of them breaks a rule of ours: the others must not go down with it.
                log.exception("a group of %d batches is taken one by one", len(group))
                for one in group:
                    await self._answer([one])
                return
            for _, future, _ in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future, _), receipt in zip(group, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)

    async def _take(self, arrivals: Sequence[Arrival]) -> list[Receipted]:
        """Take a group, again and again while others are faster."""
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            group = [_Resolved(one, self._chance.decision_id(one.batch.at_ms), outcome=one.refusal) for one in arrivals]
            async with self._placing:
                await self._decide(group)
                if await self._keep(group):
                    self._note(group)
                    return [_receipted(one) for one in group]
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    def _note(self, group: Sequence[_Resolved]) -> None:
        """Note through which inputs something came, whatever became of it."""
        for one in group:
            door, batch, _ = one.arrival
            self.arrivals.note(door.lasting_key, Kind.EVENTS, batch.at_ms, one.receipt_id)

    async def _decide(self, group: Sequence[_Resolved]) -> None:
        """Find each batch's profile, or why it is not kept. A repeat is accepted and changes nothing (platform §2.7).

        Only a batch that is kept takes its ids. So those under one id are resolved one after the other, until one of
        them will be kept.
        """
        waiting: Sequence[_Resolved] = group
        taken = await self._taken({name for one in waiting for name in _names(one.arrival)})
        while waiting:
            turn: list[_Resolved] = []
            later: list[_Resolved] = []
            under_way: set[_Name] = set()
            for one in waiting:
                names = _names(one.arrival)
                if not names:
                    turn.append(one)
                elif not taken.isdisjoint(names):
                    one.outcome = Repeated()
                elif not under_way.isdisjoint(names):
                    later.append(one)
                else:
                    under_way.update(names)
                    turn.append(one)
            await self._resolve([one for one in turn if one.outcome is None])
            if under_way:
                taken.update(name for one in turn if one.outcome is None for name in _names(one.arrival))
            waiting = later

    async def _taken(self, names: AbstractSet[_Name]) -> set[_Name]:
        """Return which names belong to batches that were kept."""
        if not names:
            return set()
        requests = [one for one in names if isinstance(one, RequestKey)]
        replays = [one for one in names if isinstance(one, MessageKey)]
        found = await self._data.load((), requests, replays)
        return {*found.requests, *found.messages}

    async def _resolve(self, group: Sequence[_Resolved]) -> None:
        """Find each batch's profile: the one it names, or whom its identities lead to, as an identify would."""
        waiting: list[tuple[_Resolved, asyncio.Future[Answer]]] = []
        for one in group:
            door, batch, _ = one.arrival
            if _is_turned_away(one.arrival):
                one.outcome = Rejected(Refusal.SUPPRESSED.value, TURNED_AWAY)
            elif batch.mpid is not None:
                await self._find_named(one, batch.mpid)
            elif not batch.identities:
                one.outcome = Rejected("no_identities", "The batch names no user: no mpid, no identity.")
            else:
                request = IdentityRequest(
                    Endpoint.IDENTIFY, batch.at_ms, batch.environment, batch.input, batch.identities
                )
                question = door.rules.ask(request, may_create=door.may_create)
                waiting.append((one, self._resolver.submit(question)))
        for one, future in waiting:
            answer = await future
            self._tell(one, answer)
            _settle(one, answer)

    def _tell(self, one: _Resolved, answer: Answer) -> None:
        if self._tallying is not None:
            door, batch, _ = one.arrival
            environment = batch.environment.value
            self._tallying.decided(door.rules.scope, environment, door.lasting_key, answer.decision, batch.at_ms)

    async def _find_named(self, one: _Resolved, mpid: int) -> None:
        door, batch, _ = one.arrival
        profile = await named_now(self._store, mpid)
        if profile is None or profile.pool != door.rules.pool(batch.environment):
            one.outcome = Rejected("unknown_mpid", f"There is no profile {mpid} in this scope and environment.")
            return
        if not profile.record.size and await self._store.privacy.tombstones([mpid]):
            one.outcome = Rejected("erased", f"Profile {mpid} was erased.")
            return
        one.mpid = mpid = profile.record.mpid
        if batch.channel.is_client:
            return
        # Identities are not looked up beside an mpid; of what is learnt, see `unguarded` (platform §17 row 17).
        learnt = unguarded(batch.identities, door.rules.policy)
        new = [IdentityChange(one.type, None, one.value) for one in learnt if not profile.record.holds(one)]
        if new:
            request = ModifyRequest(
                batch.at_ms, batch.environment, batch.input, mpid, tuple(new), may_move_unique=False
            )
            answer = await self._resolver.answer(door.rules.ask(request))
            self._tell(one, answer)
            one.decision_id = answer.decision_id

    async def _keep(self, group: Sequence[_Resolved]) -> bool:
        """Fold the group into the sections and keep everything; False if others were faster."""
        found = [(one, _section_key(one)) for one in group if one.outcome is None]
        messages_named = [key for one, _ in found for key in _message_keys(one)]
        snapshot = await self._data.load(list({key for _, key in found}), (), messages_named)
        sections: dict[SectionKey, Section] = {key: read(stored) for key, stored in snapshot.sections.items()}
        changed: dict[SectionKey, Section] = {}
        seen = set(snapshot.messages)
        messages: dict[MessageKey, int] = {}
        events: list[EventsWrite] = []
        marking = None if self._marking is None else self._marking.begin()
        for one, key in found:
            replay = _replay_key(one.arrival)
            if replay is not None:
                messages[replay] = one.arrival.batch.at_ms
            fresh = _fresh_batch(one, seen, messages)
            calculations = self._calculations.get(key.workspace, NO_CALCULATIONS)
            folded = fold(sections.get(key), fresh, calculations)
            write = batch_write(key, fresh, _placing(one))
            if marking is not None:
                is_news = bool(fresh.events) or not one.arrival.batch.events
                came = Came(one.arrival.door.lasting_key, one.receipt_id, fresh, write, is_news)
                marking.learn(key, sections.get(key), folded.section, came)
            sections[key] = changed[key] = folded.section
            events.append(write)
            one.outcome = Kept(
                key.mpid,
                one.created,
                len(fresh.events),
                len(one.arrival.batch.events) - len(fresh.events),
                folded.attributes_left_out,
                folded.consents_left_out,
            )
        commit = UserDataCommit(
            sections=[section_write(key, snapshot.sections.get(key), after) for key, after in changed.items()],
            events=events,
            receipts=_receipts(group),
            messages=messages,
            marks=NO_MARKS if marking is None else marking.marks(),
        )
        self._line.begin_commit()
        try:
            return await self._data.commit(commit)
        finally:
            self._line.end_commit()
            if marking is not None:
                marking.end()


def _is_turned_away(arrival: Arrival) -> bool:
    """Whether a batch names somebody who is to stay out; what it says is kept whole, so also beside an MPID."""
    rules, batch = arrival.door.rules, arrival.batch
    named = IdentityRequest(Endpoint.IDENTIFY, batch.at_ms, batch.environment, batch.input, batch.identities)
    return rules.keep_out.is_busy and rules.keep_out.turns_away(named, rules.pool(batch.environment), counts=True)


def _settle(one: _Resolved, answer: Answer) -> None:
    one.decision_id = answer.decision_id
    outcome = answer.decision.outcome
    match outcome:
        case Returned(mpid):
            one.mpid = mpid
        case Created(mpid):
            one.mpid, one.created = mpid, True
        case NotFound():
            sentence = "No profile may answer for these identities, and this input makes none."
            one.outcome = Rejected("not_found", sentence)
        case Refused(reason, message):
            one.outcome = Rejected(reason.value, message)
        case Modified() | Seeded() | Corrected() | Erased():
            raise AssertionError("an identify is neither a modify nor a seed, and corrects and erases nothing")
        case _:
            assert_never(outcome)


def _fresh_batch(one: _Resolved, seen: set[MessageKey], messages: dict[MessageKey, int]) -> EventBatch:
    """Return the batch without the events that were taken before, and note the ids of the others in both."""
    batch = one.arrival.batch
    if not any(event.message_id for event in batch.events):
        return batch
    fresh: list[Event] = []
    for event in batch.events:
        if event.message_id:
            key = _message_key(one, event.message_id)
            if key in seen:
                continue
            seen.add(key)
            messages[key] = batch.at_ms
        fresh.append(event)
    return batch if len(fresh) == len(batch.events) else batch.with_events(tuple(fresh))


def _request_key(arrival: Arrival) -> RequestKey | None:
    request_id = arrival.batch.source_request_id
    return None if request_id is None else RequestKey(arrival.door.lasting_key, request_id)


def _replay_key(arrival: Arrival) -> MessageKey | None:
    """Name a replayed batch by the vendor's id of it, among the messages of the input (platform §2.7)."""
    batch_id = arrival.batch.batch_id
    return None if batch_id is None else MessageKey(arrival.door.lasting_key, NOBODY, f"batch_id {batch_id}")


def _names(arrival: Arrival) -> tuple[_Name, ...]:
    request, replay = _request_key(arrival), _replay_key(arrival)
    if replay is None:
        return () if request is None else (request,)
    return (replay,) if request is None else (request, replay)


def _section_key(one: _Resolved) -> SectionKey:
    if one.mpid is None:
        raise AssertionError("a batch that was not ended has a profile")
    return SectionKey(one.arrival.door.workspace.id, one.arrival.batch.environment.value, one.mpid)


def _message_key(one: _Resolved, message_id: str) -> MessageKey:
    if one.mpid is None:
        raise AssertionError("a batch that was not ended has a profile")
    return MessageKey(one.arrival.door.lasting_key, one.mpid, message_id)


def _message_keys(one: _Resolved) -> list[MessageKey]:
    return [_message_key(one, event.message_id) for event in one.arrival.batch.events if event.message_id]


def _placing(one: _Resolved) -> Placing:
    door = one.arrival.door
    return Placing(door.lasting_key, one.decision_id, door.rules.policy.version)


def _receipts(group: Sequence[_Resolved]) -> list[BatchReceipt]:
    """Write down what became of each batch. Of those under one id of their sender, the last but a repeat has it."""
    receipts: list[BatchReceipt] = []
    named: dict[RequestKey, int] = {}
    for one in group:
        arrival, outcome = one.arrival, one.outcome
        if outcome is None:
            raise AssertionError("every batch has come to something by now")
        # A repeat's own receipt is found by our id only.
        key = None if isinstance(outcome, Repeated) else _request_key(arrival)
        if key is not None:
            if key in named:
                receipts[named[key]] = receipts[named[key]]._replace(request_id=None)
            named[key] = len(receipts)
        document = receipt_document(arrival.door, arrival.batch, outcome, one.decision_id)
        request_id = None if key is None else key.request_id
        kept = isinstance(outcome, Kept)
        row = BatchReceipt(one.receipt_id, arrival.door.lasting_key, request_id, arrival.batch.at_ms, document, kept)
        receipts.append(row)
    return receipts


def _receipted(one: _Resolved) -> Receipted:
    if one.outcome is None:
        raise AssertionError("every batch has come to something by now")
    return Receipted(one.receipt_id, one.outcome)
