"""The tables of the console: a head stands where the column below it does."""

import re
from collections.abc import Iterator

from tests.console.naughty_walk import WALK, asked
from tests.console.naughty_world import naughty_world

_NUMBER = re.compile(r'<t[hd][^>]*\bclass="[^"]*\bnumber\b')


def columns(page: str) -> Iterator[tuple[str, bool, set[bool]]]:
    """Yield of each column of each table its head, whether that stands to the right, and whether its cells do."""
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        first, _, rest = table.partition("</thead>")
        heads = re.findall(r"<th\b.*?</th>", first, re.DOTALL)
        rows = [
            re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr>.*?</tr>", rest, re.DOTALL)
        ]
        for at, head in enumerate(heads):
            cells = {bool(_NUMBER.match(row[at])) for row in rows if len(row) == len(heads)}
            yield re.sub(r"<[^>]+>", "", head), bool(_NUMBER.match(head)), cells


async def test_heads_of_numbers_stand_to_the_right_as_the_numbers_do() -> None:
    """On every page, in every table; the head of anything else stands to the left."""
    seen, wrong = set[str](), list[tuple[str, str]]()
    async with naughty_world() as world:
        for (method, path), visits in WALK.items():
            for visit in visits if method == "GET" and "certificate" not in path else ():
                page = (
                    await asked(world, method, visit, world.browser if visit.signed_in else world.stage.browser())
                ).text
                for head, is_right, are_right in columns(page):
                    wrong += [(visit.path, head)] if are_right not in ({is_right}, set()) else []
                    seen |= {head} if is_right and are_right else set()
    assert wrong == []
    assert {"Members", "Waits", "Version", "Times", "Requests"} <= seen


def test_a_head_that_stands_elsewhere_is_found() -> None:
    """A head to the left above numbers, and one to the right above words."""
    page = '<table><thead><tr><th>A</th><th class="number">B</th></tr></thead><tr><td class="number">1</td><td>b</td></tr></table>'
    assert list(columns(page)) == [("A", False, {True}), ("B", True, {False})]
