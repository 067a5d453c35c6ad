"""Whatever is done to a file of evidence, by whomever, somebody who trusts the processor and kept an anchor finds it."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

import pytest

from knownas.core.privacy import evidence, evidence_way
from knownas.core.privacy.evidence import Finding, canonical
from knownas.service.evidence import verifying as evidence_verifying
from knownas.service.evidence.documents import HeadDocument, document_bytes
from knownas.service.evidence.pdf import certificate_pdf
from knownas.service.evidence.trust import Trust
from knownas.service.evidence.verifying import verify
from knownas.service.privacy.processor import Processor
from tests.service.evidence_stage import EvidenceStage, processor, trusted

TAMPERINGS, CONTROLS = 1_000, 200
Json = dict[str, Any]


class World(NamedTuple):
    """Files that are whole, another server's, and the anchor against which they are held."""

    certificate: bytes
    other_request: bytes
    pdf: bytes
    chain: bytes
    strange: bytes
    anchor: HeadDocument


@pytest.fixture(scope="module")
def world() -> World:
    """Write evidence on two servers, and publish the head of one."""
    return asyncio.run(written())


async def written() -> World:
    """Write the evidence, and what is made of it."""
    stage, other = EvidenceStage(), EvidenceStage()
    await stage.fill()
    anchor = await stage.certificates.head()
    await stage.fill([1])
    await other.fill()
    certificate = await stage.certificate(1, anchor.head.number)
    return World(
        document_bytes(certificate),
        document_bytes(await stage.certificate(2, anchor.head.number)),
        certificate_pdf(certificate),
        await stage.exported(),
        document_bytes(await other.certificate(1)),
        anchor,
    )


def signed(document: Json, by: Processor) -> bytes:
    """Sign a document again, as only who has the key can."""
    said = {name: one for name, one in document.items() if name != "signature"}
    return canonical({**said, "signature": by.sign(canonical(said))})


def rehashed(entry: Json) -> Json:
    """Give an entry the hash of what it says now."""
    happened = [entry[name] for name in ("salt", "at_ms", "request_id", "step", "facts")]
    content = evidence.hashlib.sha256(canonical(happened)).hexdigest()
    return {**entry, "hash": evidence.hash_of(entry["number"], content, entry["before"], entry["skip"])}


def altered(entry: Json, random: Random) -> Json:
    """Let an entry say something else."""
    facts: Json = entry["facts"]
    other: list[Json] = [
        {"at_ms": entry["at_ms"] + random.choice([-1, 1, 60_000])},
        {"step": "delivered" if entry["step"] != "delivered" else "erased"},
        {"facts": {**facts, "rows": facts.get("rows", 0) + 1}},
        {"facts": {**facts, "more": True}},
        {"facts": {}} if facts else {"salt": "00"},
        {random.choice(["before", "skip", "hash"]): random.randbytes(32).hex()},
        {"number": entry["number"] + random.choice([1, 2, 64])},
    ]
    return {**entry, **random.choice(other)}


def some_entry(document: Json, random: Random) -> int:
    """Choose an entry of a certificate."""
    return random.randrange(len(document["entries"]))


def certificate_altered(world: World, random: Random) -> bytes:
    """Alter an entry, and leave the rest."""
    document = json.loads(world.certificate)
    at = some_entry(document, random)
    document["entries"][at] = altered(document["entries"][at], random)
    return canonical(document)


def certificate_altered_and_signed(world: World, random: Random) -> bytes:
    """As the processor itself could: alter an entry, with the hash of it or not, and sign that."""
    document = json.loads(world.certificate)
    at = some_entry(document, random)
    entry = altered(document["entries"][at], random)
    document["entries"][at] = rehashed(entry) if random.random() < 0.5 else entry
    return signed(document, processor())


def certificate_of_a_stranger(world: World, random: Random) -> bytes:
    """Alter an entry, and sign with a key of one's own, whose certificate is put in, or is not."""
    document = json.loads(world.certificate)
    at = some_entry(document, random)
    document["entries"][at] = altered(document["entries"][at], random)
    if random.random() < 0.7:
        document["processor"]["certificates"] = processor(1).certificates.decode()
    if random.random() < 0.3:
        document["processor"]["domain"] = processor(1).domain
    return signed(document, processor(1))


def certificate_dropped(world: World, random: Random) -> bytes:
    """Leave an entry or a link out; half of these are signed again, where the chain shows it."""
    document = json.loads(world.certificate)
    what = random.choice(["entries", "links"])
    at = random.randrange(len(document[what]))
    gone = document[what].pop(at)
    numbers = {one["number"] for one in (*document["entries"], *document["links"])}
    # What another one leads past is not needed; that it is told all the same, only the signature says.
    above = min((one for one in numbers if one > gone["number"]), default=None)
    below = max((one for one in numbers if one < gone["number"]), default=None)
    is_needed = above is None or (below is not None and below != evidence.skipped_to(above))
    return signed(document, processor()) if is_needed and random.random() < 0.5 else canonical(document)


def certificate_put_in(world: World, random: Random) -> bytes:
    """Put an entry of another request in, or one that never was, or a link twice; signed by the processor or not."""
    document, other = json.loads(world.certificate), json.loads(world.other_request)
    way = random.randrange(3)
    if way == 0:
        document["entries"].insert(some_entry(document, random), random.choice(other["entries"]))
    elif way == 1:
        entry = random.choice(document["entries"])
        document["entries"].append(rehashed({**entry, "number": document["head"]["number"] + 1}))
    else:
        document["links"].append(random.choice(document["links"]))
    return signed(document, processor()) if random.random() < 0.5 else canonical(document)


def certificate_reordered(world: World, random: Random) -> bytes:
    """Let two entries change places; signed by the processor or not."""
    document = json.loads(world.certificate)
    one, other = random.sample(range(len(document["entries"])), 2)
    entries = document["entries"]
    entries[one], entries[other] = entries[other], entries[one]
    return signed(document, processor()) if random.random() < 0.5 else canonical(document)


def certificate_without_its_end(world: World, random: Random) -> bytes:
    """As the processor itself could: show a link in the place of the entry with which the request ended, and sign that."""
    document = json.loads(world.certificate)
    *kept, last = document["entries"]
    happened = [last[name] for name in ("salt", "at_ms", "request_id", "step", "facts")]
    content = evidence.hashlib.sha256(canonical(happened)).hexdigest()
    link = {name: last[name] for name in ("number", "before", "skip", "hash")}
    document["entries"] = kept if random.random() < 0.5 else kept[:-1]
    if len(document["entries"]) == len(kept):
        document["links"].append({**link, "content": content})
    return signed(document, processor())


def certificate_of_another_chain(world: World, random: Random) -> bytes:
    """Give a certificate of a chain that was written anew, whole in itself and signed, under other numbers than were published."""
    document = json.loads(world.strange)
    if random.random() < 0.5:
        document["residency"] = random.randbytes(4).hex()
    return signed(document, processor())


def certificate_with_other_parts(world: World, random: Random) -> bytes:
    """Take the head, signature, request, time or domain from elsewhere."""
    document, other = json.loads(world.certificate), json.loads(world.strange)
    what = random.choice(["head", "signature", "request_id", "issued_at", "processor", "residency"])
    document[what] = {
        "head": other["head"],
        "signature": random.choice([other["signature"], "", base64.b64encode(random.randbytes(384)).decode(), "!"]),
        "request_id": json.loads(world.other_request)["request_id"],
        "issued_at": f"20{random.randrange(10, 26)}-01-01T00:00:00Z",
        "processor": {
            "domain": random.choice(["dsr.example.org", processor().domain]),
            "certificates": random.choice([processor(1).certificates.decode(), ""]),
        },
        "residency": random.choice(["EU (Frankfurt)", "US"]),
    }[what]
    is_head = what == "head" and random.random() < 0.5
    return signed(document, processor()) if is_head else canonical(document)


def bytes_altered(text: bytes, random: Random) -> bytes:
    """Alter, leave out or put in single bytes; what is a blank for a reader of JSON is left alone."""
    at = random.randrange(len(text) - 1)
    way = random.randrange(3)
    other = bytes([random.choice([one for one in range(33, 127) if one != text[at]])])
    if way == 0:
        return text[:at] + other + text[at + 1 :]
    return text[:at] + text[at + 1 :] if way == 1 else text[:at] + other + text[at:]


def pdf_altered(world: World, random: Random) -> bytes:
    """Alter bytes of a PDF, wherever."""
    return bytes_altered(world.pdf, random)


def pdf_of_another(world: World, random: Random) -> bytes:
    """Put another certificate, whole in itself, into the pages of this one; or cut the file off."""
    if random.random() < 0.5:
        return world.pdf[: random.randrange(20, len(world.pdf))]
    size = len(world.certificate)
    return world.pdf.replace(world.certificate, world.other_request[:size].ljust(size))


def certificate_bytes_altered(world: World, random: Random) -> bytes:
    """Alter bytes of a certificate, wherever."""
    return bytes_altered(world.certificate, random)


def chain_lines(world: World) -> list[bytes]:
    """Return the lines of the exported chain, the signed head as the last one."""
    return world.chain.splitlines(keepends=True)


def chain_altered(world: World, random: Random) -> bytes:
    """Alter an entry of a chain, with the hash of it or not."""
    lines = chain_lines(world)
    at = random.randrange(len(lines) - 1)
    entry = altered(json.loads(lines[at]), random)
    lines[at] = canonical(rehashed(entry) if random.random() < 0.5 else entry) + b"\n"
    return b"".join(lines)


def chain_dropped(world: World, random: Random) -> bytes:
    """Leave entries of a chain out, or let two change places, or have one twice, or cut it off."""
    lines = chain_lines(world)
    at = random.randrange(len(lines) - 1)
    match random.randrange(4):
        case 0:
            del lines[at : at + random.randrange(1, 4)]
        case 1:
            other = random.choice([one for one in range(len(lines)) if one != at])
            lines[at], lines[other] = lines[other], lines[at]
        case 2:
            lines.insert(random.randrange(len(lines)), lines[at])
        case _:
            del lines[at:]
    return b"".join(lines)


def chain_with_a_line(world: World, random: Random) -> bytes:
    """Put a line that is no entry into a chain, or behind it."""
    lines = chain_lines(world)
    line = random.choice([b"{}\n", b"\n", b'"' + random.randbytes(4).hex().encode() + b'"\n'])
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"".join(lines)


def linked_anew(entries: list[Json]) -> list[Json]:
    """Number and link entries as if they had always been like this."""
    hashes = {0: evidence.START}
    anew: list[Json] = []
    for number, entry in enumerate(entries, 1):
        linked = {"number": number, "before": hashes[number - 1], "skip": hashes[evidence.skipped_to(number)]}
        anew.append(rehashed({**entry, **linked}))
        hashes[number] = anew[-1]["hash"]
    return anew


def chain_written_anew(world: World, random: Random) -> bytes:
    """Alter, drop or put in what came before the anchor, link all of it anew, and sign the head: a chain that is whole."""
    *kept, last = chain_lines(world)
    entries = [json.loads(one) for one in kept]
    at = random.randrange(world.anchor.head.number)
    match random.randrange(4):
        case 0:
            entries[at] = {**entries[at], "facts": {"rows": random.randrange(10**6, 10**7)}}
        case 1:
            del entries[at]
        case 2:
            entries.insert(at, {**entries[at], "salt": random.randbytes(16).hex()})
        case _:
            entries = entries[: random.randrange(1, world.anchor.head.number)]
    entries = linked_anew(entries)
    head = json.loads(last)
    head["head"] = {"number": len(entries), "hash": entries[-1]["hash"]}
    return b"".join([*(canonical(one) + b"\n" for one in entries), signed(head, processor())])


def chain_with_another_head(world: World, random: Random) -> bytes:
    """Give a chain a head that a stranger signed, or none, or one that is not its own."""
    lines = chain_lines(world)
    head = json.loads(lines[-1])
    match random.randrange(4):
        case 0:
            head["processor"]["certificates"] = processor(1).certificates.decode()
            lines[-1] = signed(head, processor(1))
        case 1:
            lines[-1] = signed(head, processor(1))
        case 2:
            head["head"]["hash"] = random.randbytes(32).hex()
            lines[-1] = signed(head, processor())
        case _:
            del lines[-1]
    return b"".join(lines)


WAYS: list[Callable[[World, Random], bytes]] = [
    certificate_altered,
    certificate_altered_and_signed,
    certificate_of_a_stranger,
    certificate_dropped,
    certificate_put_in,
    certificate_reordered,
    certificate_without_its_end,
    certificate_of_another_chain,
    certificate_with_other_parts,
    certificate_bytes_altered,
    pdf_altered,
    pdf_of_another,
    chain_altered,
    chain_dropped,
    chain_with_a_line,
    chain_written_anew,
    chain_with_another_head,
]


def overlooked(world: World, times: int = TAMPERINGS, trust: Trust | None = None) -> Mapping[str, int]:
    """Tamper with files, and count those that were taken for whole, by how it was done."""
    trust = trust or trusted()
    missed: dict[str, int] = {}
    for seed in range(times):
        random = Random(seed)
        way = WAYS[seed % len(WAYS)]
        text = way(world, random)
        found = verify(io.BytesIO(text), trust, [world.anchor])
        if not found.findings and text not in world:
            missed[way.__name__] = missed.get(way.__name__, 0) + 1
    return missed


def test_what_was_left_alone_is_whole(world: World) -> None:
    """Each of the files is whole as it was made, and holds against the anchor."""
    for text in (world.certificate, world.pdf, world.chain):
        found = verify(io.BytesIO(text), trusted(), [world.anchor])
        assert (found.findings, found.unchecked) == ([], [])


def test_whatever_is_done_to_a_file_is_found(world: World) -> None:
    """A thousand random tamperings of seventeen kinds, by strangers and by the processor itself, are all found."""
    assert overlooked(world) == {}


class Anything:
    """Equals whatever it is compared with."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def nothing(*_: object) -> list[Finding]:
    """Find nothing wrong."""
    return []


@pytest.mark.parametrize(
    ("module", "check", "instead"),
    [
        (evidence_verifying, "is_its_own", lambda _: True),
        (evidence_verifying, "certificate_pdf", lambda _: Anything()),
        (evidence_verifying, "ENDS", frozenset(evidence.Step)),
        (evidence_way, "_faults", nothing),
        (evidence_way, "_end", nothing),
        (evidence, "_fault", lambda *_: None),
        (evidence, "_published", lambda _: {}),
        (evidence_verifying._Reading, "_unreadable", nothing),
    ],
)
def test_a_verifier_that_skips_a_check_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch, module: object, check: str, instead: object
) -> None:
    """Control: without any one of its checks the verifier takes some of them for whole."""
    monkeypatch.setattr(module, check, instead)
    assert overlooked(world, CONTROLS) != {}


def test_a_verifier_that_trusts_everybody_is_caught(world: World) -> None:
    """Control: who names nobody to trust can be deceived by a stranger, which the verifier says."""
    assert overlooked(world, CONTROLS, Trust()) != {}
