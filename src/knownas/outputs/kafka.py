"""Hands records to Kafka, and tells what became of each message of which they are.

The client works in threads of its own. It is waited for in one of ours, which nobody else shares: a cluster that does not answer holds up no other output.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.outputs.each import together
from knownas.outputs.limits import STREAM_CHECK_SECONDS, STREAM_POLL_SECONDS, STREAM_SECONDS
from knownas.outputs.stream_form import Record, records

_T = TypeVar("_T")

log: Final = logging.getLogger(__name__)

UNNAMED: Final = "it has no identity that has a name in the form of the stream"

_OF_MESSAGE: Final = ("MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "INVALID_RECORD", "RECORD_LIST_TOO_LARGE")
"""Errors because of what is in a record."""

_FOR_GOOD: Final = (
    "_AUTHENTICATION",
    "_SSL",
    "_UNKNOWN_TOPIC",
    "_UNKNOWN_PARTITION",
    "UNKNOWN_TOPIC_OR_PART",
    "TOPIC_EXCEPTION",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
    "UNSUPPORTED_VERSION",
    "POLICY_VIOLATION",
)
"""Errors that last until somebody has changed something."""

_LATE: Final = ("_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT", "_TIMED_OUT_QUEUE")


class KafkaSender:
    """Who sends to one cluster."""

    def __init__(self, configuration: Mapping[str, Any], topics: Mapping[type[Message], str]) -> None:
        """Take the configuration of the producer, and the topic of each kind of message."""
        self._configuration = configuration
        self._topics = topics
        self._producer: Producer | None = None
        self._trouble: KafkaError | None = None
        self._thread = ThreadPoolExecutor(1, "stream")

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Hand all records over at once, and wait for what became of each."""
        return await self._in_thread(self._sent, messages)

    async def check(self) -> Outcome:
        """Ask the cluster for its topics; all that are set must be there."""
        return await self._in_thread(self._checked)

    async def close(self) -> None:
        """Let go of the cluster."""
        await self._in_thread(self._forget)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., _T], *given: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def _sent(self, messages: Sequence[Message]) -> Outcome:
        producer = self._opened()
        if isinstance(producer, NotAtAll):
            return producer
        reports = {message.id: list[KafkaError | None]() for message in messages}
        written = {message.id: records(message) for message in messages}
        outcomes: dict[str, Outcome] = {}
        for message in messages:
            for record in written[message.id]:
                refusal = self._produced(producer, self._topics[type(message)], record, reports[message.id])
                if refusal is not None:
                    outcomes[message.id] = refusal
        self._waited(producer)
        for message in messages:
            if message.id not in outcomes:
                outcomes[message.id] = self._outcome(reports[message.id], len(written[message.id]))
        if any(isinstance(one, NotNow) for one in outcomes.values()):
            # What is left in its queue would come after what is sent again.
            self._forget()
        pairs = [(message, outcomes[message.id]) for message in messages]
        return pairs[0][1] if len(pairs) == 1 else together(pairs)

    def _produced(
        self, producer: Producer, topic: str, record: Record, reports: list[KafkaError | None]
    ) -> Outcome | None:
        """Hand a record over. Returns what came of it if it was not taken up; what becomes of it later goes to the reports."""
        try:
            producer.produce(
                topic,
                key=record.key.encode(),
                value=record.value,
                headers=[(name, value.encode()) for name, value in record.headers.items()],
                on_delivery=lambda error, _: reports.append(error),
            )
        except BufferError:
            return NotNow(Trouble.BUSY, "its queue is full")
        except KafkaException as error:
            return classified(error.args[0])
        return None

    def _waited(self, producer: Producer) -> None:
        """Wait until everything was reported, or nothing more is to be expected."""
        until = time.monotonic() + STREAM_SECONDS
        while producer.flush(STREAM_POLL_SECONDS) and time.monotonic() < until:
            if self._trouble is not None and isinstance(classified(self._trouble), NotAtAll):
                return

    def _outcome(self, reports: Sequence[KafkaError | None], expected: int) -> Outcome:
        if not expected:
            return NotThis(UNNAMED)
        failed = next((error for error in reports if error is not None), None)
        if failed is None and len(reports) == expected:
            return Taken()
        if failed is not None and not isinstance(classified(failed), NotNow):
            return classified(failed)
        # What a record suffers is that it was late; why so is what the connection has said.
        return classified(self._trouble or failed)

    def _checked(self) -> Outcome:
        producer = self._opened()
        if isinstance(producer, NotAtAll):
            return producer
        try:
            found = producer.list_topics(timeout=STREAM_CHECK_SECONDS).topics
        except KafkaException as error:
            producer.poll(0)
            return classified(self._trouble or error.args[0])
        missing = sorted({topic for topic in self._topics.values() if topic not in found})
        if missing:
            return NotAtAll(f"there is no topic {' or '.join(missing)}, or it may not be seen")
        return Taken()

    def _opened(self) -> Producer | NotAtAll:
        self._trouble = None
        if self._producer is None:
            try:
                self._producer = Producer({**self._configuration, "error_cb": self._noticed}, logger=log)
            except KafkaException as error:
                # What it says may hold what is set.
                return NotAtAll(f"its settings can't be used ({error.args[0].name()})")
        return self._producer

    def _noticed(self, error: KafkaError) -> None:
        # That all are down is said beside the reason for each.
        if self._trouble is None or isinstance(classified(error), NotAtAll):
            self._trouble = error

    def _forget(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(STREAM_POLL_SECONDS)
            self._producer = None


def classified(error: KafkaError | None) -> NotNow | NotThis | NotAtAll:
    """Return what an error means. Errors have names and no values of anybody."""
    if error is None:
        return NotNow(Trouble.TIMEOUT, f"did not confirm within {STREAM_SECONDS:g} seconds")
    name = error.name()
    detail = f"answered {name}"
    if name in _OF_MESSAGE:
        return NotThis(detail)
    if name in _FOR_GOOD:
        return NotAtAll(detail)
    if name in _LATE:
        return NotNow(Trouble.TIMEOUT, f"did not confirm in time ({name})")
    if name.startswith("_"):
        return NotNow(Trouble.NOT_REACHED, f"was not reached ({name})")
    return NotNow(Trouble.FAILED, detail)
