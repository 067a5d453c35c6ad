"""The graph of a person, as a page, and where its nodes stand."""

import html
import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from knownas.console.graph_layout import COLUMN, NODE_HEIGHT, NODE_WIDTH, ROW, placed
from tests.console.people import ask, seed
from tests.console.stage import running


def drawing(page: str) -> Any:
    """Return what the script of a page draws."""
    found = re.search(r'data-graph="([^"]*)"', page)
    assert found is not None
    return msgspec.json.decode(html.unescape(found[1]))


async def test_a_graph_shows_who_shares_what() -> None:
    """In the drawing and in tables; whoever is shown is noted in the audit; an MPID that nobody has is refused."""
    async with running() as stage:
        ann, _ = await ask(stage, "login", device_application_stamp="das-1", customerid="c-17")
        bob, _ = await ask(stage, "login", device_application_stamp="das-1", customerid="c-18")
        browser = await stage.signed_in()
        page = (await browser.get(f"/people/{ann}/graph")).text
        drawn = drawing(page)
        edges = {(one["source"], one["target"]) for one in drawn["edges"]}
        device = next(one["id"] for one in drawn["nodes"] if one["kind"] == "device")
        assert {(f"p{ann}", device), (f"p{bob}", device)} <= edges
        assert re.search(rf'das-1.*?<td>.*?href="/people/{bob}"', page, re.DOTALL)
        assert {mpid for mpid, _, what, _ in await stage.audited() if what == "showGraph"} == {ann, bob}
        assert (await browser.get("/people/5/graph")).headers["x-refusal-reason"] == "unknown_profile"


async def test_a_graph_says_what_it_leaves_out() -> None:
    """Of a device that hundreds share: in words, in the drawing and in the table."""
    async with running() as stage:
        ann = await seed(stage, {"customerid": ["ann"], "device_application_stamp": ["kiosk"]})
        for one in range(60):
            await seed(stage, {"customerid": [f"c-{one}"], "device_application_stamp": ["kiosk"]})
        page = (await (await stage.signed_in()).get(f"/people/{ann}/graph")).text
        assert "at most 200" in page
        assert "36 more" in page
        assert [one["says"] for one in drawing(page)["nodes"] if one["kind"] == "more"] == [
            "36 more hold it,\nnot shown"
        ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return nodes with their columns, and edges between any of them."""
    columns = {"n0": 0} | {f"n{one}": draw(st.integers(1, 3)) for one in range(1, draw(st.integers(1, 40)))}
    pairs = st.tuples(st.sampled_from(sorted(columns)), st.sampled_from(sorted(columns)))
    return columns, draw(st.lists(pairs, max_size=80))


@given(graphs())
def test_no_node_stands_on_another(graph: tuple[dict[str, int], list[tuple[str, str]]]) -> None:
    """Each is in its column, within the drawing, with room around it; the person is at the top; and always in the same place."""
    columns, edges = graph
    drawn = placed(columns, edges)
    assert drawn == placed(columns, edges)
    assert set(drawn.spots) == set(columns)
    seen: set[tuple[int, int]] = set()
    for one, spot in drawn.spots.items():
        assert (spot.x, spot.y) not in seen
        seen.add((spot.x, spot.y))
        assert (spot.x - drawn.spots["n0"].x, (spot.y - drawn.spots["n0"].y) % ROW) == (columns[one] * COLUMN, 0)
        assert NODE_WIDTH / 2 <= spot.x <= drawn.width - NODE_WIDTH / 2
        assert NODE_HEIGHT / 2 <= spot.y <= drawn.height - NODE_HEIGHT / 2
    assert drawn.spots["n0"].y == min(one.y for one in drawn.spots.values())
