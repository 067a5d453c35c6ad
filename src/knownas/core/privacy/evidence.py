"""Chains what is done for data subjects together, so that nothing of it can be altered, dropped or put in later unseen.

Each entry says what happened: a request came, this much was found, that store was erased, a search found nothing. It
holds the hash of the entry before it, and its own hash is taken over all it says, that one included. So whoever
knows the hash of one entry knows all that came before it: any other past has another hash.

What a chain can't tell by itself is that its end is missing, or that all of it was written anew. For that its head, the
number and the hash of its last entry, is published from time to time, as an *anchor*: signed, and kept by somebody
else. A chain must lead through each of its anchors.

An entry must not hold personal data, since it outlives what it tells of. Its facts are counts, names of stores, states
and the numbers that a controller gave its requests; a limit on their length keeps anything else out.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.limits import EVIDENCE_FACT_CHARACTERS_MAX, EVIDENCE_FACTS_MAX

Fact = int | bool | str
"""One thing that an entry tells."""

START: Final = "0" * 64
"""Stands for the hash of the entry before the first one."""


class Step(StrEnum):
    """What an entry is about. The value is what stands in the chain."""

    RECEIVED = "received"
    VERIFIED = "verified"
    FOUND = "found"
    STARTED = "started"
    ERASED = "erased"
    SEARCHED = "searched"
    DELIVERED = "delivered"
    TOLD_OUTPUT = "told_output"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    RESURRECTION_REFUSED = "resurrection_refused"
    REPLAYED = "replayed"


class Happening(NamedTuple):
    """What is to be written down: when, of which request (empty for none), which step, and its facts.

    `at_ms` is Unix milliseconds, UTC.
    """

    at_ms: int
    request_id: str
    step: Step
    facts: Mapping[str, Fact] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the chain. `number` counts from 1; `before` is the hash of the entry before it; both hashes are hex.

    Raises:
        ValueError: it says more than an entry may.
    """

    number: int
    happening: Happening
    before: str
    hash: str

    def __post_init__(self) -> None:
        facts = self.happening.facts
        if len(facts) > EVIDENCE_FACTS_MAX:
            raise ValueError(f"at most {EVIDENCE_FACTS_MAX} facts in an entry")
        for name, fact in facts.items():
            if len(name) > EVIDENCE_FACT_CHARACTERS_MAX or len(str(fact)) > EVIDENCE_FACT_CHARACTERS_MAX:
                raise ValueError(f"at most {EVIDENCE_FACT_CHARACTERS_MAX} characters in a fact")


class Head(NamedTuple):
    """How long a chain is, and the hash of its last entry. Whoever knows it knows the whole chain."""

    number: int = 0
    hash: str = START


def linked(head: Head, happening: Happening) -> Entry:
    """Make the entry that follows a chain's head.

    Raises:
        ValueError: it says more than an entry may.
    """
    number = head.number + 1
    return Entry(number, happening, head.hash, hash_of(number, happening, head.hash))


def head_of(entry: Entry) -> Head:
    """Return the head of a chain that ends with an entry."""
    return Head(entry.number, entry.hash)


def hash_of(number: int, happening: Happening, before: str) -> str:
    """Return the SHA-256 of all that an entry says, in hex.

    Hashed is a JSON array without spaces, its objects' members in the order of their names, in UTF-8: number, hash before,
    time, request, step, facts. So any other program can check it.
    """
    said = [number, before, happening.at_ms, happening.request_id, happening.step.value, dict(happening.facts)]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Fault(StrEnum):
    """What is wrong with a chain at one place."""

    ALTERED = "altered"
    """The entry says something else than its hash."""
    MISSING = "missing"
    """Entries before this one are not there."""
    OUT_OF_ORDER = "out_of_order"
    """The entry stands behind one that came later."""
    NOT_LINKED = "not_linked"
    """The entry does not follow the one that stands before it: one of the two is from another chain."""
    CUT_OFF = "cut_off"
    """The chain ends before one of its anchors."""
    REWRITTEN = "rewritten"
    """The chain leads past an anchor: it was written anew after that was published."""


class Finding(NamedTuple):
    """A fault, and the number of the first entry that it concerns."""

    fault: Fault
    number: int


def faults_of(entries: Iterable[Entry], anchors: Sequence[Head] = (), after: Head | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a chain, from its beginning or the part `after` a head; nothing if it is whole.

    `anchors` were published, in any order; those before the part are left aside. After a fault the chain is followed on
    from what is there, so that each fault is named once.
    """
    published = {anchor.number: anchor.hash for anchor in anchors}
    last = Head() if after is None else after
    for entry in entries:
        fault = _fault(entry, last)
        if fault is not None:
            yield Finding(fault, entry.number)
        if published.get(entry.number, entry.hash) != entry.hash:
            yield Finding(Fault.REWRITTEN, entry.number)
        last = Head(entry.number, entry.hash)
    beyond = [number for number in published if number > last.number]
    if beyond:
        yield Finding(Fault.CUT_OFF, last.number + 1)


def _fault(entry: Entry, last: Head) -> Fault | None:
    """Say what is wrong with an entry that stands behind a head; None if it is the one that follows."""
    if hash_of(entry.number, entry.happening, entry.before) != entry.hash:
        return Fault.ALTERED
    if entry.number <= last.number:
        return Fault.OUT_OF_ORDER
    if entry.number > last.number + 1:
        return Fault.MISSING
    return None if entry.before == last.hash else Fault.NOT_LINKED
