"""Chains what is done for data subjects together, so that nothing of it can be altered, dropped or put in later unseen.

Each entry says what happened: a request came, this much was found, that store was erased, a search found nothing. It
holds the hash of the entry before it, and its own hash is taken over all it says, that one included. So whoever
knows the hash of one entry knows all that came before it: any other past has another hash.

The hash is taken in two steps: first over what the entry tells, with a salt, which gives its *content*, then over its place in the
chain and that content. So an entry can be shown to somebody who may not know what it tells: as a *link*, of which the salt
keeps anybody from guessing. And each entry holds the hash of a second one, further back (`skipped_to`): from the head of a
chain of a million entries to any of them lead at most a few hundred links (`core.privacy.evidence_way`).

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


NUMBER_MAX: Final = 2**63 - 1
"""The number of the last entry that a chain can have: what a database counts to."""


class Step(StrEnum):
    """What an entry is about. The value is what stands in the chain."""

    RECEIVED = "received"
    VERIFIED = "verified"
    FOUND = "found"
    STARTED = "started"
    ERASED = "erased"
    SUPPRESSED = "suppressed"
    SEARCHED = "searched"
    DELIVERED = "delivered"
    TOLD_OUTPUT = "told_output"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    RESURRECTION_REFUSED = "resurrection_refused"
    REPLAYED = "replayed"
    RESTORED = "restored"
    LET_IN = "let_in"


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
    """One entry of the chain. `number` counts from 1; `before` is the hash of the entry before it, `skip` that of a further one.

    All hashes are hex; so is the `salt`, random bytes that keep what it tells from being guessed.

    Raises:
        ValueError: it says more than an entry may.
    """

    number: int
    happening: Happening
    salt: str
    before: str
    skip: str
    hash: str

    def __post_init__(self) -> None:
        facts = self.happening.facts
        if len(facts) > EVIDENCE_FACTS_MAX:
            raise ValueError(f"at most {EVIDENCE_FACTS_MAX} facts in an entry")
        if not 0 < self.number <= NUMBER_MAX:
            raise ValueError(f"an entry's number is from 1 to {NUMBER_MAX}")
        for name, fact in facts.items():
            if len(name) > EVIDENCE_FACT_CHARACTERS_MAX or len(str(fact)) > EVIDENCE_FACT_CHARACTERS_MAX:
                raise ValueError(f"at most {EVIDENCE_FACT_CHARACTERS_MAX} characters in a fact")


class Head(NamedTuple):
    """How long a chain is, and the hash of its last entry. Whoever knows it knows the whole chain."""

    number: int = 0
    hash: str = START


class Link(NamedTuple):
    """An entry without what it tells: enough to check that it is where it is."""

    number: int
    content: str
    before: str
    skip: str
    hash: str


def skipped_to(number: int) -> int:
    """Return which entry's hash an entry holds beside that of the one before it: its number without its lowest bit.

    0 stands for the beginning of the chain.
    """
    return number - (number & -number)


def needed_hashes(head: Head, count: int) -> set[int]:
    """Return the numbers of those entries before a head whose hashes the next `count` entries will hold."""
    targets = {skipped_to(number) for number in range(head.number + 1, head.number + 1 + count)}
    return {number for number in targets if 0 < number < head.number}


def linked(head: Head, happening: Happening, salt: str, hashes: Mapping[int, str]) -> Entry:
    """Make the entry that follows a chain's head. `hashes` are those of earlier entries (`needed_hashes`).

    Raises:
        ValueError: it says more than an entry may.
    """
    number = head.number + 1
    target = skipped_to(number)
    skip = {0: START, head.number: head.hash}[target] if target in (0, head.number) else hashes[target]
    content = content_of(happening, salt)
    return Entry(number, happening, salt, head.hash, skip, hash_of(number, content, head.hash, skip))


def head_of(entry: Entry) -> Head:
    """Return the head of a chain that ends with an entry."""
    return Head(entry.number, entry.hash)


def link_of(entry: Entry) -> Link:
    """Return an entry without what it tells."""
    content = content_of(entry.happening, entry.salt)
    return Link(entry.number, content, entry.before, entry.skip, entry.hash)


def content_of(happening: Happening, salt: str) -> str:
    """Return the SHA-256 of what an entry tells, in hex.

    Hashed is canonical JSON (`canonical`), an array: salt, time, request, step, facts. So any other program can check it.
    """
    said = [salt, happening.at_ms, happening.request_id, happening.step.value, dict(happening.facts)]
    return hashlib.sha256(canonical(said)).hexdigest()


def hash_of(number: int, content: str, before: str, skip: str) -> str:
    """Return the SHA-256 of an entry, in hex: of the canonical JSON array of its number, content, and the two hashes it holds."""
    return hashlib.sha256(canonical([number, content, before, skip])).hexdigest()


def canonical(value: object) -> bytes:
    """Write JSON in the one way in which it is hashed and signed: no spaces, members in the order of their names, UTF-8.

    Raises:
        ValueError: there is no such JSON, or text that has no UTF-8.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode()


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
    FOREIGN = "foreign"
    """The entry is shown as one of a request, and is of another."""
    UNREADABLE = "unreadable"
    """What stands there is nothing that this could be."""
    NOT_SIGNED = "not_signed"
    """The signature is not of this, or not by the key of the certificate beside it."""
    UNTRUSTED = "untrusted"
    """The certificate is not the one that is trusted, and not of the authority that is."""
    SHOWN_OTHERWISE = "shown_otherwise"
    """The pages say something else than the document that they hold."""


class Finding(NamedTuple):
    """A fault, and the number of the first entry that it concerns; 0 if it is no entry's."""

    fault: Fault
    number: int


def faults_of(entries: Iterable[Entry], anchors: Sequence[Head] = (), after: Head | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a chain, from its beginning or the part `after` a head; nothing if it is whole.

    `anchors` were published, in any order; those before the part are left aside. After a fault the chain is followed on
    from what is there, so that each fault is named once.
    """
    published = _published(anchors)
    last = Head() if after is None else after
    hashes = {0: START, last.number: last.hash}
    for entry in entries:
        fault = _fault(entry, last, hashes)
        if fault is not None:
            yield Finding(fault, entry.number)
        if not published.get(entry.number, {entry.hash}) <= {entry.hash}:
            yield Finding(Fault.REWRITTEN, entry.number)
        last = Head(entry.number, entry.hash)
        hashes = {number: hashes[number] for number in _still_held(entry.number) if number in hashes}
        hashes[last.number] = last.hash
    beyond = [number for number in published if number > last.number]
    if beyond:
        yield Finding(Fault.CUT_OFF, last.number + 1)


def _published(anchors: Sequence[Head]) -> Mapping[int, set[str]]:
    """Return all hashes that were published of each number: two of one number can't both be right."""
    published: dict[int, set[str]] = {}
    for anchor in anchors:
        published.setdefault(anchor.number, set()).add(anchor.hash)
    return published


def _still_held(number: int) -> Iterator[int]:
    """Yield the numbers up to this one whose hashes later entries can hold: few, however long the chain is."""
    while number > 0:
        yield number
        number = skipped_to(number)
    yield 0


def _fault(entry: Entry, last: Head, hashes: Mapping[int, str]) -> Fault | None:
    """Say what is wrong with an entry that stands behind a head; None if it is the one that follows."""
    if entry.hash != hash_of(entry.number, content_of(entry.happening, entry.salt), entry.before, entry.skip):
        return Fault.ALTERED
    if entry.number <= last.number:
        return Fault.OUT_OF_ORDER
    if entry.number > last.number + 1:
        return Fault.MISSING
    # What the hash further back was is not known where a part begins.
    skip = hashes.get(skipped_to(entry.number), entry.skip)
    return None if (entry.before, entry.skip) == (last.hash, skip) else Fault.NOT_LINKED
