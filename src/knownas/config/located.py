"""Reads YAML into a tree of nodes that know their line, and finds what no member of the tree can be blamed for.

The parser's events are taken one by one and the tree is built from them without recursion, so that the limits hold
while reading: depth, and the number of nodes with everything that aliases repeat (a "billion laughs" file ends
there). No tag makes an object, and no scalar is given a type: the member that it belongs to decides how to read it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import yaml

from knownas.config.expansion import Unexpandable, expand
from knownas.config.faults import FaultList, path_name, quoted
from knownas.config.limits import FILE_CHARACTERS_MAX, FILE_DEPTH_MAX, FILE_NODES_MAX, MEMBER_NAME_CHARACTERS_MAX
from knownas.config.nodes import Broken, Entry, Members, Node, Scalar, Sequence

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_CONTAINER_TAGS: Final = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the parser counts as the end of a line."""


def _line(event: yaml.Event) -> int:
    """Return the line that an event stands on, counted from 1."""
    mark = event.start_mark
    return 1 if mark is None else mark.line + 1


def locate(text: str, environment: Mapping[str, str], faults: FaultList) -> Node:
    """Return the tree of a file, its variables filled in; what is wrong is noted in `faults`.

    An empty file is an empty mapping. Where the file is no YAML at all, or goes beyond a limit, the tree is
    `Broken`.
    """
    if len(text) > FILE_CHARACTERS_MAX:
        faults.add(1, "", "the file is too long", f"at most {FILE_CHARACTERS_MAX} characters")
        return Broken(1)
    builder = _Builder(environment, faults)
    try:
        for event in _events(text):
            builder.take(event)
    except _StopReading as stop:
        faults.add(stop.line, builder.path(), stop.message, stop.allowed)
        return Broken(stop.line)
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events.

    Raises:
        _StopReading: the text is not YAML.
    """
    line = 1
    try:
        parse = cast("Callable[..., Iterator[yaml.Event]]", vars(yaml)["parse"])  # The stubs leave its types open.
        for event in parse(text, Loader=yaml.SafeLoader):
            line = _line(event)
            yield event
    except yaml.YAMLError as error:
        raise _StopReading(*_syntax_fault(error, text)) from None
    except ValueError:
        # The scanner lets the ValueErrors of chr() and int() through: "\\U00110000", %YAML 1.999...
        raise _StopReading(line, "a number or character after this is not valid YAML") from None


def _syntax_fault(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Word the parser's complaint without its excerpt, which could show a secret."""
    if isinstance(error, yaml.reader.ReaderError):
        # For text the reader gives the index of the character, and the character's number.
        line = 1 + sum(1 for _ in _LINE_BREAK.finditer(text, 0, error.position))
        return line, "the file contains a control character or half of a surrogate pair"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        sentence = " ".join(part for part in (error.context, error.problem) if part)
        return (mark.line + 1 if mark else 1), f"not valid YAML: {sentence}"
    return 1, "not valid YAML"


class _StopReading(Exception):
    """The rest of the file can't be read or isn't worth it."""

    def __init__(self, line: int, message: str, allowed: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Node
    nodes: int
    depth: int


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read."""

    line: int
    is_mapping: bool
    anchor: str | None
    nodes_before: int
    items: list[Node] = field(default_factory=list[Node])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    deepest: int = 0
    at_value: bool = False
    name: Scalar | None = None
    """The name whose value comes next; None where the name is broken."""

    def place(self) -> str:
        if not self.is_mapping:
            return f"[{len(self.items)}]"
        return f".{path_name(self.name.raw)}" if self.at_value and self.name else ""


class _Builder:
    """Builds the tree of one document from the parser's events."""

    def __init__(self, environment: Mapping[str, str], faults: FaultList) -> None:
        self.root: Node = Members(1, ())
        self.line = 1
        self._environment = environment
        self._faults = faults
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._open_anchors: set[str] = set()
        self._nodes = 0
        self._documents = 0

    def path(self) -> str:
        """Return the path of what is being read, as far as it has one."""
        return "".join(frame.place() for frame in self._frames).removeprefix(".")

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            _StopReading: a limit is passed, or an alias or document can't be made sense of.
        """
        self.line = _line(event)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _StopReading(self.line, "a second document starts here", "one document")
            case yaml.AliasEvent(anchor=str(anchor)):
                self._alias(anchor)
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case _:
                pass

    def _count(self, nodes: int, depth: int) -> None:
        self._nodes += nodes
        if self._nodes > FILE_NODES_MAX:
            raise _StopReading(
                self.line,
                "the file holds too much, counting what its aliases repeat",
                f"at most {FILE_NODES_MAX} names and values",
            )
        if len(self._frames) + depth > FILE_DEPTH_MAX:
            raise _StopReading(self.line, "lists and mappings are nested too deep", f"at most {FILE_DEPTH_MAX} levels")
        if self._frames:
            self._frames[-1].deepest = max(self._frames[-1].deepest, depth)

    def _alias(self, anchor: str) -> None:
        if anchor in self._open_anchors:
            raise _StopReading(self.line, f"the alias {quoted(anchor)} stands inside what it repeats")
        anchored = self._anchors.get(anchor)
        if anchored is None:
            raise _StopReading(self.line, f"the alias {quoted(anchor)} has no anchor before it")
        self._count(anchored.nodes, anchored.depth)
        self._put(anchored.node)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(1, 0)
        node = self._scalar_node(event.value, plain=not event.style)
        if event.tag is not None and event.tag not in _PLAIN_TAGS and event.tag != "!":
            node = self._refuse_tag(event.tag)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, 0)
        self._put(node)

    def _scalar_node(self, raw: str, *, plain: bool) -> Node:
        if self._frames and self._frames[-1].is_mapping and not self._frames[-1].at_value:
            return Scalar(self.line, raw, raw)
        text = expand(raw, self._environment)
        if isinstance(text, Unexpandable):
            meant = self._faults.did_you_mean(text.missing, self._environment) if text.missing else ""
            self._faults.add(self.line, self.path(), f"{text.message}{meant}", text.allowed)
            return Broken(self.line)
        return Scalar(self.line, text, raw, is_null=plain and raw in _NULLS)

    def _refuse_tag(self, tag: str) -> Broken:
        self._faults.add(self.line, self.path(), f"the tag {quoted(tag)} is not understood", "no tag")
        return Broken(self.line)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._count(1, 1)
        if event.tag is not None and event.tag not in _CONTAINER_TAGS and event.tag != "!":
            self._refuse_tag(event.tag)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.anchor is not None:
            self._open_anchors.add(event.anchor)
        self._frames.append(_Frame(self.line, is_mapping, event.anchor, self._nodes - 1))

    def _close(self) -> None:
        frame = self._frames.pop()
        node: Node
        if frame.is_mapping:
            node = Members(frame.line, tuple(frame.entries.values()))
        else:
            node = Sequence(frame.line, tuple(frame.items))
        depth = frame.deepest + 1
        if frame.anchor is not None:
            self._open_anchors.discard(frame.anchor)
            self._anchors[frame.anchor] = _Anchored(node, self._nodes - frame.nodes_before, depth)
        if self._frames:
            self._frames[-1].deepest = max(self._frames[-1].deepest, depth)
        self._put(node)

    def _put(self, node: Node) -> None:
        if not self._frames:
            self.root = Members(node.line, ()) if isinstance(node, Scalar) and node.is_null else node
            return
        frame = self._frames[-1]
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.at_value:
            if frame.name is not None:
                self._enter(frame, frame.name, node)
            frame.at_value = False
        else:
            frame.name = self._name(node)
            frame.at_value = True

    def _name(self, node: Node) -> Scalar | None:
        """Return the name of a member; None, with a fault, if it can't be one."""
        if isinstance(node, Scalar) and len(node.raw) <= MEMBER_NAME_CHARACTERS_MAX:
            return Scalar(self.line, node.raw, node.raw)
        if not isinstance(node, Broken):
            allowed = f"text of at most {MEMBER_NAME_CHARACTERS_MAX} characters"
            self._faults.add(node.line, self.path(), "this can't be the name of a member", allowed)
        return None

    def _enter(self, frame: _Frame, name: Scalar, value: Node) -> None:
        first = frame.entries.get(name.raw)
        if first is not None:
            message = f"{quoted(name.raw)} stands here again, first in line {first.line}"
            self._faults.add(name.line, self.path(), message, "each name once")
            return
        frame.entries[name.raw] = Entry(name.line, name.raw, value)
