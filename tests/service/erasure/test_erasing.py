"""An erasure takes everything that was a person's, leaves everybody else as they were, and tells what it did."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from knownas.core.history.world import drift, world_of
from knownas.core.identity.decision import Created, Refusal, Refused
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.record import Record
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.core.privacy.request import RequestState
from knownas.service import jobs
from knownas.service.erasure import erased_lines, erasing
from knownas.service.history.components import component_of
from knownas.service.history.subjects import subject_of
from knownas.service.history.undoing import UndoRefused
from knownas.service.identity.policies import policies_of
from knownas.service.identity.question import Answer
from knownas.service.privacy.subject_request_form import kept_request
from knownas.service.toxic.list import ToxicState, toxic
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool, Store
from knownas.store.privacy import Scrubbed
from knownas.store.user_data import UserDataCommit, UserDataStore
from tests.service.erasing_stage import APP, SHOP, ErasingStage, asked, erase, holds, subject, told

REQUEST = "11111111-1111-4111-8111-111111111111"
OTHER_REQUEST = "22222222-2222-4222-8222-222222222222"
PERSON = ("canary-customer", "canary@example.com", "canary-idfv", "canary-twitter", "canary-old@example.com")
POOL = Pool("shop", "production")


async def stage(capture: str = "changes") -> ErasingStage:
    """Open the service."""
    return await ErasingStage(capture=capture).open()


async def person(at: ErasingStage) -> int:
    """Let a person come, with identities that are looked up by and carried, old ones and new ones."""
    mpid = await at.login(customerid=PERSON[0], email=PERSON[4], ios_idfv=PERSON[2], twitter=PERSON[3])
    await at.modify(mpid, ("email", PERSON[4], PERSON[1]))
    await at.ask(Endpoint.LOGOUT, ios_idfv=PERSON[2])
    await at.login(customerid=PERSON[0], email=PERSON[1])
    return mpid


async def somebody_else(at: ErasingStage) -> int:
    """Let somebody else come on a device of the person's."""
    return await at.login(customerid="neighbour", email="neighbour@example.com", ios_idfv="shared-device")


async def record_of(store: Store, mpid: int) -> Record:
    """Return a profile's record."""
    stored = await store.profile(mpid)
    assert stored is not None
    return stored.record


async def explained(store: Store, *mpids: int) -> bool:
    """Whether what is gathered from some profiles folds to what is kept of all of them."""
    component = await component_of(store, POOL, mpids)
    world = world_of(component.lines, component.conditions, await policies_of(store, "shop"), lambda seq: -seq)
    kept = {mpid: await record_of(store, mpid) for mpid in component.mpids}
    return not drift(world, kept)


async def test_nothing_of_an_erased_person_is_left_anywhere() -> None:
    """No identity of theirs stands in the records, the log, user data, documents, or the request itself."""
    at = await stage("all")
    mpid = await person(at)
    await at.buy(mpid, "bought-canary", request_id="r1")
    await at.service.correcting.settle()
    assert holds(at.store, *PERSON) == list(PERSON)
    await erase(at, subject(customerid=PERSON[0], email=PERSON[1]))
    # The device went to the anonymous profile of the logout as well, which is another one.
    assert holds(at.store, *PERSON) == [PERSON[2]]
    assert not holds(at.store, "bought-canary")
    assert (await record_of(at.store, mpid)).size == 0
    assert not await at.store.user_data.sections_of(mpid)
    tombstones = await at.store.privacy.tombstones([mpid])
    assert tombstones[mpid].request_id == REQUEST


async def test_the_evidence_tells_each_step_once() -> None:
    """Counts and names of stores, in order, and no value."""
    at = await stage()
    mpid = await person(at)
    await at.buy(mpid, "one", "two")
    steps = await erase(at, subject(mpid))
    names = [(step, facts.get("store")) for step, facts in steps]
    assert names == [
        ("received", None),
        ("found", None),
        ("started", None),
        ("erased", "identity_record"),
        *(("erased", one) for one in ("sections", "events", "messages", "aliases", "receipts")),
        ("erased", "log"),
        ("erased", "documents"),
        ("searched", None),
        ("erased", "free_space"),
        ("completed", None),
    ]
    facts = {(step, one.get("store")): one for step, one in steps}
    assert facts["erased", "events"] == {"store": "events", "rows": 1, "left": 0}
    assert facts["erased", "messages"]["rows"] == 2
    assert facts["erased", "identity_record"] == {
        "store": "identity_record",
        "rows": 3,
        "left": 0,
        "shared_identities": 1,
    } or facts["erased", "identity_record"]["rows"] in (3, 4)
    assert facts["searched", None]["found"] == 0
    assert not any(value in str(steps) for value in PERSON)


async def test_the_request_forgets_whom_it_named() -> None:
    """When all is done its row says no more than which profile it was about."""
    at = await stage()
    mpid = await person(at)
    await erase(at, subject(customerid=PERSON[0]))
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    kept = kept_request(row)
    assert kept.request.state is RequestState.COMPLETED
    assert (kept.progress.mpid, kept.progress.own, kept.progress.key) == (mpid, (), "")
    assert PERSON[0].encode() not in row.document


async def test_the_log_explains_who_is_left() -> None:
    """The lines that are rewritten fold to the records, for whoever shared something with the erased person."""
    at = await stage("all")
    await at.login(customerid="early", ios_idfv="shared-device")
    mpid = await at.login(customerid=PERSON[0], ios_idfv="shared-device", email=PERSON[1])
    other = await somebody_else(at)
    await at.modify(other, ("email", "neighbour@example.com", PERSON[1]))
    await at.modify(mpid, ("email", None, PERSON[4]))
    await at.service.correcting.settle()
    await erase(at, subject(mpid))
    assert await explained(at.store, mpid, other)
    # The e-mail moved to the neighbour, whose it is now.
    assert holds(at.store, PERSON[0], PERSON[1], PERSON[4]) == [PERSON[1]]
    later = await at.login(customerid=PERSON[0], email=PERSON[4], ios_idfv="shared-device")
    assert later not in (mpid, other)
    assert await explained(at.store, mpid, other, later)


async def test_who_shares_an_identity_keeps_it() -> None:
    """A device of two people stays the other one's, and the lines that say so stay."""
    at = await stage()
    mpid = await at.login(customerid=PERSON[0], ios_idfv="shared-device")
    other = await somebody_else(at)
    before = await record_of(at.store, other)
    await erase(at, subject(mpid))
    assert await record_of(at.store, other) == before
    assert holds(at.store, "shared-device", PERSON[0]) == ["shared-device"]


async def test_what_two_had_goes_with_the_last_of_them() -> None:
    """Where one of them was erased before, its lines still name it: they are rewritten when nobody has it any more."""
    at = await stage("all")
    first = await at.login(customerid="first", ios_idfv="canary-device")
    second = await at.login(customerid="second", ios_idfv="canary-device")
    await erase(at, subject(first))
    assert holds(at.store, "canary-device") == ["canary-device"]
    steps = await erase(at, subject(second), request_id="21111111-1111-4111-8111-111111111111")
    assert [one["lines_left"] for step, one in steps if step == "searched"] == [0]
    assert holds(at.store, "canary-device") == []
    for one in await at.log():
        assert subject_of(POOL, Identity(IdentityType.IOS_IDFV, "canary-device")) not in one.subjects
    assert await explained(at.store, first, second)


async def test_nobody_is_found_and_nothing_happens() -> None:
    """A request that reaches nobody is completed, and says that nobody was found."""
    at = await stage()
    mpid = await person(at)
    before = await at.log()
    steps = await erase(at, subject(email="nobody@example.com"))
    assert [step for step, _ in steps] == ["received", "found", "completed"]
    assert (steps[1][1]["profiles"], steps[1][1]["why"]) == (0, "nobody_found")
    assert await at.log() == before
    assert (await record_of(at.store, mpid)).size


async def test_one_workspace_leaves_the_person_to_the_other() -> None:
    """Its own data goes, the record and the other's stay; when the other erases too, the record goes."""
    at = await stage()
    mpid = await person(at)
    await at.login(workspace=APP, customerid=PERSON[0])
    await at.modify(mpid, ("other", None, "x"))
    await at.login(workspace=APP, customerid=PERSON[0], email=PERSON[1], other2="app-canary")
    await at.buy(mpid, "in-shop")
    await at.buy(mpid, "in-app", workspace=APP)
    before = await record_of(at.store, mpid)
    steps = await erase(at, subject(mpid))
    assert (steps[2][1]["identity_record"], steps[2][1]["kept_for_workspaces"]) == (False, 1)
    assert {key.workspace for key in await at.store.user_data.sections_of(mpid)} == {APP}
    assert await record_of(at.store, mpid) == before
    assert not await at.store.privacy.tombstones([mpid])
    assert holds(at.store, "in-shop", "in-app") == ["in-app"]
    at.now_ms += 1000
    steps = await erase(at, subject(mpid), APP, OTHER_REQUEST)
    assert steps[2][1]["identity_record"] is True
    assert not (await record_of(at.store, mpid)).size
    assert not holds(at.store, "in-app", PERSON[0], PERSON[1], "app-canary")


async def test_who_came_back_after_an_erasure_is_known_again() -> None:
    """A workspace for which the person was erased counts again once they have been there since."""
    at = await stage()
    mpid = await at.login(customerid="c")
    await at.login(workspace=APP, customerid="c", email="e")
    await erase(at, subject(mpid))
    at.now_ms += 1000
    await at.login(customerid="c", other="again")
    steps = await erase(at, subject(mpid), APP, OTHER_REQUEST)
    assert (steps[2][1]["identity_record"], steps[2][1]["kept_for_workspaces"]) == (False, 1)


async def test_who_comes_back_is_somebody_new() -> None:
    """The same identities make another profile, and the old MPID counts for nobody."""
    at = await stage()
    mpid = await person(at)
    await erase(at, subject(mpid))
    answer = await at.ask(Endpoint.LOGIN, previous=mpid, customerid=PERSON[0], email=PERSON[1])
    assert isinstance(answer.decision.outcome, Created)
    assert answer.decision.outcome.source_mpid is None
    assert answer.decision.outcome.mpid != mpid
    refused = await at.modify(mpid, ("email", None, "new@example.com"))
    assert getattr(refused.decision.outcome, "reason", None) == "erased"
    assert (await record_of(at.store, mpid)).size == 0


async def test_an_erasure_is_not_taken_back() -> None:
    """Neither the erasure nor what its profile answered before; what is about somebody else still is."""
    at = await stage()
    made = await at.ask(Endpoint.LOGIN, customerid=PERSON[0], ios_idfv="shared-device")
    other = await somebody_else(at)
    mistaken = await at.modify(other, ("other", None, "mistaken"))
    mpid = made.decision.answered
    assert mpid is not None
    await erase(at, subject(mpid))
    erasure = (await at.log())[-1]
    for decision_id in (erasure.decision_id, made.decision_id):
        refused = await at.service.undoing.undo(decision_id)
        assert isinstance(refused, UndoRefused)
        assert refused.reason == "erased"
    done = await at.service.undoing.undo(mistaken.decision_id)
    assert not isinstance(done, UndoRefused), done
    assert "mistaken" not in str((await record_of(at.store, other)).identities)


async def test_a_second_request_for_the_same_person_finds_nobody() -> None:
    """The tombstone stays with the first."""
    at = await stage()
    mpid = await person(at)
    await erase(at, subject(mpid))
    steps = await erase(at, subject(mpid), SHOP, OTHER_REQUEST)
    assert (steps[1][1]["profiles"], steps[1][1]["why"]) == (0, "erased")
    assert (await at.store.privacy.tombstones([mpid]))[mpid].request_id == REQUEST


async def test_what_this_process_remembers_of_the_person_goes() -> None:
    """A receipt of a visit that changed nothing is not shown any more."""
    at = await stage()
    await person(at)
    visit = await at.ask(Endpoint.LOGIN, customerid=PERSON[0], email=PERSON[1])
    assert await at.service.decisions.show(visit.decision_id) is not None
    await erase(at, subject(customerid=PERSON[0]))
    assert await at.service.decisions.show(visit.decision_id) is None


async def test_a_batch_for_an_erased_profile_is_refused() -> None:
    """Whoever still sends events for the MPID is told so, and nothing is kept."""
    at = await stage()
    mpid = await person(at)
    await erase(at, subject(mpid))
    receipt = await at.buy(mpid, "late")
    assert getattr(receipt.outcome, "reason", None) == "erased"
    assert not holds(at.store, "buy late")
    assert not await at.store.user_data.sections_of(mpid)


async def test_a_shared_database_is_looked_at_again_later() -> None:
    """Where other processes write, an erasure waits until they have written what they had decided, and erases that too."""
    at = await stage()
    at.service.erasing._is_shared = True
    mpid = await person(at)
    row = await asked(at, subject(mpid))
    await at.service.erasing.carry_out(row)
    waiting = await at.store.privacy.request(REQUEST)
    assert waiting is not None
    assert waiting.due_ms is not None
    assert waiting.due_ms > at.now_ms
    assert (await told(at, REQUEST))[-1][1]["store"] == "documents"
    at.now_ms = waiting.due_ms
    await at.service.erasing.carry_out(waiting)
    assert (await told(at, REQUEST))[-1][0] == "completed"


async def test_a_decision_that_another_process_remembers_is_not_shown() -> None:
    """It looks whether somebody whom the decision is about was erased."""
    at = await stage()
    await person(at)
    other = await ErasingStage(store=at.store, now_ms=at.now_ms).open()
    visit = await other.ask(Endpoint.LOGIN, customerid=PERSON[0], email=PERSON[1])
    assert await other.service.decisions.show(visit.decision_id) is not None
    await erase(at, subject(customerid=PERSON[0]))
    assert await other.service.decisions.show(visit.decision_id) is None


class Slow:
    """User data of another process, whose next commit waits until it is let go."""

    def __init__(self, data: UserDataStore) -> None:
        self._data = data
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def commit(self, commit: UserDataCommit) -> bool:
        """Wait, and commit."""
        self.reached.set()
        await self.go.wait()
        return await self._data.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)


async def late_batch(at: ErasingStage, *, is_shared: bool) -> int:
    """Erase a person while another process is about to keep a batch of theirs; returns how many sections are left at the end."""
    at.service.erasing._is_shared = is_shared
    mpid = await person(at)
    other = await ErasingStage(store=at.store, now_ms=at.now_ms).open()
    slow = Slow(at.store.user_data)
    other.service.ingest._data = cast("UserDataStore", slow)
    late = asyncio.create_task(other.buy(mpid, "late-canary"))
    await slow.reached.wait()
    row = await asked(at, subject(mpid))
    await at.service.erasing.carry_out(row)
    slow.go.set()
    await late
    assert holds(at.store, "late-canary")
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    if row.due_ms is not None:
        at.now_ms = row.due_ms
        await at.service.erasing.carry_out(row)
    assert (await told(at, REQUEST))[-1][0] == "completed"
    return len(await at.store.user_data.sections_of(mpid))


async def test_a_batch_that_another_process_keeps_too_late_is_erased() -> None:
    """What was resolved before the erasure and kept after it goes when the erasure looks again."""
    at = await stage()
    assert await late_batch(at, is_shared=True) == 0
    assert not holds(at.store, "late-canary", *PERSON[:2])


async def test_an_erasure_that_does_not_look_again_is_noticed() -> None:
    """Control: without the second look, the late batch stays."""
    assert await late_batch(await stage(), is_shared=False) == 1


async def test_a_person_with_a_long_history_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are read and rewritten page by page, and user data some at a time."""
    for where in (erased_lines, jobs):
        monkeypatch.setattr(where, "PAGE_MAX", 5, raising=False)
    monkeypatch.setattr(erased_lines, "REDACTED_A_STEP", 3)
    monkeypatch.setattr(erasing, "ERASED_A_STEP", 4)
    at = await stage("all")
    mpid = await person(at)
    for number in range(20):
        await at.login(customerid=PERSON[0], email=PERSON[1], other=f"canary-other-{number}")
        await at.buy(mpid, f"m{number}")
    await at.service.correcting.settle()
    steps = await erase(at, subject(mpid))
    assert not holds(at.store, PERSON[0], PERSON[1], "canary-other-3", "canary-other-19")
    facts = {(step, one.get("store")): one for step, one in steps}
    assert facts["erased", "events"]["rows"] == 20
    assert await explained(at.store, mpid)


async def test_more_than_is_followed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that is too large says so once, in evidence that names nobody, and waits for another day."""
    at = await stage()
    mpid = await person(at)
    monkeypatch.setattr(erased_lines, "ERASURE_LINES_MAX", 1)
    steps = await erase(at, subject(mpid))
    assert steps[-1] == ("started", {"stopped": "too_much_history", "limit": "more than 1 lines"})
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    assert row.due_ms is not None
    at.now_ms = row.due_ms
    await at.service.erasing.carry_out(row)
    assert len(await told(at, REQUEST)) == len(steps)
    monkeypatch.setattr(erased_lines, "ERASURE_LINES_MAX", 1000)
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    await at.service.erasing.carry_out(row)
    assert (await told(at, REQUEST))[-1][0] == "completed"


async def test_lists_and_reports_forget_the_person() -> None:
    """A toxic value that was only theirs is listed no longer, and a job's report names another one."""
    at = await stage()
    mpid = await person(at)
    listed = toxic(POOL, Identity(IdentityType.EMAIL, PERSON[1]), ToxicState.WATCHED, ToxicReason.DEVICES, at.now_ms)
    kept = toxic(POOL, Identity(IdentityType.EMAIL, "office"), ToxicState.WATCHED, ToxicReason.DEVICES, at.now_ms)
    await at.service.toxic.following.tell([listed, kept])
    report = {"examples": [{"identities": [["email", PERSON[1]], ["email", "office"]]}], "profiles": 1}
    assert await at.store.keep("job/0", msgspec.json.encode({"job": "j", "report": report}))
    await erase(at, subject(mpid))
    assert holds(at.store, PERSON[1], "office") == ["office"]
    assert [one.value for one in at.service.toxic.listed.of(POOL)] == ["office"]


@pytest.mark.parametrize(("stays_out", "device"), [("users", None), ("everything", Refusal.SUPPRESSED)])
async def test_who_is_to_stay_out_is_turned_away(stays_out: str, device: Refusal | None) -> None:
    """Where a workspace wants it, what was only the person's comes back neither by a request nor by a batch."""
    at = await ErasingStage(stays_out=stays_out).open()
    await somebody_else(at)
    mpid = await person(at)
    await at.login(customerid=PERSON[0], ios_idfv="shared-device", ios_idfa="own-device")
    steps = dict(await erase(at, subject(mpid)))
    kept = await at.store.privacy.suppressions_after(b"", 100)
    assert steps["suppressed"] == {"identities": len(kept)}
    assert len(kept) == (4 if device is None else 5)
    for named in ({"customerid": PERSON[0]}, {"customerid": "new", "email": PERSON[1]}, {"twitter": PERSON[3]}):
        assert reason_of(await at.ask(Endpoint.IDENTIFY, **named)) is Refusal.SUPPRESSED
    assert getattr((await at.buy(customerid=PERSON[0])).outcome, "reason", None) == "suppressed"
    assert reason_of(await at.ask(Endpoint.IDENTIFY, ios_idfa="own-device")) is device
    # What somebody else has as well is theirs.
    assert reason_of(await at.ask(Endpoint.IDENTIFY, ios_idfv="shared-device")) is None
    assert holds(at.store, *PERSON[:2], *PERSON[3:]) == []


async def test_nobody_stays_out_unless_that_is_wanted() -> None:
    """Where nothing is configured, an erasure keeps no digest of anybody, and tells none."""
    at = await stage()
    steps = dict(await erase(at, subject(await person(at))))
    assert "suppressed" not in steps
    assert await at.store.privacy.suppressions_after(b"", 100) == []


def reason_of(answer: Answer) -> Refusal | None:
    """Return why a request was refused."""
    outcome = answer.decision.outcome
    return outcome.reason if isinstance(outcome, Refused) else None


class SlowScrub(MemoryStore):
    """A memory store which takes two seconds to overwrite what was freed, and counts how often it did."""

    def __init__(self) -> None:
        super().__init__()
        self.at: ErasingStage | None = None
        self.scrubs = 0
        self.privacy.scrub = self._slow  # type: ignore[method-assign]

    async def _slow(self) -> Scrubbed:
        assert self.at is not None
        self.scrubs += 1
        self.at.now_ms += 2_000
        return Scrubbed("slow", complete=True)


async def test_free_space_is_overwritten_for_several_and_then_rests() -> None:
    """After a long one there is a rest, in which erasures wait; the next one counts for all of them."""
    store = SlowScrub()
    at = await ErasingStage(store=store).open()
    store.at = at
    people = [await at.login(customerid=f"c-{number}") for number in range(4)]
    requests = [f"{number}1111111-1111-4111-8111-111111111111" for number in range(4)]
    rows = [await asked(at, subject(mpid), request_id=name) for mpid, name in zip(people, requests, strict=True)]
    for row in rows:
        await at.service.erasing.carry_out(row)
        at.now_ms += 1
    states = [await state_of(at, name) for name in requests]
    assert states == [RequestState.COMPLETED] + [RequestState.IN_PROGRESS] * 3
    assert store.scrubs == 1
    at.now_ms += 2_000 * 20
    for name in requests[1:]:
        row = await at.store.privacy.request(name)
        assert row is not None
        await at.service.erasing.carry_out(row)
    assert [await state_of(at, name) for name in requests] == [RequestState.COMPLETED] * 4
    assert store.scrubs == 2


async def state_of(at: ErasingStage, request_id: str) -> RequestState:
    """Return what has become of a request."""
    row = await at.store.privacy.request(request_id)
    assert row is not None
    return kept_request(row).request.state
