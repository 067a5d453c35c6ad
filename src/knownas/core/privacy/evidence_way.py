"""Leads from the head of the chain of evidence to some of its entries, and shows nothing of the others.

A *way* has all entries that are to be shown, and between them only links: each entry holds the hash of the one before it, and
of one further back, so that a way takes the larger step wherever it does not pass what is to be shown. Whoever trusts the
hash of the head goes back along the way, and at each step computes the hash that the step before holds. What is shown can be in no
other chain, and at no other place in it. That nothing is left out which should be shown, a way can't tell: whoever
signs it says so.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from knownas.core.privacy.evidence import (
    Entry,
    Fault,
    Finding,
    Head,
    Link,
    hash_of,
    link_of,
    skipped_to,
)

Place = Entry | Link
"""One entry of a way: shown, or its link only."""


def way(head: int, shown: Collection[int]) -> Sequence[int]:
    """Return the numbers of the entries from the lowest that is `shown` up to a head, through all that are shown.

    Between two of them are at most about as many as half the square of the length of their numbers in bits. Numbers that are no entry's are left out.
    """
    passed = [head] if head > 0 else []
    for target in sorted({one for one in shown if 0 < one < head}, reverse=True):
        while (number := passed[-1]) > target:
            further = skipped_to(number)
            passed.append(further if further >= target else number - 1)
    return passed[::-1]


class Followed(NamedTuple):
    """What a way comes to: its faults, and the numbers of those anchors that it leads through."""

    findings: Sequence[Finding]
    passed: Sequence[int]


def follow(places: Sequence[Place], head: Head, anchors: Sequence[Head] = ()) -> Followed:
    """Check a way that leads up to a head. `anchors` are heads that were published; it leads through some of them, perhaps."""
    findings = [*_faults(places), *_end(places, head)]
    hashes = {one.number: one.hash for one in places}
    passed = sorted({one.number for one in anchors if one.number in hashes})
    rewritten = sorted({one.number for one in anchors if hashes.get(one.number, one.hash) != one.hash})
    findings += [Finding(Fault.REWRITTEN, number) for number in rewritten]
    return Followed(findings, passed)


def _faults(places: Sequence[Place]) -> Iterator[Finding]:
    last: Link | None = None
    for place in places:
        link = link_of(place) if isinstance(place, Entry) else place
        fault = _fault(link, last)
        if fault is not None:
            yield Finding(fault, link.number)
        last = link


def _fault(link: Link, last: Link | None) -> Fault | None:
    """Say what is wrong with a link above another one; None if it leads to it."""
    if link.hash != hash_of(link.number, link.content, link.before, link.skip):
        return Fault.ALTERED
    if last is None:
        return None
    if link.number <= last.number:
        return Fault.OUT_OF_ORDER
    held = [(link.number - 1, link.before), (skipped_to(link.number), link.skip)]
    led_to = {hash_ for number, hash_ in held if number == last.number}
    if not led_to:
        return Fault.MISSING
    # Behind an odd number both hashes are of the same entry.
    return None if led_to == {last.hash} else Fault.NOT_LINKED


def _end(places: Sequence[Place], head: Head) -> Iterator[Finding]:
    """Yield what keeps a way from ending at a head."""
    last = Head() if not places else Head(places[-1].number, places[-1].hash)
    if last.number < head.number:
        yield Finding(Fault.CUT_OFF, last.number + 1)
    elif last != head:
        yield Finding(Fault.REWRITTEN, head.number)
