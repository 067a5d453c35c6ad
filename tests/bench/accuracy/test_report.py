"""The report, its tables and its picture tell the same, and the page of the documentation tells what a run gives."""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.__main__ import main
from bench.accuracy import add_options, scored
from bench.accuracy.business import BUSINESSES, SHOP, STREAMING
from bench.accuracy.contenders import ALIASED, AS_SENT, CONTENDERS
from bench.accuracy.picture import picture_of
from bench.accuracy.tables import line_of, tables_of
from bench.accuracy.world import world

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "choosing-a-strategy.md"
PICTURE = ROOT / "docs" / "images" / "accuracy.svg"
REPEAT = "python -m bench accuracy --plot docs/images/accuracy.svg --tables tables.md"
TOLD = re.compile(
    r"(?P<title>[^:]+): (?P<line>[^:]+): precision (?P<precision>[\d.]+), recall (?P<recall>[\d.]+), "
    r"F1 (?P<f1>[\d.]+), recovered (?P<recovered>[\d.]+)"
)


def rows_of(markdown: str) -> Mapping[str, Mapping[str, list[str]]]:
    """Return the cells of each line of the tables below each title."""
    found: dict[str, dict[str, list[str]]] = {}
    for section in re.split(r"^### ", markdown, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        rows = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| ")]
        found[title] = {row[0]: row[1:] for row in rows[1:]}
    return found


def shown_in(picture: str) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """Return what the marks of a picture say when they are pointed at, by panel and line."""
    drawn = ET.fromstring(picture)  # noqa: S314 - it is our own
    titles = [one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}title")]
    told = [found for one in titles if (found := TOLD.fullmatch(one))]
    return {(one["title"], one["line"]): one.groupdict() for one in told}


def assert_tell_the_same(tables: str, picture: str) -> None:
    """Hold every row of the tables against the marks of the picture."""
    marks = dict(shown_in(picture))
    for title, rows in rows_of(tables).items():
        of_households = any(panel == f"{title}, households as one" for panel, _ in marks)
        for line, cells in rows.items():
            name = line.replace("`", "")
            mark = marks.pop((title, name))
            precision, recall, f1, *others = cells
            assert (mark["precision"], mark["recall"], mark["f1"]) == (precision, recall, f1)
            if of_households:
                assert marks.pop((f"{title}, households as one", name))["f1"] == others.pop(0)
            assert mark["recovered"] == others[1]
    assert not marks


def test_a_run_writes_report_tables_and_picture(tmp_path: Path) -> None:
    """The command writes all three, and they agree; the report says how large the worlds were."""
    files = {name: tmp_path / f"accuracy.{name}" for name in ("json", "svg", "md")}
    options = ["--json", str(files["json"]), "--plot", str(files["svg"]), "--tables", str(files["md"])]
    few = ["--people", "12", "--days", "20", "--seed", "4", "--business", "streaming", "--business", "bank"]
    assert main(["accuracy", *options, *few]) == 0
    measured: dict[str, Any] = json.loads(files["json"].read_text())["measured"]
    assert set(measured["scores"]) == set(measured["worlds"]) == {"streaming", "bank"}
    assert measured["worlds"]["bank"]["people"] == 12
    tables = files["md"].read_text()
    assert_tell_the_same(tables, files["svg"].read_text())
    again = scored(world(replace(STREAMING, people=12, days=20), 4))
    assert measured["scores"]["streaming"] == again
    precision = format(again["best_match"]["precision"], ".3f")
    assert rows_of(tables)["Streaming"]["`best_match`"][0] == precision


@pytest.mark.parametrize("wrong", ["0.9", "title"])
def test_a_picture_of_another_run_is_noticed(wrong: str) -> None:
    """A mark or a panel that the tables don't have is a difference."""
    scores = {SHOP.name: scored(world(replace(SHOP, people=5, days=10), 1), CONTENDERS[-1:])}
    tables, picture = tables_of([SHOP], scores), picture_of([SHOP], scores)
    assert_tell_the_same(tables, picture)
    other = re.sub(r"F1 [\d.]+", "F1 0.001", picture) if wrong == "0.9" else picture.replace(SHOP.title, "Other")
    with pytest.raises((AssertionError, KeyError)):
        assert_tell_the_same(tables, other)


def test_the_page_and_its_picture_are_of_one_run() -> None:
    """The tables of the page say what the picture shows, for every business and every line."""
    page = PAGE.read_text(encoding="utf-8")
    tables = page[page.index("<!-- measured -->") : page.index("<!-- /measured -->")]
    assert_tell_the_same(tables, PICTURE.read_text(encoding="utf-8"))
    assert list(rows_of(tables)) == [business.title for business in BUSINESSES]
    assert REPEAT in page


def test_the_page_says_what_a_run_gives() -> None:
    """Some of the page's rows, measured anew with the options it was measured with, are the same to the last digit.

    If the rules or the worlds have changed on purpose, measure again with the command on the page.
    """
    parser = argparse.ArgumentParser()
    add_options(parser)
    usual = parser.parse_args([])
    lived = world(replace(SHOP, people=usual.people, days=usual.days), usual.seed)
    contender = next(one for one in CONTENDERS if one.name == "profile_conversion")
    scores = scored(lived, [contender._replace(readings=(AS_SENT, ALIASED))])
    fresh = rows_of(tables_of([SHOP], {SHOP.name: scores}))[SHOP.title]
    told = rows_of(PAGE.read_text(encoding="utf-8"))[SHOP.title]
    assert fresh == {line_of(name): told[line_of(name)] for name in scores}
