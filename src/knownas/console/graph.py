"""Serves the graph of a person: their values, who shares one of them, and what ties profiles otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from knownas.console.graph_layout import NODE_HEIGHT, NODE_WIDTH, placed
from knownas.console.limits import GRAPH_LABEL_CHARACTERS_MAX
from knownas.console.masking import ShownIdentity
from knownas.console.page import Answer, Asked, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import no_profile, profile_tabs
from knownas.console.rights import Right
from knownas.console.story import person_trail
from knownas.core.identity.kinds import Identity
from knownas.service.identity.neighbourhood import (
    LinkKind,
    NearProfile,
    Neighbourhood,
    ProfileState,
)
from knownas.service.limits import NEIGHBOURS_MAX

_STATES: Final[Mapping[ProfileState, str]] = {
    ProfileState.KNOWN: "known profile",
    ProfileState.ANONYMOUS: "anonymous profile",
    ProfileState.EMPTY: "empty profile",
}
_LINKS: Final[Mapping[LinkKind, str]] = {
    LinkKind.ALIAS: "alias",
    LinkKind.CAME_FROM: "came from",
    LinkKind.LEADS_TO: "is answered for by",
}


class DrawnNode(msgspec.Struct, frozen=True):
    """A node as the script draws it: `says` in lines, and where a click leads, "" if nowhere."""

    id: str
    kind: str
    says: str
    path: str
    x: int
    y: int


class DrawnEdge(msgspec.Struct, frozen=True):
    """An edge as the script draws it."""

    source: str
    target: str
    kind: str
    says: str


class Drawing(msgspec.Struct, frozen=True):
    """All that the script draws."""

    width: int
    height: int
    node_width: int
    node_height: int
    nodes: Sequence[DrawnNode]
    edges: Sequence[DrawnEdge]


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A value with those who hold it, for the table."""

    identity: ShownIdentity
    is_device: bool
    holders: Sequence[NearProfile]
    more_holders: int
    is_crowded: bool


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """Another profile, what it shares with the person, and what else it holds, for the table."""

    profile: NearProfile
    state: str
    shared: Sequence[ShownIdentity]
    others: Sequence[ShownIdentity]


@dataclass(frozen=True, slots=True)
class TieRow:
    """What ties two profiles otherwise than by a value."""

    from_mpid: int
    says: str
    to_mpid: int
    state: str


async def show_graph(asked: Asked) -> Answer:
    """Show who and what is around a person."""
    mpid = asked.mpid
    around = await asked.service.neighbourhoods.around(mpid)
    if around is None:
        raise no_profile(mpid)
    values = _value_rows(asked, around)
    devices = [one for one in values if one.is_device]
    shown: dict[str, object] = {
        "mpid": mpid,
        "tabs": profile_tabs(asked, mpid),
        "around": around,
        "drawing": msgspec.json.encode(_drawing(asked, around)).decode(),
        "own": [one for one in values if not one.is_device],
        "devices": devices,
        "others": _profile_rows(asked, around),
        "ties": [
            TieRow(one.from_mpid, _LINKS[one.kind], one.to_mpid, one.says.replace("_", " ")) for one in around.links
        ],
        "nodes": len(around.profiles) + len(around.values),
        "most": NEIGHBOURS_MAX,
        "state": _STATES[around.profiles[0].state],
    }
    return Shown("graph.html", "Graph", [one.mpid for one in around.profiles], shown, person_trail(mpid))


def _value_rows(asked: Asked, around: Neighbourhood) -> Sequence[ValueRow]:
    """Return the person's own values."""
    holders = _holders(around)
    return [
        ValueRow(
            asked.identity(one.identity.type.value, one.identity.value),
            one.is_device,
            [each for each in holders[one.identity] if each.step > 0],
            one.more_holders,
            one.is_crowded,
        )
        for one in around.values
        if one.step == 1
    ]


def _profile_rows(asked: Asked, around: Neighbourhood) -> Sequence[ProfileRow]:
    steps = {one.identity: one.step for one in around.values}
    held: dict[int, list[Identity]] = {one.mpid: [] for one in around.profiles}
    for one in around.holdings:
        held[one.mpid].append(one.identity)

    def shown(mpid: int, *, own: bool) -> Sequence[ShownIdentity]:
        some = [one for one in held[mpid] if (steps[one] == 1) is own]
        return [asked.identity(one.type.value, one.value) for one in some]

    return [
        ProfileRow(one, _STATES[one.state], shown(one.mpid, own=True), shown(one.mpid, own=False))
        for one in around.profiles
        if one.step > 0
    ]


def _holders(around: Neighbourhood) -> Mapping[Identity, Sequence[NearProfile]]:
    profiles = {one.mpid: one for one in around.profiles}
    holders: dict[Identity, list[NearProfile]] = {one.identity: [] for one in around.values}
    for one in around.holdings:
        holders[one.identity].append(profiles[one.mpid])
    return holders


@dataclass(slots=True)
class _Sketch:
    """The nodes and edges of a drawing, before they have places."""

    nodes: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    columns: dict[str, int] = field(default_factory=dict[str, int])
    edges: list[DrawnEdge] = field(default_factory=list[DrawnEdge])

    def add(self, node: str, column: int, kind: str, says: str, path: str = "") -> None:
        """Add a node."""
        self.nodes[node], self.columns[node] = (kind, says, path), column

    def tie(self, source: str, target: str, kind: str, says: str = "") -> None:
        """Add an edge."""
        self.edges.append(DrawnEdge(source, target, kind, says))


def _drawing(asked: Asked, around: Neighbourhood) -> Drawing:
    sketch, values = _Sketch(), {one.identity: f"v{place}" for place, one in enumerate(around.values)}
    for one in around.profiles:
        kind = "person" if one.step == 0 else one.state.value
        sketch.add(_node(one.mpid), one.step, kind, f"{_STATES[one.state]}\n{one.mpid}", f"/people/{one.mpid}")
    for one in around.values:
        shown = asked.identity(one.identity.type.value, one.identity.value)
        says = f"{_short(shown.type)}\n{_short(shown.text)}"
        sketch.add(values[one.identity], one.step, "device" if one.is_device else "value", says)
    for one in around.holdings:
        sketch.tie(_node(one.mpid), values[one.identity], one.kind.value)
    for one in around.links:
        says = _LINKS[one.kind] + (f", {one.says}" if one.says not in ("", "done") else "")
        sketch.tie(_node(one.from_mpid), _node(one.to_mpid), one.kind.value, says)
    _add_left_out(sketch, around, values)
    places = placed(sketch.columns, ((one.source, one.target) for one in sketch.edges))
    nodes = [
        DrawnNode(node, kind, says, path, places.spots[node].x, places.spots[node].y)
        for node, (kind, says, path) in sketch.nodes.items()
    ]
    return Drawing(places.width, places.height, NODE_WIDTH, NODE_HEIGHT, nodes, sketch.edges)


def _add_left_out(sketch: _Sketch, around: Neighbourhood, values: Mapping[Identity, str]) -> None:
    """Add a node for what is left out beside each that has more than is shown."""
    for one in around.values:
        if one.more_holders:
            node = f"more-{values[one.identity]}"
            count = f"{one.more_holders - 1:,} and more" if one.is_crowded else f"{one.more_holders:,} more"
            sketch.add(node, one.step + 1, "more", f"{count} hold it,\nnot shown")
            sketch.tie(values[one.identity], node, "more")
    for one in around.profiles:
        if one.more_values:
            node = f"more-{_node(one.mpid)}"
            sketch.add(node, one.step + 1, "more", f"{one.more_values:,} more values,\nnot shown")
            sketch.tie(_node(one.mpid), node, "more")


def _node(mpid: int) -> str:
    return f"p{mpid}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    most = GRAPH_LABEL_CHARACTERS_MAX
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


PAGES: Final = (Page("GET", "/people/{mpid}/graph", "showGraph", Right.READ, show_graph, PEOPLE),)
