"""The story of a profile: which lines it has, in which order, and which of them count."""

import pytest

from knownas.core.identity.chapter import text_of
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.service.history import telling
from knownas.store.user_data import AliasRow, AliasState, UserDataCommit
from tests.console.people import ask, change
from tests.console.stage import running


async def test_pages_are_the_whole_story_once() -> None:
    """However many lines a page has, nothing is told twice or left out, the newest first."""
    async with running() as stage:
        mpid, _ = await ask(stage, "login", customerid="c-17")
        for one in range(7):
            await change(stage, mpid, ("other", None, f"v-{one}"))
        whole = await stage.service.telling.story(mpid, None, 100)
        assert whole is not None
        assert [one.place for one in whole.lines] == sorted((one.place for one in whole.lines), reverse=True)
        for limit in (1, 3, 8):
            found: list[telling.Told] = []
            place = None
            while (page := await stage.service.telling.story(mpid, place, limit)) is not None:
                found += page.lines
                place = page.next_place
                if place is None:
                    break
            assert found == list(whole.lines)
        assert len(found) == 8


async def test_what_counts_is_told_after_every_turn() -> None:
    """A decision that is taken back, one identity of it, a correction that is taken back: each as the last correction says."""
    async with running() as stage:
        undoing, told = stage.service.undoing, stage.service.telling
        mpid, decision = await ask(stage, "login", customerid="c-17", email="a@example.com")
        mail = Identity(IdentityType.EMAIL, "a@example.com")
        assert list(await undoing.askable(decision)) == [Identity(IdentityType.CUSTOMER_ID, "c-17"), mail]
        part = await undoing.undo(decision, mail)
        assert not isinstance(part, telling.Standing)
        by = getattr(part, "decision_id", "")
        assert (await told.standing(decision)).without == [(mail, by)]
        assert (await told.standing(by)).undone_by is None
        back = getattr(await undoing.undo(by), "decision_id", "")
        assert (await told.standing(decision)).without == []
        assert (await told.standing(by)).undone_by == back
        whole = getattr(await undoing.undo(decision), "decision_id", "")
        assert (await told.standing(decision)).undone_by == whole
        story = await told.story(mpid, None, 10)
        assert story is not None
        assert {one.id: one.standing.undone_by for one in story.lines} == {
            decision: whole, by: back, back: None, whole: None,
        }  # fmt: skip
        assert (await told.standing("0" * 32)).undone_by is None


async def test_alias_requests_are_told_to_both() -> None:
    """With what has become of them; one that was done can be taken back."""
    async with running() as stage:
        source, _ = await ask(stage, "identify", device_application_stamp="d-1")
        target, _ = await ask(stage, "login", customerid="c-17")
        live, now = Environment.PRODUCTION.value, stage.clock()
        for state in AliasState:
            row = AliasRow(state.value, 100, live, source, target, 0, now, None, now, now, state, None, now)
            assert await stage.service.store.user_data.commit(UserDataCommit(new_aliases=[row]))
        for mpid, words in ((source, f"copied to profile {target}"), (target, f"copied from profile {source}")):
            page = await stage.service.telling.story(mpid, None, 10)
            assert page is not None
            lines = {one.id: one for one in page.lines if one.kind == "alias"}
            assert set(lines) == set(AliasState)
            assert words in text_of(lines["done"].pieces)
            assert [one.id for one in lines.values() if one.undoable] == ["done"]
            assert [one.id for one in lines.values() if one.standing.undone_by is not None] == ["undone"]


async def test_a_story_that_is_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the lines that are read nothing is told, and that is said of the story and of how a decision counts."""
    monkeypatch.setattr(telling, "STORY_LINES_MAX", 3)
    async with running() as stage:
        mpid, decision = await ask(stage, "login", customerid="c-17")
        for one in range(3):
            await change(stage, mpid, ("other", None, f"v-{one}"))
        page = await stage.service.telling.story(mpid, None, 10)
        assert page is not None
        assert (len(page.lines), page.is_cut) == (3, True)
        assert (await stage.service.telling.standing(decision)).is_all_known
        await change(stage, mpid, ("other", None, "v-3"))
        assert not (await stage.service.telling.standing(decision)).is_all_known
