"""Everything that a stranger or a colleague can name holds a string that would run: no page of the console brings one as it is."""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx
import pytest
from jinja2 import Environment

from knownas.console.app import listed_pages
from knownas.console.assets import Assets
from knownas.console.rendering import Rendering
from knownas.console.rights import Right
from tests.console import naughty_world as naughty
from tests.console.access_lines import LINES
from tests.console.broken_templates import with_broken
from tests.console.naughty_walk import WALK, asked, faults_of, names_on
from tests.console.naughty_world import NaughtyWorld, naughty_world

NOT_SHOWN: Final = {
    *("account", "organization"),  # No page has a use for them.
    *("campaign", "provider", "publisher"),  # Where somebody came from is only told by the API.
}
"""Names in the world that no page shows. One that comes to be shown is to be taken out here."""

SHOW_NOTHING_NAMED: Final = {
    *("alias.html", "privacy_cancel.html", "privacy_evidence.html", "profile_erased.html", "resolution_begin.html"),
    *("policy_parts.html", "privacy_parts.html", "setup_rotate.html", "toxic_parts.html"),
    # Here a part writes it, and it is the part that would be found.
    *("error.html", "output_parts.html", "privacy_form.html", "privacy_new.html", "profile.html"),
    *("rehearsal.html", "resolution.html", "toxic_judging.html", "toxic_values.html"),
}
"""Templates in which nothing stands as it is that somebody else has named."""

Rendered = tuple[str, Mapping[str, Any]]


async def _looked_at(answer: httpx.Response, browser: httpx.AsyncClient) -> str:
    """Return the page that an answer shows or leads to; a file is none."""
    if answer.is_redirect:
        way = answer.headers["location"]
        assert re.match(r"/(?!/)[^\s<>\"']*\Z", way), way
        answer = await browser.get(way)
    if answer.headers["content-type"].startswith("text/html"):
        return answer.text
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return ""


async def _walked(world: NaughtyWorld) -> Mapping[str, str]:
    """Go the whole way, as somebody who may everything and, where that is enough, as a reader; return each page by what was asked."""
    reader, found = await world.stage.signed_in("reader"), dict[str, str]()
    for (method, path), visits in WALK.items():
        for number, visit in enumerate(visits):
            browsers = {"": world.browser if visit.signed_in else world.stage.browser()}
            if method == "GET" and LINES[method, path] is Right.READ:
                browsers["reader"] = reader
            for who, browser in browsers.items():
                answer = await asked(world, method, visit, browser)
                found[f"{method} {path} {number} {who}"] = await _looked_at(answer, browser)
    return found


async def test_the_walk_has_every_page() -> None:
    """Whoever adds a page or a form says how it is asked for here."""
    async with naughty_world() as world:
        served = {(page.method, page.path) for page in listed_pages(world.stage.service)}
    assert served == set(WALK)


async def test_nothing_that_somebody_has_named_is_mark_up_on_any_page() -> None:
    """Nor does anything lead elsewhere; and each name of the world is on some page, so that it was tried."""
    async with naughty_world() as world:
        pages = await _walked(world)
    assert {way: faults for way, page in pages.items() if (faults := faults_of(page))} == {}
    shown = set[str]().union(*map(names_on, pages.values()))
    assert naughty.NAMES - shown == NOT_SHOWN


def _used(environment: Environment, name: str, graph: dict[str, set[str]]) -> set[str]:
    """Return a template and all that it is made of."""
    if name not in graph:
        assert environment.loader is not None
        text, _, _ = environment.loader.get_source(environment, name)
        direct = set(re.findall(r"\{%-? *(?:extends|import|from|include) \"([^\"]+)\"", text))
        graph[name] = {name}.union(*(_used(environment, one, graph) for one in direct))
    return graph[name]


async def test_a_template_that_takes_anything_as_mark_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each template in turn says `safe` of all that stands in it: the pages that are made of it then have faults."""
    rendered: list[Rendered] = []
    whole = Rendering.render

    def noted(self: Rendering, template: str, values: Mapping[str, Any]) -> bytes:
        rendered.append((template, values))
        return whole(self, template, values)

    monkeypatch.setattr(Rendering, "render", noted)
    async with naughty_world() as world:
        rendered.clear()
        await _walked(world)
    monkeypatch.undo()
    sound, graph = Rendering(Assets()), dict[str, set[str]]()
    missed = set[str]()
    for broken in sound.names:
        rendering = with_broken(broken)(Assets())
        made_of_it = [one for one in rendered if broken in _used(sound._environment, one[0], graph)]
        assert made_of_it, f"the walk has no page that is made of {broken}"
        if not any(faults_of(rendering.render(*one).decode()) for one in made_of_it):
            missed.add(broken)
    assert missed == SHOW_NOTHING_NAMED
