"""Serves the story of a profile: what happened to it, the newest first, in plain words."""

import re
from dataclasses import dataclass
from typing import Final

from knownas.console.limits import STORY_LINES_SHOWN
from knownas.console.masking import ShownIdentity
from knownas.console.page import Answer, Asked, Crumb, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import decision_path, no_profile, profile_tabs
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.chapter import Earlier, Piece, Profile
from knownas.core.identity.kinds import Identity
from knownas.service.history.telling import NEWEST, StoryPlace, Told
from knownas.store.port import END_OF_LOG

_PLACE: Final = re.compile(r"(\d{1,18}|newest)\.(-?\d{1,18}|newest)(?:\.(-?\d{1,18})\.(\d{1,18})\.(.{1,200}))?")
_NEWEST: Final = "newest"


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """A piece of a sentence for a page: words, an identity as the visitor may see it, or a link."""

    words: str = ""
    identity: ShownIdentity | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a story for a page."""

    told: Told
    pieces: tuple[ShownPiece, ...]
    without: tuple[ShownIdentity, ...]

    @property
    def day(self) -> int:
        """The day that it was on, counted in UTC."""
        return self.told.at_ms // 86_400_000

    @property
    def path(self) -> str:
        """The address of the receipt, or of what has become of the alias request."""
        return decision_path(self.told.id)


async def show_story(asked: Asked) -> Answer:
    """Show a page of what happened to a profile."""
    mpid = asked.mpid
    page = await asked.service.telling.story(mpid, _place(asked.query.text("next")), STORY_LINES_SHOWN)
    if page is None:
        raise no_profile(mpid)
    lines = [_line(asked, one) for one in page.lines]
    about = (mpid, *(one.mpid for told in page.lines for one in told.pieces if isinstance(one, Profile)))
    following = "" if page.next_place is None else asked.address(next=_written(page.next_place))
    values = {
        "mpid": mpid,
        "tabs": profile_tabs(asked, mpid),
        "lines": lines,
        "next": following,
        "is_first": not asked.query.text("next"),
        "is_newest": page.is_newest,
        "erased_by": await asked.service.profiles.erased_by(mpid),
    }
    return Shown("story.html", "Story", about, values, person_trail(mpid))


async def line_of(asked: Asked, decision_id: str) -> ShownLine | None:
    """Return what a decision was for the first profile that it changed; None if it is not kept."""
    told = await asked.service.telling.line(decision_id)
    return None if told is None else _line(asked, told)


def person_trail(mpid: int) -> tuple[Crumb, ...]:
    """Return the way to a page about a profile."""
    return (Crumb(f"Profile {mpid}", f"/people/{mpid}"),)


def shown_piece(asked: Asked, piece: Piece) -> ShownPiece:
    """Return a piece of a sentence for a page."""
    match piece:
        case str():
            return ShownPiece(piece)
        case Identity(kind, value):
            return ShownPiece(identity=asked.identity(kind.value, value))
        case Profile(mpid):
            return ShownPiece(f"profile {mpid}", path=f"/people/{mpid}")
        case Earlier(decision_id):
            return ShownPiece("a decision", path=decision_path(decision_id))


def _line(asked: Asked, told: Told) -> ShownLine:
    without = tuple(asked.identity(one.type.value, one.value) for one, _ in told.standing.without)
    return ShownLine(told, tuple(shown_piece(asked, one) for one in told.pieces), without)


def _place(given: str) -> StoryPlace:
    """Read where a page begins.

    Raises:
        Refusal: it is no such place.
    """
    if not given:
        return NEWEST
    found = _PLACE.fullmatch(given)
    if found is None:
        raise not_taken("The address names no place of this story.")
    until_seq, until_ms = (END_OF_LOG if one == _NEWEST else int(one) for one in (found[1], found[2]))
    after = None if found[3] is None else (int(found[3]), int(found[4]), found[5])
    return StoryPlace(until_seq, until_ms, after)


def _written(place: StoryPlace) -> str:
    """Write where a page begins, for its address."""
    until = (_NEWEST if one == END_OF_LOG else str(one) for one in (place.until_seq, place.until_ms))
    return ".".join([*until, *map(str, place.after or ())])


PAGES: Final = (Page("GET", "/people/{mpid}/story", "showStory", Right.READ, show_story, PEOPLE),)
