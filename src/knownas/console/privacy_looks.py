"""Serves who read or changed what of whom: of one person, or of one reader."""

from typing import Final

from knownas.console.limits import LOOKS_PAGE
from knownas.console.page import NOBODY, Answer, Asked, Page, Shown
from knownas.console.places import PRIVACY
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.record import parse_mpid
from knownas.service.security.auditing import EVERYBODY, UNTOLD

_DAY_MS: Final = 86_400_000
SINCE: Final = {
    "day": ("the last day", 1),
    "week": ("the last week", 7),
    "month": ("the last 30 days", 30),
    "ever": ("ever", 0),
}
"""Since when is shown: the word in the address, its name, and days; 0 for all that is kept."""

_CURSOR_DIGITS_MAX: Final = 19


async def show_looks(asked: Asked) -> Answer:
    """Show who read what of one person or of anybody, or what one reader read, in the order in which it was."""
    given, who = asked.query.text("mpid"), asked.query.text("who")
    since = asked.query.text("since") or ("ever" if given else "day")
    if since not in SINCE:
        raise not_taken("Choose since when to look.")
    mpid = parse_mpid(given) if given else None
    if given and mpid is None:
        raise not_taken("An MPID is a 64-bit integer other than 0.")
    if given and who:
        raise not_taken("Ask for a person or for a reader, not for both.")
    days = SINCE[since][1]
    since_ms = asked.service.clock() - days * _DAY_MS if days else None
    after, auditing = _after(asked.query.text("next")), asked.service.auditing
    if who:
        found, following = await auditing.of_reader(who, since_ms, after, LOOKS_PAGE)
    else:
        found, following = await auditing.page(mpid, since_ms, after, LOOKS_PAGE)
    values = {
        "rows": found,
        "next": "" if following is None else asked.address(next=str(following)),
        "mpid": given,
        "who": who,
        "since": since,
        "options": [(name, words) for name, (words, _) in SINCE.items()],
        "everybody": EVERYBODY,
        "untold": UNTOLD,
        "is_last": following is None,
    }
    # Like `GET /api/audit`, whoever looks leaves no trace: the list would grow with each look at it.
    return Shown("privacy_looks.html", "Who looked", NOBODY, values)


def _after(given: str) -> int:
    if given and not (
        given.isascii() and given.isdecimal() and len(given) <= _CURSOR_DIGITS_MAX and int(given) < 2**63
    ):
        raise not_taken("This is not the next page of a list.")
    return int(given or 0)


PAGES: Final = (Page("GET", "/privacy/looks", "listPrivacyLooks", Right.PRIVACY, show_looks, PRIVACY),)
