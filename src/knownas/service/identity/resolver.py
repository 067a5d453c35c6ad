"""Decides requests in batches: one read, the pure decisions in arrival order, one write, one commit.

Requests that arrive while a batch is under way wait and form the next one; there is no timer, so a lone request
is decided at once. Inside a batch each decision sees the changes of those before it. Nothing is answered before
what it rests on is durable.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from knownas.core.identity.decision import Returned
from knownas.core.identity.records import Records
from knownas.service.chance import Chance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.batch import captures, commit_of, is_visit, load_batch, load_records
from knownas.service.identity.question import Answer, Question
from knownas.service.identity.receipts import RecentDecisions, log_entry
from knownas.service.limits import (
    BATCH_MAX,
    CAPTURED_A_FLUSH_MAX,
    CAPTURED_WAITING_MAX,
    COMMIT_ATTEMPTS_MAX,
    FLUSH_AFTER_SECONDS,
    IN_BETWEEN_WAITING_MAX,
    LOOKS_WAITING_MAX,
    TOUCHES_A_FLUSH_MAX,
)
from knownas.service.line import Line, Outdated, Overloaded, Waiting
from knownas.service.retrying import pause_before_retry
from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.port import Commit, CommitOutcome, Committed, LogEntry, Snapshot, Store, Wanted

__all__ = ["Overloaded", "Resolver"]

log: Final = logging.getLogger(__name__)

_T = TypeVar("_T")


class Resolver:
    """Answers questions over one store. One event loop, one resolver."""

    def __init__(self, store: Store, chance: Chance, recent: RecentDecisions, activity: ActivityMemory) -> None:
        self._store = store
        self._chance = chance
        self._recent = recent
        self._activity = activity
        self._line: Line[Question, Answer] = Line()
        self._looks: Line[Wanted, Records] = Line()
        self._captured: list[LogEntry] = []
        self._in_between: deque[tuple[asyncio.Future[None], asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_is_due = False
        self._closed = False

    async def answer(self, question: Question) -> Answer:
        """Decide one question; see `submit`."""
        return await self.submit(question)

    def submit(self, question: Question) -> asyncio.Future[Answer]:
        """Ask one question, to be decided together with whatever else is waiting.

        The future brings its answer, or a StoreError where the store could not keep or show what it rests on, or not
        within `REQUEST_SECONDS`.

        Raises:
            Overloaded: too many questions wait.
            StoreUnavailable: the server is stopping.
        """
        if self._closed:
            raise StoreUnavailable("the server is stopping")
        future = self._line.join(question)
        self._wake()
        return future

    async def look(self, wanted: Wanted) -> Records:
        """Return what a question needs to see, loaded between two batches; nothing is decided.

        Raises:
            Overloaded: too many want to look.
            StoreError: the store does not show it, or not within `REQUEST_SECONDS`, or the server is stopping.
        """
        if self._closed:
            raise StoreUnavailable("the server is stopping")
        if len(self._looks) >= LOOKS_WAITING_MAX:
            raise Overloaded
        future = self._looks.join(wanted)
        self._wake()
        return await future

    async def between_batches(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something over the store that must not run while a batch does, and return what it returns.

        Everything that was captured before is in the log by then. Whoever asks meanwhile waits for it.

        Raises:
            Overloaded: too many wait for it.
            StoreUnavailable: the server is stopping.
            StoreError: what was captured could not be written.
            Exception: whatever the work raises.
        """
        if self._closed:
            raise StoreUnavailable("the server is stopping")
        if len(self._in_between) >= IN_BETWEEN_WAITING_MAX:
            raise Overloaded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_between.append((turn, done))
        self._wake()
        try:
            await turn
            return await work()
        finally:
            done.set_result(None)

    def correct_visits(self, visits: Iterable[tuple[int, int]]) -> None:
        """Remember of profiles that they were last active at these times, in Unix milliseconds, and not later."""
        for mpid, at_ms in visits:
            self._activity.correct(mpid, at_ms)

    async def close(self) -> None:
        """Answer what waits, write down what is due, and stop."""
        self._closed = True
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._wake()
        while self._task is not None:
            await asyncio.wait((self._task,))

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Decide batches until nobody waits, and between them write down what is due, a group at a time."""
        try:
            while self._line or self._looks or self._in_between or self._flush_is_due:
                # A caller that has gone away no longer wants its answer, nor what it would have changed.
                batch = self._line.serve(BATCH_MAX)
                if batch:
                    await self._answer_batch(batch)
                    self._line.served()
                if self._looks:
                    await self._show()
                # Lets the answers out and new requests in.
                await asyncio.sleep(0)
                if self._in_between:
                    await self._let_in()
                if self._flush_is_due:
                    await self._flush()
            if self._closed:
                await self._flush_the_rest()
        finally:
            self._task = None
            if self._line or self._looks or self._in_between:
                self._wake()

    async def _let_in(self) -> None:
        """Let the first one who waits for it work between two batches, unless it has gone away."""
        turn, done = self._in_between.popleft()
        if done.done():
            return
        try:
            while self._captured:
                await self._flush_captured()
        except StoreError as error:
            turn.set_exception(error)
        else:
            turn.set_result(None)
        await done

    async def _answer_batch(self, batch: Sequence[Waiting[Question, Answer]]) -> None:
        try:
            answers = await self._decide_if_possible([question for question, _, _ in batch])
        except Outdated:
            # Some have been told that nothing was changed. The others are decided without them.
            self._line.put_back(batch)
            return
        except Exception as error:  # noqa: BLE001 - a broken rule must not stop the server; every caller is told
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future, _), answer in zip(batch, answers, strict=True):
            if answer is None or future.done():
                continue
            if isinstance(answer, Answer):
                future.set_result(answer)
            else:
                future.set_exception(answer)
        # Those that an earlier change of their own batch has unsettled come first in the next one.
        self._line.put_back(one for one, answer in zip(batch, answers, strict=True) if answer is None)

    async def _show(self) -> None:
        """Load for the first of those who only look."""
        for wanted, future, _ in self._looks.serve(1):
            try:
                records = await load_records(self._store, wanted, self._activity)
            except Exception as error:  # noqa: BLE001 - as for a batch: whoever waits is told, and the server goes on
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(records)
        self._looks.served()

    async def _decide_if_possible(self, questions: Sequence[Question]) -> Sequence[Answer | StoreError | None]:
        try:
            return await self._decide(questions)
        except StoreError as error:
            return await self._decide_without_writing(questions, error)

    async def _decide(self, questions: Sequence[Question]) -> Sequence[Answer | None]:
        """Decide a batch and make it durable, again and again while others are faster.

        None stands for a question that has to be asked again.
        """
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            batch = await load_batch(self._store, questions, self._activity)
            answers = batch.decide(self._chance)
            commit = None if batch.snapshot is None else commit_of(answers, self._captured)
            if (
                commit is None
                or batch.snapshot is None
                or isinstance(await self._commit(batch.snapshot, commit), Committed)
            ):
                self._note(answers, commit)
                return answers
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    async def _commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        self._line.begin_commit()
        try:
            outcome = await self._store.commit(snapshot, commit)
        except UnknownOutcome:
            # Until the batch has been answered, nobody of it may be told that nothing was changed.
            raise
        except BaseException:
            self._line.end_commit()
            raise
        self._line.end_commit()
        return outcome

    async def _decide_without_writing(
        self, questions: Sequence[Question], error: StoreError
    ) -> Sequence[Answer | StoreError]:
        """Answer those questions that change nothing, each by itself, while the store takes no writes.

        What may have been changed stays unknown, whatever keeps it from being looked at.
        """
        is_unknown = isinstance(error, UnknownOutcome)
        answers: list[Answer | StoreError] = []
        for question in questions:
            try:
                batch = await load_batch(self._store, [question], self._activity)
            except StoreUnavailable as worse:
                # Who knows for how long: the others must not find that out one after the other.
                answers += [error if is_unknown else worse] * (len(questions) - len(answers))
                break
            except StoreError as worse:
                answers.append(error if is_unknown else worse)
                continue
            answer = batch.decide(self._chance)[0]
            answers.append(error if answer is None or answer.changed else answer)
        self._note([answer for answer in answers if isinstance(answer, Answer)], None)
        return answers

    def _note(self, answers: Sequence[Answer | None], commit: Commit | None) -> None:
        """Remember what is not written: recent decisions, visits, and captured observations still to be written."""
        if commit is not None:
            self._captured.clear()
        for answer in answers:
            if answer is None:
                continue
            _, question, decision = answer
            if question.writes and decision.writes:
                continue
            self._recent.add(answer)
            if not question.writes:
                continue
            if commit is None and captures(answer):
                self._capture(log_entry(answer))
            if decision.record is not None and isinstance(decision.outcome, Returned) and is_visit(question):
                self._activity.saw(decision.record, question.observation.at_ms)
        if self._captured or self._activity.due:
            self._plan_flush()

    def _capture(self, entry: LogEntry) -> None:
        if len(self._captured) < CAPTURED_WAITING_MAX:
            self._captured.append(entry)
            if len(self._captured) == CAPTURED_WAITING_MAX:
                log.warning("%s captured observations wait to be written: no more are captured", CAPTURED_WAITING_MAX)

    def _plan_flush(self) -> None:
        if self._flush_timer is None and not self._closed:
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_SECONDS, self._make_flush_due)

    def _make_flush_due(self) -> None:
        self._flush_timer = None
        self._flush_is_due = True
        self._wake()

    async def _flush(self) -> None:
        """Write down one group: captured observations first, then due visits. What fails is tried again later."""
        self._flush_is_due = False
        try:
            if self._captured:
                await self._flush_captured()
            elif self._activity.due:
                await self._flush_visits()
        except StoreError:
            self._plan_flush()
        else:
            # The others come after whoever waits for an answer by now.
            self._flush_is_due = bool(self._captured or self._activity.due)

    async def _flush_the_rest(self) -> None:
        """Write down everything that is due, as far as the store takes it."""
        self._flush_is_due = bool(self._captured or self._activity.due)
        while self._flush_is_due:
            await self._flush()

    async def _flush_captured(self) -> None:
        group = self._captured[:CAPTURED_A_FLUSH_MAX]
        snapshot = await self._store.load(())
        if isinstance(await self._store.commit(snapshot, Commit(log=group)), Committed):
            del self._captured[: len(group)]

    async def _flush_visits(self) -> None:
        activities = self._activity.take_due(TOUCHES_A_FLUSH_MAX)
        try:
            await self._store.touch(activities)
        except StoreError:
            self._activity.give_back(activities)
            raise
