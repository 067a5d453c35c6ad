"""Writes for outputs what is forwarded to them of batches that were kept: one message for each batch and connection.

A message's id follows from the receipt of its batch and from its connection. So a batch that is looked at twice, since whoever did so first was
killed, is written once.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, assert_never
from uuid import UUID, uuid5

from knownas.core.delivery.message import EventsMessage, Origin
from knownas.core.translation.forwarding import Forwarded, Forwarding, HeldBack, NothingLeft, forward
from knownas.core.translation.outcome import Outgoing, Skipped
from knownas.core.translation.raw_batch import Sent, raw_batch
from knownas.service.audience.catalogue import Catalogue, KnownForwarding
from knownas.service.audience.limits import NOT_FORWARDED_SHOWN
from knownas.service.audience.mark_form import ToForward
from knownas.service.audience.subjects import Subjects
from knownas.service.delivery.form import message_document
from knownas.service.group.values import NO_VALUES, Values
from knownas.service.profile.kept_batches import batch_from, kept_from
from knownas.store.audiences import StoredSubject
from knownas.store.deliveries import NewDelivery
from knownas.store.user_data import SectionKey

_NAMESPACE: Final = UUID("0c5f0d5b-6f0a-5d0b-9d55-3a1a6a1f7c52")
"""Of the ids of messages about events."""

FORWARDED: Final = "forwarded"
GONE: Final = "connection_gone"
UNKNOWN: Final = "profile_gone"
NOTHING_LEFT: Final = "nothing_left"


class Decided(NamedTuple):
    """What was decided of a batch and a connection, and when (Unix milliseconds). `reason`, a stable word, says why nothing is forwarded.

    `reason` is `FORWARDED` where it is.
    """

    at_ms: int
    connection: int
    mpid: int
    receipt_id: str
    reason: str


class EventForwarding:
    """Forwards for one server."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects
        self.counted: Counter[tuple[int, str]] = Counter()
        """How many batches were forwarded over each connection, and how many were not, by reason; since the server began."""
        self.lately: deque[Decided] = deque(maxlen=NOT_FORWARDED_SHOWN)
        """Of which batches nothing was forwarded, the last ones that this server has decided."""

    def decide(
        self,
        catalogue: Catalogue,
        key: SectionKey,
        stored: StoredSubject,
        batches: Sequence[ToForward],
        now_ms: int,
        grouped: Values = NO_VALUES,
    ) -> Iterator[tuple[Decided, NewDelivery | None]]:
        """Yield what is decided of batches of a profile and what its groups have come to, in their order, and what an output is told by it. Nothing is counted yet."""
        for one in batches:
            batch = batch_from(key, one.at_ms, kept_from(bytes(one.kept)))
            user = None if batch is None else self._subjects.forwarded(key, stored, batch, now_ms, grouped)
            for number in one.connections:
                known = catalogue.forwarding.get(number)
                delivery: NewDelivery | None = None
                if known is None or not _is_there(catalogue, known):
                    reason = GONE
                elif batch is None or user is None:
                    reason = UNKNOWN
                else:
                    outcome = forward(batch, user, known.connection)
                    reason = _word(outcome)
                    if isinstance(outcome, Forwarded):
                        sent = raw_batch(Sent(one.receipt_id, batch, key.mpid, outcome, user.profile.consents))
                        delivery = _delivery(known, key, one, sent, outcome.translated.identities)
                yield Decided(now_ms, number, key.mpid, one.receipt_id, reason), delivery

    def note(self, decided: Iterable[Decided]) -> None:
        """Count what was decided, when that is written down."""
        for one in decided:
            self.counted[one.connection, one.reason] += 1
            if one.reason != FORWARDED:
                self.lately.append(one)

    def count_of(self, connection: int) -> Mapping[str, int]:
        """Return how many batches were forwarded over a connection, and were not, by reason, since the server began."""
        return {reason: count for (number, reason), count in self.counted.items() if number == connection}


def _delivery(
    known: KnownForwarding, key: SectionKey, one: ToForward, sent: Mapping[str, Any], identities: tuple[Outgoing, ...]
) -> NewDelivery:
    name = str(uuid5(_NAMESPACE, f"{one.receipt_id}/{known.id}"))
    workspace, environment, mpid = key
    message = EventsMessage(name, Origin(workspace, environment), mpid, one.at_ms, sent, identities)
    text = message_document(message)
    return NewDelivery(name, known.output, known.id, workspace, environment, mpid, one.at_ms, text)


def _word(outcome: Forwarding) -> str:
    match outcome:
        case Forwarded():
            return FORWARDED
        case Skipped():
            return outcome.reason.value
        case HeldBack(by):
            return by.value
        case NothingLeft():
            return NOTHING_LEFT
        case _:
            assert_never(outcome)


def _is_there(catalogue: Catalogue, known: KnownForwarding) -> bool:
    return known in catalogue.of(known.workspace).forwarding.get(known.input, ())
