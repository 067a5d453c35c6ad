"""Checks the chain of evidence of a running server from its first entry to its head, and counts what it tells.

Somebody who can write the database can write the whole chain anew as well. Only a head that was published before shows that: the
one that this process has published is held against the chain, others `knownas verify-evidence --anchor` holds against it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from knownas.core.privacy.evidence import Entry, Finding, Head, Step, faults_of
from knownas.service.evidence.chain import Evidence
from knownas.service.limits import EVIDENCE_CHECKED_MAX, EVIDENCE_FAULTS_MAX, PAGE_MAX, REQUEST_SECONDS


class Checked(NamedTuple):
    """What came of a check: the head up to which it went, how many entries were read, what is wrong, and how many there are of each step.

    `is_all` False: the chain has more entries than are checked at once; `knownas evidence` and `verify-evidence` check all.
    """

    head: Head
    entries: int
    findings: Sequence[Finding]
    steps: Mapping[Step, int]
    is_all: bool


async def check_chain(evidence: Evidence, anchors: Sequence[Head] = ()) -> Checked:
    """Read the chain from its beginning and say whether it is whole, and goes through these heads.

    The hashing is done beside the event loop.

    Raises:
        StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
    """
    head = await evidence.head()
    until = min(head.number, EVIDENCE_CHECKED_MAX)
    reading = _Reading(evidence, asyncio.get_running_loop(), until)
    within = [one for one in anchors if one.number <= until or head.number < one.number]
    findings = await asyncio.to_thread(lambda: list(islice(faults_of(reading, within), EVIDENCE_FAULTS_MAX)))
    return Checked(head, reading.read, findings, reading.steps, head.number <= until)


class _Reading:
    """The entries of a chain, for somebody who reads them in another thread than that of the event loop."""

    def __init__(self, evidence: Evidence, loop: asyncio.AbstractEventLoop, until: int) -> None:
        self._evidence = evidence
        self._loop = loop
        self._until = until
        self.read = 0
        self.steps: Counter[Step] = Counter()

    def __iter__(self) -> Iterator[Entry]:
        after = 0
        while self.read < self._until:
            waiting = self._evidence.entries(after, min(PAGE_MAX, self._until - self.read))
            page = asyncio.run_coroutine_threadsafe(waiting, self._loop).result(REQUEST_SECONDS)
            if not page:
                return
            for one in page:
                self.read += 1
                self.steps[one.happening.step] += 1
                yield one
            after = page[-1].number
