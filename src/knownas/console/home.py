"""Serves the first page, from which every place is reached, and remembers whether somebody likes it dark."""

from typing import Final

from knownas.console.cookies import THEMES
from knownas.console.origin import local_path
from knownas.console.page import NOBODY, Answer, Asked, Moved, Page, Shown
from knownas.console.places import HOME, SETUP
from knownas.console.rights import Right


async def show_home(asked: Asked) -> Answer:
    """Show the places there are for this visitor."""
    workspaces = list(asked.service.configuration.workspaces())
    values = {
        "home": HOME,
        "scopes": list(asked.service.directory.scopes),
        "workspaces": workspaces,
        "is_new": await _is_new(asked),
        "setup": SETUP,
    }
    return Shown("home.html", "Overview", NOBODY, values)


async def _is_new(asked: Asked) -> bool:
    """Whether nothing has come through any input yet, and nobody was brought over, as far as people were counted."""
    if await asked.service.arrivals.all():
        return False
    census = await asked.service.health.census.last()
    return census is None or census.counted is None or not census.counted.profiles


async def choose_theme(asked: Asked) -> Answer:
    """Remember how somebody wants it to look, and go back."""
    theme = asked.form.text("theme")
    return Moved(local_path(asked.form.raw("to")), NOBODY, theme=theme if theme in THEMES else "")


PAGES: Final = (
    Page("GET", HOME.path, "showHome", Right.READ, show_home, HOME),
    Page("POST", "/theme", "chooseTheme", None, choose_theme),
)
