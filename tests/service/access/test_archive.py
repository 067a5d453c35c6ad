"""What a person is handed out is all that is known of them in a workspace, in a form that is described, and nothing of others."""

import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy import disclosure
from knownas.core.privacy.evidence import Step
from knownas.core.profile.device import Device
from knownas.core.profile.event import Event, EventBatch
from knownas.service.access.archive import FetchedTooOften, Results
from knownas.service.evidence.chain import Evidence
from knownas.service.history.correcting import HistoryCorrected
from knownas.service.identity.knowing import ErasedFor, erased_for_name
from knownas.service.identity.log_form import decision_from
from knownas.service.limits import EVIDENCE_OF_REQUEST_MAX, RESULTS_FETCHES_MAX
from knownas.service.privacy.subject_values import SubjectValues
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import Audited, PrivacyCommit, Tombstone
from tests.service.sorting_stage import POOL, SortingStage
from tests.service.subject_stage import APP, OTHER, REQUEST_ID, SHOP, Archive, SubjectStage
from tests.store.world import EVERYTHING

HISTORIES = 12
HISTORIES_SOAKED = 1_500
STEPS = 30


@pytest.fixture
async def stage() -> AsyncIterator[SubjectStage]:
    made = await SubjectStage().open()
    yield made
    await made.close()


def faults_of(archive: Archive) -> list[str]:
    """Check every line of every file against the schema that comes with it."""
    schema = json.loads(archive.files["schema.json"])
    Draft202012Validator.check_schema(schema)
    faults: list[str] = []
    for name in archive.files:
        form = schema["files"].get(re.sub(r"-\d+\.", "-*.", name))
        if form is None:
            assert name in {"README.txt", "schema.json", "index.html", "empty.txt"}, name
            continue
        validator = Draft202012Validator({**form, "$defs": schema["$defs"]})
        faults += [f"{name}: {fault.message}" for line in archive.lines(name) for fault in validator.iter_errors(line)]
    return faults


async def ann(stage: SubjectStage) -> int:
    """Make a person of whom everything is known that there can be."""
    await stage.ask(Endpoint.IDENTIFY, device_application_stamp="stamp-ann")
    mpid = await stage.ask(
        Endpoint.LOGIN, customerid="ann", email="ann@old.example", device_application_stamp="stamp-ann"
    )
    await stage.modify(mpid, "email", "ann@old.example", "ann@new.example")
    device = Device("stamp-ann", "iOS", {IdentityType.IOS_IDFV: "idfv-ann"}, {"model": "<b>phone</b>"}, 1, 2)
    bought = Event("custom_event", stage.now_ms, "m1", {"event_name": "buy", "custom_attributes": {"price": 3}})
    await stage.send(
        mpid,
        SHOP,
        bought,
        attributes={"city": "Bern <script>", "sizes": ("s", 4), "gone": None, "vip": True},
        device=device,
        consent="mailing",
    )
    await stage.ask(Endpoint.IDENTIFY, customerid="ann", mobile_number="+41 79 000")
    await stage.send(None, SHOP, customerid="ann", mobile_number="+41 79 000")
    await stage.send(mpid, APP, attributes={"app-only": "a secret of the app"})
    rows = [
        b'{"who": "personalisation", "what": "profile_read", "status": 200, "times": 2}',
        b'{"who": "personalisation", "what": "profile_read", "status": 403}',
        b'{"who": "app-reader", "what": "profile_read", "status": 200}',
    ]
    await stage.store.privacy.audit([Audited(stage.now_ms, mpid, row) for row in rows])
    return mpid


async def test_everything_that_is_known_is_handed_out(stage: SubjectStage) -> None:
    """Profile, identities, devices, consent, events, decisions and recipients are there, each as it is known."""
    mpid = await ann(stage)
    archive = await stage.archive(mpid)
    (profile,) = archive.lines("profile.jsonl")
    assert profile["mpid"] == str(mpid)
    assert profile["identities"] == {
        "customerid": ["ann"],
        "email": ["ann@new.example"],
        "mobile_number": ["+41 79 000"],
    }
    assert profile["device_identities"]["device_application_stamp"] == ["stamp-ann"]
    told = {name: one["value"] for name, one in profile["attributes"].items()}
    assert told == {"city": "Bern <script>", "sizes": ["s", 4], "gone": None, "vip": True}
    assert profile["calculated_attributes"] == {"Visits": "1"}
    assert profile["attributions"][0]["publisher"] == "an-agency"
    (device,) = archive.lines("devices.jsonl")
    assert device["identities"] == {"device_application_stamp": "stamp-ann", "ios_idfv": "idfv-ann"}
    (consent,) = archive.lines("consent.jsonl")
    assert (consent["purpose"], consent["consented"], consent["document"]) == ("mailing", True, "v4")
    first, second = archive.batches
    assert first["events"][0]["data"]["custom_attributes"] == {"price": 3}
    assert first["consent_state"]["gdpr"]["mailing"]["consented"] is True
    assert first["device_info"] == {"model": "<b>phone</b>", "platform": "iOS", "ios_idfv": "idfv-ann"}
    assert (first["mp_deviceid"], first["source_info"]["channel"]) == ("stamp-ann", "server_to_server")
    assert (first["user_attributes"]["sizes"], first["deleted_user_attributes"]) == (["s", 4], ["gone"])
    assert second["user_identities"] == {"customer_id": "ann", "mobile_number": "+41 79 000"}
    (recipient,) = archive.lines("recipients.jsonl")
    assert (recipient["recipient"], recipient["what"], recipient["times"]) == ("personalisation", "profile_read", 2)
    assert "empty.txt" not in archive.files


async def test_each_line_is_as_the_schema_says(stage: SubjectStage) -> None:
    """Every line of every file is valid by the JSON Schema in the archive, which is itself valid."""
    mpid = await ann(stage)
    assert faults_of(await stage.archive(mpid)) == []
    assert faults_of(await stage.archive(mpid, APP)) == []


async def test_consent_comes_with_its_history(stage: SubjectStage) -> None:
    """What the person said before stands beside what counts now: when it was said, when it came, and through what."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    for consented in (True, False, False, True):
        await stage.send(mpid, consent="mailing", consented=consented)
    archive = await stage.archive(mpid)
    assert faults_of(archive) == []
    (consent,) = archive.lines("consent.jsonl")
    assert consent["consented"] is True
    assert [one["consented"] for one in consent["history"]] == [True, False, True]
    assert {one["input"] for one in consent["history"]} == {"shop-web"}
    assert all(one["received_at"] >= one["at"] for one in consent["history"])


async def test_identities_come_with_their_history(stage: SubjectStage) -> None:
    """An identity tells when it came and went and by which decision, also one that the profile has no more."""
    mpid = await ann(stage)
    archive = await stage.archive(mpid)
    found = {(one["type"], one["value"]): one for one in archive.lines("identities.jsonl")}
    old = found["email", "ann@old.example"]
    assert (old["state"], [one["change"] for one in old["history"]]) == ("former", ["came", "went"])
    assert found["email", "ann@new.example"]["state"] == "held"
    assert found["mobile_number", "+41 79 000"]["state"] == "carried"
    decisions = {one["decision_id"]: one for one in archive.lines("decisions.jsonl")}
    assert all(each["decision_id"] in decisions for one in found.values() for each in one["history"])
    assert any("ann@new.example" in sentence for one in decisions.values() for sentence in one["sentences"])


async def test_a_value_that_moved_says_so_and_not_whither(stage: SubjectStage) -> None:
    """Of a value that went to somebody else it is told that it went; of one that came, that it came from another profile."""
    giving = await stage.ask(Endpoint.LOGIN, customerid="giver", email="shared@example.com")
    taking = await stage.ask(Endpoint.LOGIN, customerid="taker")
    await stage.modify(taking, "email", None, "shared@example.com")
    gave, took = await stage.archive(giving), await stage.archive(taking)
    (lost,) = [one for one in gave.lines("identities.jsonl") if one["type"] == "email"]
    assert (lost["value"], lost["state"]) == (None, "former")
    assert [one["change"] for one in lost["history"]] == ["came", "moved_away"]
    (won,) = [one for one in took.lines("identities.jsonl") if one["type"] == "email"]
    assert (won["value"], [one["change"] for one in won["history"]]) == ("shared@example.com", ["moved_here"])
    assert b"shared@example.com" not in gave.everything
    assert b"taker" not in gave.everything
    assert str(taking).encode() not in gave.everything
    assert str(giving).encode() not in took.everything
    last = gave.lines("decisions.jsonl")[-1]
    assert last["about"] == "another_profile"
    assert last["sentences"] == ["email (not shown) moved from this profile to another one."]
    assert any("moved from profile A to profile" in one for one in took.lines("decisions.jsonl")[-1]["sentences"])


async def test_a_workspace_hands_out_what_it_has_itself(stage: SubjectStage) -> None:
    """Attributes, events and readers of another workspace of the scope are not told, its identities are."""
    mpid = await ann(stage)
    shop, app = await stage.archive(mpid), await stage.archive(mpid, APP)
    assert b"a secret of the app" not in shop.everything
    assert b"app-web" not in shop.everything
    assert b"app-reader" not in shop.everything
    assert b"a secret of the app" in app.everything
    for hidden in (b"Bern", b"mailing", b"personalisation", b"phone&lt;", b"<b>phone", b"shop-web"):
        assert hidden not in app.everything, hidden
    assert app.lines("profile.jsonl")[0]["identities"] == shop.lines("profile.jsonl")[0]["identities"]


async def test_a_person_of_whom_nothing_is_stored_is_told_so(stage: SubjectStage) -> None:
    """A profile that the workspace never saw is handed out as an empty one, with what the scope knows."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="quiet")
    archive = await stage.archive(mpid)
    assert b"stored nothing" in archive.files["empty.txt"]
    assert faults_of(archive) == []
    (profile,) = archive.lines("profile.jsonl")
    assert (profile["first_seen_at"], profile["identities"]) == (None, {"customerid": ["quiet"]})
    assert archive.batches == []


async def test_audiences_are_left_out_until_there_are_any(stage: SubjectStage) -> None:
    """No file pretends to hold what does not exist."""
    mpid = await ann(stage)
    assert "audiences.jsonl" not in (await stage.archive(mpid)).files


async def test_whatever_was_sent_is_escaped_on_the_page(stage: SubjectStage) -> None:
    """The page has no element that somebody sent, no script, and nothing that would be loaded from elsewhere."""
    mpid = await ann(stage)
    page = (await stage.archive(mpid)).files["index.html"].decode()
    assert "Bern &lt;script&gt;" in page
    assert "&lt;b&gt;phone&lt;/b&gt;" in page
    assert not re.search(r"<script|<img|<link|<iframe|@import|url\(|src=|https?://|\son\w+=", page)
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


async def test_many_batches_are_spread_over_files(stage: SubjectStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of events has a bounded number of batches; the next ones stand in the next file, none twice."""
    monkeypatch.setattr("knownas.service.access.archive.ACCESS_BATCHES_A_FILE", 3)
    mpid = await stage.ask(Endpoint.LOGIN, customerid="busy")
    for _ in range(7):
        await stage.send(mpid)
    archive = await stage.archive(mpid)
    assert [name for name in archive.files if name.startswith("events")] == [f"events-00{n}.jsonl" for n in (1, 2, 3)]
    numbers = [one["batch_id"] for one in archive.batches]
    assert len(numbers) == 7
    assert numbers == sorted(set(numbers))


async def test_each_fetch_is_told_in_the_evidence(stage: SubjectStage) -> None:
    """The evidence says that results were begun, and how many bytes and files were taken; nothing personal."""
    mpid = await ann(stage)
    pieces = await stage.results.open(stage.asked(mpid))
    assert pieces is not None
    size = sum([len(piece) async for piece in pieces])
    begun, ended = await Evidence(stage.store.privacy).of_request(REQUEST_ID)
    assert (begun.happening.step, ended.happening.step) == (Step.DELIVERED, Step.DELIVERED)
    assert begun.happening.facts == {"what": "results", "delivery": "begun"}
    assert ended.happening.facts == {
        "what": "results",
        "delivery": "complete",
        "bytes": size,
        "files": 10,
        "batches": 2,
    }


async def test_a_fetch_that_is_broken_off_is_told(stage: SubjectStage) -> None:
    """Whoever takes the first piece and goes away has been told of: begun, and not complete."""
    mpid = await ann(stage)
    pieces = await stage.results.open(stage.asked(mpid))
    assert pieces is not None
    await anext(pieces)
    told = await Evidence(stage.store.privacy).of_request(REQUEST_ID)
    assert [one.happening.facts["delivery"] for one in told] == ["begun"]


async def test_results_can_be_fetched_so_many_times(stage: SubjectStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetches are bounded, since each is told in the evidence for good."""
    assert 2 * RESULTS_FETCHES_MAX < EVIDENCE_OF_REQUEST_MAX
    monkeypatch.setattr("knownas.service.access.archive.RESULTS_FETCHES_MAX", 3)
    mpid = await ann(stage)
    for _ in range(3):
        pieces = await stage.results.open(stage.asked(mpid))
        assert pieces is not None
        assert [piece async for piece in pieces]
    with pytest.raises(FetchedTooOften):
        await stage.results.open(stage.asked(mpid))


async def test_nobody_is_handed_out_who_was_not_found_or_is_erased(stage: SubjectStage) -> None:
    """No results without a profile, of one that never was, of one that was erased, or to a workspace of before."""
    mpid = await ann(stage)
    assert await stage.results.open(stage.asked(None)) is None
    assert await stage.results.open(stage.asked(7)) is None
    assert await stage.results.open(stage.asked(mpid, 999)) is None
    await stage.store.privacy.commit(PrivacyCommit(tombstones=[Tombstone(mpid, "another", stage.now_ms)]))
    assert await stage.results.open(stage.asked(mpid)) is None


async def test_a_workspace_that_erased_the_person_has_nothing_to_hand_out(stage: SubjectStage) -> None:
    """Results of before an erasure in the workspace lead to nobody; a request of afterwards is about who has come back."""
    mpid = await ann(stage)
    kept = stage.asked(mpid)
    stage.now_ms += 5
    document = msgspec.json.encode(ErasedFor("another", stage.now_ms))
    assert await stage.store.keep(erased_for_name(SHOP, mpid), document)
    assert await stage.results.open(kept) is None
    assert await stage.results.open(stage.asked(mpid, APP)) is not None
    stage.now_ms += 5
    assert await stage.results.open(stage.asked(mpid)) is not None


async def test_a_workspace_of_another_scope_is_told_nothing(stage: SubjectStage) -> None:
    """A profile is handed out in its own scope only, whatever a request says."""
    mpid = await ann(stage)
    assert await stage.results.open(stage.asked(mpid, OTHER)) is None


class CanaryStage(SortingStage):
    """Plays histories whose values can't occur in a text by chance, and are a workspace's or a person's own."""

    def _identities(self) -> tuple[Identity, ...]:
        kinds = [
            IdentityType.CUSTOMER_ID,
            IdentityType.EMAIL,
            IdentityType.DEVICE_APPLICATION_STAMP,
            IdentityType.OTHER,
        ]
        some = [kind for kind in kinds if self.random.random() < 0.5] or [self.random.choice(kinds)]
        return identities({kind: f"canary-{kind.value}-{self.random.randrange(4)}" for kind in some})

    def _batch(self) -> EventBatch:
        batch = super()._batch()
        if batch.device is None:
            return batch
        stamps = [one.value for one in self._identities() if one.type is IdentityType.DEVICE_APPLICATION_STAMP]
        return batch._replace(device=batch.device._replace(stamp=stamps[0] if stamps else None))


async def disclosed_in(seed: int, *, pairs: bool = False) -> str | None:
    """Play a history, hand out everybody, and say what of somebody else stands there; None if nothing.

    With `pairs`, two profiles are one person's each time.
    """
    stage = CanaryStage(seed, MemoryStore())
    await stage.open()
    random = Random(seed)
    try:
        await stage.play(STEPS)
        if random.random() < 0.5:
            entry = random.choice(await stage.log())
            stage.now_ms += 5
            undone = await stage.service.undoing.undo(entry.decision_id)
            assert isinstance(undone, HistoryCorrected) or undone.reason
        return await _disclosed(stage, seed, pairs=pairs)
    finally:
        await stage.close()


async def _disclosed(stage: SortingStage, seed: int, *, pairs: bool) -> str | None:
    service = stage.service
    results = Results(service.store, service.directory, service.calculations, service.clock)
    records = {one.mpid: one for one in await stage.store.records(POOL, None, EVERYTHING)}
    now = {mpid: _held(one) for mpid, one in records.items()}
    ever: dict[int, set[Identity]] = {mpid: set(held) for mpid, held in now.items()}
    for entry in await stage.log():
        for change in decision_from(entry.decision).changes:
            ever.setdefault(change.mpid, set()).add(change.identity)
    asking = SubjectStage(stage.store)
    ordered = sorted(records)
    for number, mpid in enumerate(ordered):
        further = [ordered[number - 1]] if pairs and len(ordered) > 1 else []
        person = {mpid, *further}
        held = {one for each in person for one in now[each]}
        had = {one for each in person for one in ever[each]}
        pieces = await results.open(asking.asked(mpid, further=further))
        assert pieces is not None
        archive = Archive(b"".join([piece async for piece in pieces]))
        if mpid == min(records):
            assert faults_of(archive) == []
        text = archive.everything
        foreign = {one.value for other in records for one in now[other] - held}
        foreign |= {one.value for other in records for one in ever[other] - had - held}
        foreign |= {str(other) for other in records if other not in person}
        told = [value for value in sorted(foreign) if value.encode() in text]
        untold = [one.value for one in sorted(held) if one.value.encode() not in text]
        if told or untold:
            return f"history {seed}: {mpid} is told of others {told}, and not its own {untold}"
    return None


def _held(record: Any) -> set[Identity]:
    return {
        Identity(kind, value) for held in (record.identities, record.carried) for kind in held for value in held[kind]
    }


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_nobody_is_told_of_anybody_else(seed: int) -> None:
    """No value and no MPID of any other profile occurs in what is handed out, whatever happened; the person's own do."""
    assert await disclosed_in(seed) is None


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_who_has_two_profiles_is_told_of_nobody_else(seed: int) -> None:
    """What one of the two has is the person's own in both; of everybody else there is nothing, as before."""
    assert await disclosed_in(seed, pairs=True) is None


async def test_several_profiles_are_one_answer(stage: SubjectStage) -> None:
    """Each file has what each of them has, and says of which it is; what went from one to the other is shown in both."""
    first = await stage.ask(Endpoint.LOGIN, customerid="ann", email="ann@example.com")
    second = await stage.ask(Endpoint.LOGIN, customerid="ann-at-work")
    await stage.modify(second, "email", None, "ann@example.com")
    await stage.send(first, attributes={"city": "Bern"})
    await stage.send(second, attributes={"city": "Biel"})
    archive = await stage.archive(first, further=[second])
    assert faults_of(archive) == []
    assert [one["attributes"]["city"]["value"] for one in archive.lines("profile.jsonl")] == ["Bern", "Biel"]
    emails = [one for one in archive.lines("identities.jsonl") if one["type"] == "email"]
    assert {(one["mpid"], one["value"]) for one in emails} == {
        (str(first), "ann@example.com"),
        (str(second), "ann@example.com"),
    }
    assert [one["mpid"] for one in archive.batches] == [first, second]
    assert "index.html" in archive.files
    assert str(first) not in archive.files["index.html"].decode().split("How you were recognised")[2]
    # The one alone says that the e-mail is another's by now.
    alone = [one for one in (await stage.archive(first)).lines("identities.jsonl") if one["type"] == "email"]
    assert [one["value"] for one in alone] == [None]
    await stage.store.privacy.commit(PrivacyCommit(tombstones=[Tombstone(first, REQUEST_ID, stage.now_ms)]))
    left = await stage.archive(first, further=[second])
    assert {one["mpid"] for one in left.lines("profile.jsonl")} == {str(second)}


@pytest.mark.soak
async def test_nobody_is_told_of_anybody_else_in_many_histories() -> None:
    """The same for many histories."""
    for seed in range(HISTORIES_SOAKED):
        assert await disclosed_in(seed) is None


async def _all_shown(*_: object) -> bool:
    return True


SABOTEURS: dict[str, tuple[Any, str, Any]] = {
    "shows every value that events name": (SubjectValues, "may_show", _all_shown),
    "shows every value in decisions": (SubjectValues, "is_own", lambda *_: True),
    "names other profiles": (disclosure, "_stand_ins", lambda *_: {}),
    "asks nobody who has a former value": (SubjectValues, "_is_elsewhere", None),
}


@pytest.mark.parametrize("name", SABOTEURS)
async def test_a_disclosure_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saboteurs: with one of the guards taken out, the same test finds somebody who is told of another person."""
    owner, member, broken = SABOTEURS[name]

    async def nobody(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(owner, member, broken or nobody)
    for seed in range(HISTORIES):
        if await disclosed_in(seed) is not None:
            return
    pytest.fail(f"nothing notices a disclosure that {name}")
