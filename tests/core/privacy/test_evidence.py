"""No past can be given to the evidence but the one that it has."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest

from knownas.core.limits import EVIDENCE_FACT_CHARACTERS_MAX, EVIDENCE_FACTS_MAX
from knownas.core.privacy import evidence
from knownas.core.privacy.evidence import (
    START,
    Entry,
    Fault,
    Finding,
    Happening,
    Head,
    Step,
    content_of,
    faults_of,
    hash_of,
    head_of,
    link_of,
    linked,
    needed_hashes,
    skipped_to,
)

TAMPERINGS = 1_000
REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"


def drawn(random: Random) -> Happening:
    """Draw something that happened."""
    facts = {
        f"store {number}": random.choice([random.randrange(9), "gone", True]) for number in range(random.randrange(3))
    }
    return Happening(random.randrange(10**12), random.choice(["", REQUEST]), random.choice(list(Step)), facts)


def chain(random: Random, length: int, before: Sequence[Entry] = ()) -> list[Entry]:
    """Make a chain, or go on with one; returns what is new."""
    entries = list(before)
    for _ in range(length):
        entries.append(following(entries, drawn(random), random))
    return entries[len(before) :]


def following(entries: Sequence[Entry], happening: Happening, random: Random) -> Entry:
    """Make the entry that follows a chain."""
    head = head_of(entries[-1]) if entries else Head()
    salt = random.randbytes(16).hex()
    return linked(head, happening, salt, {number: entries[number - 1].hash for number in needed_hashes(head, 1)})


def altered(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Let an entry say something else."""
    place = random.randrange(len(entries))
    entry = entries[place]
    happening = entry.happening
    other = random.choice(
        [
            happening._replace(at_ms=happening.at_ms + 1),
            happening._replace(request_id=happening.request_id + "0"),
            happening._replace(step=next(step for step in Step if step is not happening.step)),
            happening._replace(facts={**happening.facts, "store": 7}),
        ]
    )
    return [*entries[:place], replace(entry, happening=other), *entries[place + 1 :]], entry.number


def altered_with_its_hash(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Let an entry say something else, and have the hash of that; the next one tells, or the anchor."""
    changed, number = altered(entries, random)
    entry = changed[number - 1]
    entry = rehashed(entry)
    return [*changed[: number - 1], entry, *changed[number:]], number + (number < len(entries))


def rehashed(entry: Entry) -> Entry:
    """Give an entry the hash of what it says now."""
    content = content_of(entry.happening, entry.salt)
    return replace(entry, hash=hash_of(entry.number, content, entry.before, entry.skip))


def led_astray(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Let an entry lead further back to an entry that never was, and write the others anew behind it."""
    place = random.choice([place for place in range(len(entries)) if (place + 1) % 2 == 0])
    astray = [*entries[:place], rehashed(replace(entries[place], skip="f" * 64))]
    return astray + chain(random, len(entries) - place - 1, astray), place + 1


def dropped(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Take entries out, the last one perhaps."""
    place = random.randrange(len(entries))
    left = entries[:place] + entries[place + random.randrange(1, 4) :]
    return left, left[place].number if place < len(left) else place + 1


def renumbered(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Take an entry out, and number the others as if it had never been."""
    place = random.randrange(len(entries) - 1)
    moved = [replace(entry, number=entry.number - 1) for entry in entries[place + 1 :]]
    return entries[:place] + moved, place + 1


def swapped(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Have two entries change places."""
    one, other = sorted(random.sample(range(len(entries)), 2))
    changed = list(entries)
    changed[one], changed[other] = changed[other], changed[one]
    return changed, entries[other].number


def put_in(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Put an entry in that follows the one before it."""
    place = random.randrange(1, len(entries))
    return [*entries[:place], following(entries[:place], drawn(random), random), *entries[place:]], place + 1


def cut_off(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Leave the end out."""
    left = random.randrange(len(entries))
    return entries[:left], left + 1


def written_anew(entries: list[Entry], random: Random) -> tuple[list[Entry], int]:
    """Write the end anew, as it would have been written; only an anchor tells."""
    place = random.randrange(1, len(entries))
    anew = chain(random, len(entries) - place, entries[:place])
    return entries[:place] + anew, len(entries)


TAMPERED: list[Callable[[list[Entry], Random], tuple[list[Entry], int]]] = [
    altered,
    altered_with_its_hash,
    dropped,
    renumbered,
    swapped,
    put_in,
    cut_off,
    written_anew,
    led_astray,
]


def overlooked() -> list[str]:
    """Tamper with chains whose end is known, and return what was not found, or was named at another place."""
    missed: list[str] = []
    for seed in range(TAMPERINGS):
        random = Random(seed)
        entries = chain(random, random.randrange(3, 12))
        way = TAMPERED[seed % len(TAMPERED)]
        changed, number = way(entries, random)
        if changed == entries:
            continue
        found = list(faults_of(changed, [head_of(entries[-1])]))
        if not found or found[0].number != number:
            missed.append(f"{seed} {way.__name__}: {found}, wanted {number}")
    return missed


def test_whatever_is_done_to_a_chain_is_found() -> None:
    """A thousand random tamperings, of nine kinds, are all found, and named at the entry where the chain breaks."""
    assert overlooked() == []


def test_a_hash_that_leaves_something_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a hash that is not taken over the facts lets them be changed."""
    whole = evidence.content_of

    def without_facts(happening: Happening, salt: str) -> str:
        return whole(happening._replace(facts={}), salt)

    monkeypatch.setattr(evidence, "content_of", without_facts)
    assert overlooked() != []


def test_a_hash_further_back_that_nobody_checks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a verifier that forgets the hashes further back does not see where an entry leads astray."""
    monkeypatch.setattr(evidence, "_still_held", lambda _number: ())
    missed = overlooked()
    assert missed
    assert all("led_astray" in one for one in missed)


def test_a_chain_that_was_left_alone_has_no_fault() -> None:
    """A chain, and each part of it after a head that is known, leads through all its anchors."""
    entries = chain(Random(1), 20)
    anchors = [head_of(entries[4]), head_of(entries[19]), head_of(entries[11])]
    assert list(faults_of(entries, anchors)) == []
    assert list(faults_of(entries[7:], anchors, head_of(entries[6]))) == []
    assert list(faults_of([])) == []


def test_a_part_that_follows_something_else_is_not_linked() -> None:
    """A part of a chain must follow the head that is known."""
    entries = chain(Random(2), 5)
    other = Head(2, "f" * 64)
    assert list(faults_of(entries[2:], after=other)) == [Finding(Fault.NOT_LINKED, 3)]


def test_a_hash_is_what_any_program_would_compute() -> None:
    """The hash is SHA-256 of JSON texts that can be written by hand."""
    happening = Happening(5, REQUEST, Step.ERASED, {"store": "événements", "rows": 3, "again": False})
    entry = linked(Head(), happening, "5a17", {})
    said = f'["5a17",5,"{REQUEST}","erased",{{"again":false,"rows":3,"store":"événements"}}]'
    content = sha256(said.encode()).hexdigest()
    assert link_of(entry).content == content
    assert entry.before == entry.skip == START
    assert entry.hash == sha256(f'[1,"{content}","{START}","{START}"]'.encode()).hexdigest()


def test_each_entry_holds_the_hash_of_one_further_back() -> None:
    """The number of that entry is the own one without its lowest bit, and the chain has what is needed to go on."""
    assert [skipped_to(number) for number in range(1, 17)] == [0, 0, 2, 0, 4, 4, 6, 0, 8, 8, 10, 8, 12, 12, 14, 0]
    entries = chain(Random(3), 40)
    for entry in entries:
        target = skipped_to(entry.number)
        assert entry.skip == (START if target == 0 else entries[target - 1].hash)


@pytest.mark.parametrize(
    "facts",
    [
        {str(number): 1 for number in range(EVIDENCE_FACTS_MAX + 1)},
        {"store": "x" * (EVIDENCE_FACT_CHARACTERS_MAX + 1)},
        {"x" * (EVIDENCE_FACT_CHARACTERS_MAX + 1): 1},
    ],
)
def test_an_entry_says_little(facts: dict[str, evidence.Fact]) -> None:
    """More than counts and names has no place in what outlives a person's data."""
    with pytest.raises(ValueError, match="at most"):
        linked(Head(), Happening(1, "", Step.FOUND, facts), "", {})
