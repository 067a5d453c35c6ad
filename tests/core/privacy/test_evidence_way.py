"""Some entries of the evidence can be shown to be in it, and nothing is shown of the others."""

from dataclasses import replace
from random import Random

import pytest

from knownas.core.privacy.evidence import (
    Entry,
    Fault,
    Finding,
    Head,
    content_of,
    hash_of,
    head_of,
    link_of,
    skipped_to,
)
from knownas.core.privacy.evidence_way import Place, follow, way
from tests.core.privacy.test_evidence import chain


def led(entries: list[Entry], shown: set[int]) -> list[Place]:
    """Return the way from some entries to the end of a chain."""
    return [
        entries[number - 1] if number in shown else link_of(entries[number - 1]) for number in way(len(entries), shown)
    ]


def test_a_way_leads_through_what_is_shown() -> None:
    """From whatever entries of whatever chain a way leads to its head, through them all and its anchors on it, without a fault."""
    entries = chain(Random(1), 130)
    for seed in range(300):
        random = Random(seed)
        whole = entries[: random.randrange(1, len(entries) + 1)]
        shown = set(random.sample(range(1, len(whole) + 1), min(len(whole), random.randrange(1, 6))))
        places = led(whole, shown)
        anchors = [head_of(one) for one in entries]
        assert shown <= {one.number for one in places}
        assert {one.number for one in places if isinstance(one, Entry)} == shown
        followed = follow(places, head_of(whole[-1]), anchors)
        assert followed.findings == []
        assert followed.passed == [one.number for one in places]


def test_a_way_is_short() -> None:
    """From the head of a chain of a million entries no way to any of them has more than 200 links."""
    random = Random(2)
    for _ in range(2_000):
        assert len(way(1_000_000, [random.randrange(1, 1_000_001)])) <= 200
    assert way(0, [1]) == []
    assert way(5, []) == [5]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_changed_on_a_way_is_named(seed: int) -> None:
    """What is altered, taken out, or put elsewhere on a way is found at the entry where it breaks."""
    random = Random(seed)
    entries = chain(random, 90)
    places = led(entries, {3, 40, 41, 77})
    head = head_of(entries[-1])
    at = random.randrange(len(places))
    one = places[at]
    number = one.number
    match seed % 4:
        case 0:
            changed = replace(one, hash="0" * 64) if isinstance(one, Entry) else one._replace(content="0" * 64)
            wanted = Finding(Fault.ALTERED, number)
            places[at] = changed
        case 1:
            # Where the one above leads past it anyway, nothing is missing.
            held = [{one.number - 1, skipped_to(one.number)} for one in places]
            at = random.choice([at for at in range(1, len(places) - 1) if places[at - 1].number not in held[at + 1]])
            del places[at]
            wanted = Finding(Fault.MISSING, places[at].number)
        case 2:
            wanted = Finding(Fault.CUT_OFF, places[-2].number + 1)
            del places[-1]
        case _:
            at = random.randrange(1, len(places))
            places[at - 1], places[at] = places[at], places[at - 1]
            wanted = Finding(Fault.OUT_OF_ORDER, places[at].number)
    assert wanted in follow(places, head).findings


def test_another_past_has_another_head() -> None:
    """An entry that says something else, with a hash of that, is not the one to which the entry above leads."""
    entries = chain(Random(5), 30)
    places = led(entries, {9, 20})
    at = next(at for at, one in enumerate(places) if one.number == 9)
    happening = entries[8].happening._replace(at_ms=1)
    hash_ = hash_of(9, content_of(happening, entries[8].salt), entries[8].before, entries[8].skip)
    places[at] = replace(entries[8], happening=happening, hash=hash_)
    above = places[at + 1].number
    assert follow(places, head_of(entries[-1])).findings == [Finding(Fault.NOT_LINKED, above)]


def test_a_way_leads_to_the_head_that_was_signed() -> None:
    """A way that ends at another head, or passes an anchor that is another, was written anew."""
    entries = chain(Random(6), 30)
    places = led(entries, {9, 20})
    other = Head(30, "f" * 64)
    assert follow(places, other).findings == [Finding(Fault.REWRITTEN, 30)]
    assert follow(places, head_of(entries[-1]), [Head(20, "f" * 64)]).findings == [Finding(Fault.REWRITTEN, 20)]
    assert follow(places, head_of(entries[28])).findings == [Finding(Fault.REWRITTEN, 29)]
    assert follow([], Head()).findings == []
