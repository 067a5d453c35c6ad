"""The story of a profile: which lines it has, in which order, and which of them count."""

import pytest

from knownas.core.identity.chapter import text_of
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.service.history import telling
from knownas.service.history.telling import NEWEST
from knownas.store.user_data import AliasRow, AliasState, UserDataCommit
from tests.console.people import ask, change
from tests.console.stage import Stage, running


async def pages(stage: Stage, mpid: int, limit: int) -> list[telling.StoryPage]:
    """Turn the pages of a story to its end."""
    found: list[telling.StoryPage] = []
    place: telling.StoryPlace | None = NEWEST
    while place is not None:
        page = await stage.service.telling.story(mpid, place, limit)
        assert page is not None
        assert len(page.lines) <= limit
        found.append(page)
        place = page.next_place
    return found


async def told_ids(stage: Stage, mpid: int, limit: int = 100) -> list[str]:
    """Return what a story tells of, by page after page."""
    return [one.id for page in await pages(stage, mpid, limit) for one in page.lines]


async def test_pages_are_the_whole_story_once() -> None:
    """However many lines a page has, nothing is told twice or left out, the newest first."""
    async with running() as stage:
        mpid, _ = await ask(stage, "login", customerid="c-17")
        for one in range(7):
            await change(stage, mpid, ("other", None, f"v-{one}"))
        [whole] = await pages(stage, mpid, 100)
        assert [one.place for one in whole.lines] == sorted((one.place for one in whole.lines), reverse=True)
        assert len(whole.lines) == 8
        for limit in (1, 3, 8):
            assert await told_ids(stage, mpid, limit) == [one.id for one in whole.lines]


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
        story = await told.story(mpid, NEWEST, 10)
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
            page = await stage.service.telling.story(mpid, NEWEST, 10)
            assert page is not None
            lines = {one.id: one for one in page.lines if one.kind == "alias"}
            assert set(lines) == set(AliasState)
            assert words in text_of(lines["done"].pieces)
            assert [one.id for one in lines.values() if one.undoable] == ["done"]
            assert [one.id for one in lines.values() if one.standing.undone_by is not None] == ["undone"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("stretch", [1, 3, 4])
async def test_a_long_story_is_read_from_its_end(monkeypatch: pytest.MonkeyPatch, stretch: int, limit: int) -> None:
    """In stretches, of which no more is read at once; together they are the whole story with its alias requests, in its order."""
    async with running() as stage:
        mpid, _ = await ask(stage, "login", customerid="c-17")
        live = Environment.PRODUCTION.value
        for one in range(9):
            stage.clock.ahead_ms += 1_000
            await change(stage, mpid, ("other", None, f"v-{one}"))
            if one % 4 == 1:
                at_ms = stage.clock() + 500
                row = AliasRow(
                    f"a-{one}", 100, live, mpid, 99, 0, at_ms, None, at_ms, at_ms, AliasState.DONE, None, at_ms
                )
                assert await stage.service.store.user_data.commit(UserDataCommit(new_aliases=[row]))
        whole = await told_ids(stage, mpid)
        assert len(whole) == 10 + 2
        monkeypatch.setattr(telling, "STORY_LINES_MAX", stretch)
        monkeypatch.setattr(telling, "PAGE_MAX", 2)
        found = await pages(stage, mpid, limit)
        assert [one.id for page in found for one in page.lines] == whole
        assert [page.is_newest for page in found] == sorted((page.is_newest for page in found), reverse=True)
        assert not found[-1].is_newest


async def test_what_was_imported_late_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where times do not ascend with the lines, stretches still have all of them, each once."""
    monkeypatch.setattr(telling, "STORY_LINES_MAX", 2)
    async with running() as stage:
        mpid, _ = await ask(stage, "login", customerid="c-17")
        for one, ahead in enumerate((9_000, 1_000, 7_000, 3_000, 5_000)):
            stage.clock.ahead_ms = ahead
            await change(stage, mpid, ("other", None, f"v-{one}"))
        found = await told_ids(stage, mpid, 1)
        assert len(found) == len(set(found)) == 6


async def test_a_decision_with_too_much_after_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the lines that are read after a decision, nobody knows how it counts, and that is said."""
    monkeypatch.setattr(telling, "STORY_LINES_MAX", 3)
    async with running() as stage:
        mpid, decision = await ask(stage, "login", customerid="c-17")
        for one in range(3):
            await change(stage, mpid, ("other", None, f"v-{one}"))
        assert (await stage.service.telling.standing(decision)).is_all_known
        await change(stage, mpid, ("other", None, "v-3"))
        assert not (await stage.service.telling.standing(decision)).is_all_known
