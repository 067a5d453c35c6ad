"""Plants words in a store, in everything that it keeps of a person, erases them, and looks for them in its files, byte by byte."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from knownas.core.identity.kinds import Identity
from knownas.store.audiences import (
    AudienceCommit,
    DocumentKind,
    Held,
    MembershipChange,
    Passed,
    StandingWrite,
    StoredDocument,
    StoredMark,
)
from knownas.store.conformance.examples import CUSTOMER, EMAIL, PAGE, SHOP, START_MS, entry, get, put, record, wanted
from knownas.store.conformance.user_data_examples import ANN, alias, happened, keep, receipt, section
from knownas.store.conformance.verdicts import is_so, was_kept
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement
from knownas.store.groups import PlaceWrite
from knownas.store.port import Commit, Store
from knownas.store.privacy import (
    Delivery,
    Holding,
    PrivacyCommit,
    RedactedLine,
    RequestWrite,
    StoredRequest,
    Suppression,
)
from knownas.store.user_data import MessageKey, RequestKey, SectionKey, UserDataCommit

PERSONS = 3
"""Each is erased. Between them are `OTHERS`, who stay."""

OTHERS = 5
OUTPUT = 4
CONNECTION = StoredDocument(DocumentKind.CONNECTION, 5, ANN.workspace, 0, b"{}")

PAGE_BYTES = 5_000
"""A document of that many bytes does not fit in a row."""


class Canaries:
    """Words that stand nowhere else."""

    def __init__(self) -> None:
        self.words: list[bytes] = []

    def __call__(self, what: str) -> str:
        """Return a new one."""
        word = f"canary-{what}-{uuid4().hex}"
        self.words.append(word.encode())
        return word


async def plant(store: Store, canaries: Canaries) -> None:
    """Keep persons with a word in every place, and others beside them."""
    is_so(await store.audiences.write_document(CONNECTION, None), "the connection")
    for person in range(1, PERSONS + 1):
        mail, customer, crowd = canaries("mail"), canaries("customer"), canaries("crowd")
        await put(
            store,
            record(person, {CUSTOMER: [customer], EMAIL: [mail, crowd]}),
            record(100 + person, {EMAIL: [crowd]}),
            *(record(1_000 * person + one, {CUSTOMER: [f"other {person} {one}"]}) for one in range(OTHERS)),
        )
        line = replace(
            entry(touched=(person,)), observation=f'["{mail}"]'.encode(), decision=f'["{canaries("why")}"]'.encode()
        )
        was_kept(await store.commit(await store.load([wanted()]), Commit({}, [line])))
        await keep(store, _user_data(person, canaries))
        key = ANN._replace(mpid=person)
        is_so(await store.audiences.commit(_judged(key, canaries)), "what came of judging")
        await store.keep(f"kept {person}", canaries("kept").encode())
        await store.privacy.commit(_request(person, canaries))


def _judged(key: SectionKey, canaries: Canaries) -> AudienceCommit:
    """Make what comes of judging somebody, with a word in all that has room for one."""
    told = (OUTPUT, CONNECTION.number, *key, START_MS)
    return AudienceCommit(
        standings=[StandingWrite(key, None, canaries("standing").encode() + b"." * PAGE_BYTES, START_MS)],
        changes=[MembershipChange(key, 1, is_member=True, at_ms=START_MS, document=canaries("change").encode())],
        held=[
            Held(
                CONNECTION.number,
                key.mpid,
                *("email", "email", "raw"),
                canaries("held"),
                canaries("device"),
                canaries("platform"),
            )
        ],
        passed=[Passed(CONNECTION.number, key.mpid, "no_identity", canaries("passed"))],
        deliveries=[NewDelivery(f"{key.mpid} {one}", *told, canaries(one).encode()) for one in ("sent", "waiting")],
        marks=[StoredMark(0, *key, canaries("mark").encode())],
        places=[PlaceWrite(key, 1, None, canaries("value"), canaries("place").encode() + b"." * PAGE_BYTES)],
    )


async def _forget(store: Store, key: SectionKey) -> None:
    """Forget somebody in the audiences of their workspace; what waits is emptied when it is sent."""
    sent, waits = await store.deliveries.deliveries_about(key.workspace, key.mpid, None, PAGE)
    await store.deliveries.settle([Settlement(sent.seq, DeliveryState.SENT, START_MS)])
    while await store.audiences.forget_profile(key.workspace, key.mpid, PAGE):
        pass
    await store.deliveries.settle([Settlement(waits.seq, DeliveryState.SENT, START_MS)])


def _user_data(person: int, canaries: Canaries) -> UserDataCommit:
    key = ANN._replace(mpid=person)
    events = [
        happened(key, START_MS + number, document=canaries("event").encode() + b"." * PAGE_BYTES) for number in range(3)
    ]
    named = RequestKey("web", canaries("batch"))
    told = receipt(canaries("receipt"), named, events[0].at_ms)._replace(document=f'"{person}" {named[1]}'.encode())
    return UserDataCommit(
        sections=[section(key, canaries("section").encode())],
        events=events,
        receipts=[told],
        messages={MessageKey("web", person, canaries("message")): START_MS},
        new_aliases=[alias(canaries("alias"), person, 50, stamp=canaries("stamp"))],
    )


def _request(person: int, canaries: Canaries) -> PrivacyCommit:
    row = StoredRequest(f"r{person}", 100, None, START_MS, None, None, canaries("open"), canaries("asked").encode())
    told = Delivery(f"d{person}", row.request_id, START_MS, canaries("told").encode())
    kept_out = Suppression(canaries("digest").encode(), row.request_id, START_MS)
    return PrivacyCommit(requests=[RequestWrite(row, None)], deliveries=[told], suppressed=[kept_out])


async def erase(store: Store) -> None:
    """Erase the persons, as whoever carries a request out does."""
    for person in range(1, PERSONS + 1):
        for mpid in (person, 100 + person):
            was = await get(store, mpid)
            await put(store, was._replace(identities={}, known=False, active_ms=START_MS + 1))
        key = ANN._replace(mpid=person)
        ((place,),) = (await store.groups.places([key])).values()
        gone = PlaceWrite(key, place.kind, place.version, None)
        is_so(await store.audiences.commit(AudienceCommit(places=[gone])), "the end of the place")
        await _forget(store, key)
        holding = Holding(ANN.workspace, person, ["web"], f'"{person}"'.encode())
        while (await store.privacy.erase(holding, 2)).total:
            pass
        document = await store.kept(f"kept {person}") or b""
        is_so(await store.privacy.replace_or_drop(f"kept {person}", document, None if person % 2 else b"-"), "kept")
        row = await store.privacy.request(f"r{person}")
        assert row is not None
        ended = row._replace(document=b"ended", open_key=None, ended_ms=START_MS)
        out = await store.privacy.suppressions_after(b"", PAGE)
        let_in = [one.digest for one in out if one.request_id == row.request_id]
        change = PrivacyCommit([RequestWrite(ended, row.document)], delivered=[f"d{person}"], lifted=let_in)
        is_so(await store.privacy.commit(change), "the end of the request")
    named = [one for one in await store.log(SHOP, 0, PAGE) if b"canary" in one.observation]
    lines = [RedactedLine(one.seq, one.observation, b'["nobody"]', b'["nothing"]') for one in named]
    is_so(await store.privacy.redact(lines), "the log")


async def others_are_there(store: Store) -> None:
    """Look whether those who were not meant are still found."""
    for person in range(1, PERSONS + 1):
        for one in range(OTHERS):
            mpid = 1_000 * person + one
            found = await store.sole_holders([(SHOP, Identity(CUSTOMER, f"other {person} {one}"))])
            assert [found_one.mpid for found_one in found if found_one] == [mpid]


def found_in(folder: Path, words: Iterable[bytes]) -> Sequence[str]:
    """Return where in a folder's files any of the words stands, and which kinds of words."""
    found: list[str] = []
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            kinds = sorted({word.split(b"-")[1].decode() for word in words if word in content})
            found += [f"{file.relative_to(folder)}: {', '.join(kinds)}"] if kinds else []
    return found
