"""Remembers the newest of what came through the inputs of this server and what each was answered, whether or not somebody watches.

A line holds ids and names: which types of identities were sent, never a value. It lives in this process's memory alone. Noting costs a request a
tuple; everything else is done when somebody looks. Servers over one database each remember their own lines; whoever looks
carries along how far each has been seen (`place`), so that it does not matter which of them is asked.
"""

import os
import secrets
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from knownas.core.identity.decision import Refused, Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Environment,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.service.identity.question import Answer
from knownas.service.live.limits import (
    EVENT_TYPE_CHARACTERS_MAX,
    EVENT_TYPES_MAX,
    LINES_KEPT_MAX,
    SENTENCE_CHARACTERS_MAX,
    SERVER_CHARACTERS_MAX,
)
from knownas.service.live.line import About, Line, Noted, Outcome, Sender, line_of
from knownas.service.live.place import RUN_DIGITS, Seen, moved_on
from knownas.service.live.wanted import Wanted
from knownas.service.profile.batch_receipts import Kept, Rejected
from knownas.service.profile.ingest import Arrival, Receipted
from knownas.service.security.directory import Door
from knownas.store.user_data import AliasRow

_DECISION: Final = About.DECISION
_TYPE: Final[Callable[[Identity], IdentityType]] = itemgetter(0)

OTHERS: Final = "…"
"""Stands for the types of events that a line does not name."""


class Look(NamedTuple):
    """What somebody sees: lines, the oldest first.

    `waiting` are wanted lines that come after these. `missed` are lines that this server has forgotten before they were seen, wanted or not.
    `seen` is up to where lines are seen now.
    """

    lines: Sequence[Line]
    seen: Seen
    waiting: int
    missed: int


class Feed:
    """The newest lines of one server process. One event loop, one of these.

    `name` is what people call the process, `run` what tells it from all others, also from itself before a restart.
    """

    def __init__(self, name: str, run: str, clock: Callable[[], int], most: int = LINES_KEPT_MAX) -> None:
        """Remember so many lines. `clock` gives Unix milliseconds."""
        self.name = name
        self.run = run
        self._clock = clock
        self._lines: deque[Noted] = deque(maxlen=most)
        self._count = 0

    def decided(self, sender: Sender, answer: Answer, outcome: str, seconds: float) -> None:
        """Note a decision, by the name under which its outcome is counted."""
        # On the way of each request: what can be worked out later is.
        observation, decided = answer.question.observation, answer.decision.outcome
        if isinstance(observation, IdentityRequest):
            sent = tuple(map(_TYPE, observation.identities))
            if observation.set_aside:
                sent += tuple(map(_TYPE, observation.set_aside))
        else:
            sent = _types_of(observation)
        mpid = decided.mpid if isinstance(decided, Returned) else answer.decision.answered
        refusal = (decided.reason.value, decided.message) if isinstance(decided, Refused) else None
        self._count += 1
        self._lines.append(
            (
                observation.at_ms,
                sender,
                observation.endpoint,
                observation.environment,
                outcome,
                mpid,
                _DECISION,
                answer.decision_id,
                sent,
                seconds,
                refusal,
            )
        )

    def took(self, arrival: Arrival, receipted: Receipted, asked: str, outcome: str, seconds: float) -> None:
        """Note a batch of events: one that is kept, or was before, or is kept as refused."""
        door, batch, _ = arrival
        became = receipted.outcome
        # Of a batch that could not be read, the environment was not either.
        environment = batch.environment if arrival.refusal is None else None
        mpid = became.mpid if isinstance(became, Kept) else None
        refusal = _cut(became.reason, became.sentence) if isinstance(became, Rejected) else None
        sent = _counted(one.type for one in batch.events)
        about = (About.BATCH, receipted.receipt_id, sent, seconds, refusal)
        self._note((batch.at_ms, door, asked, environment, outcome, mpid, *about))

    def aliased(self, door: Door, row: AliasRow, outcome: Outcome, seconds: float) -> None:
        """Note an alias request that was accepted."""
        environment, mpid = Environment(row.environment), row.destination_mpid
        about = (About.ALIAS, row.request_id, (), seconds, None)
        self._note((self._clock(), door, "alias", environment, outcome, mpid, *about))

    def refused(self, door: Door | None, asked: str, reason: str, sentence: str) -> None:
        """Note a request that was refused before anything could be decided about it; without a door, nobody can tell whose it was."""
        refusal = _cut(reason, sentence)
        self._note((self._clock(), door, asked, None, Outcome.REFUSED, None, None, "", (), None, refusal))

    def forget_sentences(self) -> None:
        """Forget what refusals said: a sentence may quote what somebody has sent who is erased."""
        kept = [one if one[10] is None else (*one[:10], (one[10][0], "")) for one in self._lines]
        self._lines.clear()
        self._lines.extend(kept)

    def newest(self, wanted: Wanted, most: int, seen: Seen | None = None) -> Look:
        """Return the newest lines that are wanted."""
        found: list[Line] = []
        for number, noted in self._back_to(0):
            if wanted.matches(noted):
                if len(found) == most:
                    break
                found.append(line_of(number, noted))
        return Look(found[::-1], moved_on(seen or {}, self.run, self._count), 0, 0)

    def after(self, seen: Seen, wanted: Wanted, most: int) -> Look:
        """Return the first lines that are wanted after those that were seen; of a server of which none were, the newest.

        With `most` 0, only how many wait.
        """
        at = seen.get(self.run)
        if at is None or at > self._count:
            return self.newest(wanted, most, seen)
        fresh = [one for one in self._back_to(at) if wanted.matches(one[1])]
        taken = fresh[::-1][:most]
        waiting = len(fresh) - len(taken)
        up_to = self._count if not waiting else taken[-1][0] if taken else at
        missed = max(0, self._count - len(self._lines) - at)
        return Look([line_of(*one) for one in taken], moved_on(seen, self.run, up_to), waiting, missed)

    def _back_to(self, at: int) -> Iterator[tuple[int, Noted]]:
        """Yield the lines after a number, the newest first."""
        fresh = islice(reversed(self._lines), self._count - at)
        return ((self._count - place, noted) for place, noted in enumerate(fresh))

    def _note(self, noted: Noted) -> None:
        self._count += 1
        self._lines.append(noted)


def _types_of(observation: Observation) -> tuple[IdentityType, ...]:
    """Return the types that another request than one for resolution names."""
    match observation:
        case ModifyRequest():
            return tuple(one.type for one in (*observation.changes, *observation.set_aside))
        case IdentityRequest() | SeedRequest():
            return tuple(one.type for one in (*observation.identities, *observation.set_aside))
        case Correction() | Erasure():
            return ()


def _counted(types: Iterable[str]) -> dict[str, int]:
    """Count events by their types, which are their sender's own words: the most frequent ones, and all others together."""
    counted = Counter(one[:EVENT_TYPE_CHARACTERS_MAX] for one in types).most_common()
    named, others = counted[:EVENT_TYPES_MAX], sum(count for _, count in counted[EVENT_TYPES_MAX:])
    return dict(named) | ({OTHERS: others} if others else {})


def _cut(reason: str, sentence: str) -> tuple[str, str]:
    return reason, sentence[:SENTENCE_CHARACTERS_MAX]


def open_feed(clock: Callable[[], int]) -> Feed:
    """Return the feed of this process, named after the machine and the process."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    return Feed(name[:SERVER_CHARACTERS_MAX], secrets.token_hex(RUN_DIGITS // 2), clock)
