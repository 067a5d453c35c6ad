"""The pages hang together: links lead somewhere, every page can be reached, and none is bound to one machine."""

import re
from pathlib import Path

import pytest

from knownas.api.openapi import openapi_document
from knownas.console.assets import PREFIX
from knownas.console.pages import PAGES
from knownas.console.places import PLACES
from knownas.console.serving import SIGN_IN_PATH
from tests.docs.pages import ROOT, anchors, blocks, links, name_of, pages, prose_with_code

ENTRANCES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/README.md")
USUAL_PLACES = frozenset({"dev", "etc", "opt", "usr", "var"})
SERVED = frozenset(
    path.split("/")[1]
    for path in (
        *openapi_document()["paths"],
        *(place.path for place in PLACES),
        *(page.path for page in PAGES),
        PREFIX,
        SIGN_IN_PATH,
    )
)
"""What the paths of the server begin with, those of the console with them."""

PREFIXES = frozenset({"identity", "nativeevents", "s2s", "tags", "webevents"})
"""What custom domains put before them."""
ABSOLUTE = re.compile(r"(?<![\w.:/<}\]$-])/(?P<first>[a-z_][\w.-]*)(?=/)")


def targets(page: Path) -> list[tuple[str, Path, str]]:
    """Return the links of a page that lead to files, each with the file and the heading it names."""
    found: list[tuple[str, Path, str]] = []
    for link in links(page):
        if not re.match(r"[a-z]+:", link):
            path, _, heading = link.partition("#")
            found.append((link, (page.parent / path).resolve() if path else page, heading))
    return found


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file of this tree, and to a heading of it if it names one."""
    for link, target, heading in targets(page):
        assert target.is_relative_to(ROOT), f"{link} leads out of the tree"
        assert target.exists(), f"{link} leads nowhere"
        if heading:
            assert heading in anchors(target), f"{link}: no such heading; there are {sorted(anchors(target))}"


def test_every_page_can_be_reached() -> None:
    """Whoever starts at the front page comes to every page by links."""
    reached, waiting = set[Path](), [ROOT / ENTRANCES[0]]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            waiting += [target for _, target, _ in targets(page)]
    assert set(pages()) <= reached


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_page_has_one_title(page: Path) -> None:
    """Each page starts with its title and has no other."""
    titles = [line for line in prose_with_code(page).splitlines() if line.startswith("# ")]
    assert page.read_text(encoding="utf-8").startswith("# ")
    assert len(titles) == 1


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_page_is_bound_to_one_machine(page: Path) -> None:
    """No page names a path of the machine it was written on, or a chapter of a document that is not published."""
    text = page.read_text(encoding="utf-8")
    named = {found["first"] for found in ABSOLUTE.finditer(text)}
    assert named <= USUAL_PLACES | SERVED | PREFIXES, named - USUAL_PLACES - SERVED - PREFIXES
    assert "§" not in text


def test_pictures_have_words() -> None:
    """Each picture says in words what it shows, for those who don't see it."""
    for page in pages():
        for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text(encoding="utf-8")):
            assert len(words.split()) > 5, page
    for picture in (ROOT / "docs" / "images").glob("*.svg"):
        drawn = picture.read_text(encoding="utf-8")
        assert "<title" in drawn
        assert "<desc" in drawn


def test_pages_are_short() -> None:
    """A page that is written by hand fits into a few screens; what is longer is two pages."""
    for page in pages():
        if page.parent.name != "reference":
            told = sum(len(block.lines) for block in blocks(page))
            assert len(page.read_text(encoding="utf-8").splitlines()) - told < 220, page


def test_every_promise_names_its_tests() -> None:
    """Each promise of the page of guarantees links to a test, or to a part of the conformance suite."""
    page = ROOT / "docs" / "explanation" / "guarantees.md"
    promises = re.split(r"^\*\*\d+\. ", page.read_text(encoding="utf-8").partition("\n## ")[0], flags=re.MULTILINE)[1:]
    assert len(promises) == 14
    for promise in promises:
        assert "(../../tests/" in promise or "(../../src/knownas/store/conformance/" in promise, promise
