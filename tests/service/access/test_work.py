"""A request of access is begun, its person found and counted, and completed: each step once, whatever interrupts it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment
from knownas.core.privacy.evidence import Step, faults_of
from knownas.core.privacy.request import CantBe, RequestState, Subject, SubjectIdentity
from knownas.service.access.work import AccessWork
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import NOBODY, KeptRequest, kept_request, stored
from knownas.service.security.directory import Place
from knownas.store.errors import StoreUnavailable
from knownas.store.privacy import PrivacyCommit, RequestWrite, StoredRequest
from tests.service.subject_stage import REQUEST_ID, SHOP, SubjectStage
from tests.store.world import EVERYTHING


class Somebody(NamedTuple):
    """Whom the search of these tests finds."""

    mpid: int | None
    environment: Environment | None


class Leads:
    """Finds the same person for everybody, and remembers what it was asked."""

    def __init__(self, mpid: int | None) -> None:
        self.mpid = mpid
        self.asked: list[tuple[int, Subject]] = []

    async def find(self, place: Place, subject: Subject) -> list[Somebody]:
        self.asked.append((place.workspace.id, subject))
        return [Somebody(self.mpid, None if self.mpid is None else Environment.PRODUCTION)]


EMAIL = "ann@example.com"
SUBJECT = Subject((SubjectIdentity(Identity(IdentityType.EMAIL, EMAIL)),))


@pytest.fixture
async def stage() -> AsyncIterator[SubjectStage]:
    made = await SubjectStage().open()
    yield made
    await made.close()


async def waiting(stage: SubjectStage, workspace: int = SHOP) -> StoredRequest:
    """Keep a request that is due now."""
    asked = stage.asked(None, workspace).request
    row = stored(KeptRequest(replace(asked, subject=SUBJECT, begun_ms=None, ended_ms=None)))
    assert await stage.store.privacy.commit(PrivacyCommit(requests=[RequestWrite(row, None)]))
    return row


def work(stage: SubjectStage, finding: Leads) -> AccessWork:
    """Return the work over the stage's service."""
    return AccessWork(stage.service.store, stage.service.directory, finding, stage.service.clock)


async def steps_of(stage: SubjectStage) -> Sequence[Step]:
    """Return what the evidence tells of the request, in order; the chain is whole."""
    evidence = Evidence(stage.store.privacy)
    assert list(faults_of(await evidence.entries(0, EVERYTHING))) == []
    return [one.happening.step for one in await evidence.of_request(REQUEST_ID)]


async def test_a_due_request_is_completed_with_its_counts(stage: SubjectStage) -> None:
    """It is begun, its person found, and completed; the evidence counts each store and names nobody."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann", email=EMAIL)
    for _ in range(3):
        await stage.send(mpid)
    leads = Leads(mpid)
    await work(stage, leads).carry_out(await waiting(stage))
    row = await stage.store.privacy.request(REQUEST_ID)
    assert row is not None
    kept = kept_request(row)
    assert kept.request.state is RequestState.COMPLETED
    assert (kept.progress.mpid, kept.progress.environment) == (mpid, Environment.PRODUCTION)
    assert kept.request.subject == NOBODY
    assert EMAIL.encode() not in row.document
    assert leads.asked == [(SHOP, SUBJECT)]
    assert await steps_of(stage) == [Step.STARTED, Step.FOUND, Step.COMPLETED]
    found = (await Evidence(stage.store.privacy).of_request(REQUEST_ID))[1].happening.facts
    counted = {name: found[name] for name in ("sections", "events", "messages", "aliases", "receipts", "log_lines")}
    assert counted == {"sections": 1, "events": 3, "messages": 0, "aliases": 0, "receipts": 3, "log_lines": 1}
    entries = await stage.store.privacy.entries(0, EVERYTHING)
    assert not any(EMAIL.encode() in one.document or str(mpid).encode() in one.document for one in entries)
    assert await stage.results.open(kept) is not None


async def test_nobody_found_is_completed_too(stage: SubjectStage) -> None:
    """A request about nobody is completed, and its link leads to nothing."""
    await work(stage, Leads(None)).carry_out(await waiting(stage))
    row = await stage.store.privacy.request(REQUEST_ID)
    assert row is not None
    assert await stage.results.open(kept_request(row)) is None
    found = (await Evidence(stage.store.privacy).of_request(REQUEST_ID))[1].happening
    assert found.facts["found"] is False


async def test_a_request_of_a_workspace_that_is_gone_ends(stage: SubjectStage) -> None:
    """A workspace that was taken out of the configuration has nobody, and its request does not wait for ever."""
    await work(stage, Leads(7)).carry_out(await waiting(stage, 999))
    assert await steps_of(stage) == [Step.STARTED, Step.FOUND, Step.COMPLETED]


async def test_a_request_that_is_not_due_is_not_begun(stage: SubjectStage) -> None:
    """Whoever takes it up too early is told."""
    row = await waiting(stage)
    stage.now_ms -= 1
    with pytest.raises(CantBe):
        await work(stage, Leads(None)).carry_out(row)
    assert await steps_of(stage) == []


async def test_one_that_was_completed_stays_as_it_is(stage: SubjectStage) -> None:
    """Taken up again it does nothing: with the row as it is, and with one from before somebody else completed it."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    row = await waiting(stage)
    for _ in range(2):
        await work(stage, Leads(mpid)).carry_out(row)
    done = await stage.store.privacy.request(REQUEST_ID)
    assert done is not None
    await work(stage, Leads(mpid)).carry_out(done)
    assert await steps_of(stage) == [Step.STARTED, Step.FOUND, Step.COMPLETED]


async def fault_after(stage: SubjectStage, kept_commits: int, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Let the store fail after so many commits, and somebody else go on; say what is wrong then, None if nothing."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    row = await waiting(stage)
    commit, left = stage.store.privacy.commit, kept_commits

    async def failing(change: PrivacyCommit) -> bool:
        nonlocal left
        if left == 0:
            raise StoreUnavailable("gone")
        left -= 1
        return await commit(change)

    with monkeypatch.context() as broken:
        broken.setattr(stage.store.privacy, "commit", failing)
        with pytest.raises(StoreUnavailable):
            await work(stage, Leads(mpid)).carry_out(row)
    again = await stage.store.privacy.request(REQUEST_ID)
    if again is None or again.due_ms is None:
        return "nobody takes it up again"
    # Whom it is about is not sought again once that is known.
    await work(stage, Leads(mpid if kept_commits < 2 else 12345)).carry_out(again)
    done = await stage.store.privacy.request(REQUEST_ID)
    assert done is not None
    if kept_request(done).progress.mpid != mpid:
        return "it is about somebody else"
    steps = await steps_of(stage)
    return None if steps == [Step.STARTED, Step.FOUND, Step.COMPLETED] else f"it is told as {steps}"


@pytest.mark.parametrize("kept_commits", [0, 1, 2])
async def test_an_interrupted_request_goes_on(
    stage: SubjectStage, kept_commits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the store fails at any step, the next one who takes it up goes on, and each step is told once."""
    assert await fault_after(stage, kept_commits, monkeypatch) is None


async def test_whoever_begins_anew_is_noticed(stage: SubjectStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saboteur: a work that forgets how far a request was seeks the person again, and the same test finds it."""

    def forgetful(row: StoredRequest) -> KeptRequest:
        kept = kept_request(row)
        return KeptRequest(kept.request)

    monkeypatch.setattr("knownas.service.access.work.kept_request", forgetful)
    assert await fault_after(stage, 2, monkeypatch) == "it is about somebody else"
