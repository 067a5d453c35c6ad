"""Reads the project's Markdown pages: their fenced blocks, with the note that stands before each, and their links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)$")
NOTE = re.compile(r"^ *<!-- (?P<note>[^>]+) -->$")
HEADING = re.compile(r"^#{1,6} (?P<title>.+)$")
LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")


def pages() -> list[Path]:
    """Return every page of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return a page's name from the root of the tree."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the note in a comment above it ("" if there is none), and its lines.

    `first` is the number of its first line in the page, counted from 0; `indent` what stands before each.
    """

    language: str
    note: str
    lines: tuple[str, ...]
    first: int
    indent: str

    @property
    def text(self) -> str:
        """The block's content."""
        return "".join(f"{line}\n" for line in self.lines)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    note, at = "", 0
    while at < len(lines):
        opened = FENCE.match(lines[at])
        noted = NOTE.match(lines[at])
        if opened:
            indent = opened["indent"]
            end = lines.index(f"{indent}```", at + 1)
            content = tuple(line.removeprefix(indent) for line in lines[at + 1 : end])
            yield Block(opened["language"], note, content, at + 1, indent)
            note, at = "", end
        elif noted:
            note = noted["note"]
        elif lines[at].strip():
            note = ""
        at += 1


def prose(page: Path) -> str:
    """Return a page without its fenced blocks and inline code."""
    kept, fenced = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            kept.append(re.sub(r"`[^`]*`", "``", line))
    return "\n".join(kept)


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links."""
    for found in LINK.finditer(prose(page)):
        yield found["target"]


def anchors(page: Path) -> set[str]:
    """Return the names under which a page's headings can be linked to, the way GitHub makes them."""
    names: set[str] = set()
    for line in prose_with_code(page).splitlines():
        heading = HEADING.match(line)
        if heading:
            name = re.sub(r"[^\w\- ]", "", heading["title"].strip().lower()).replace(" ", "-")
            number = 1
            unique = name
            while unique in names:
                unique, number = f"{name}-{number}", number + 1
            names.add(unique)
    return names


def prose_with_code(page: Path) -> str:
    """Return a page without its fenced blocks."""
    kept, fenced = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            kept.append(line)
    return "\n".join(kept)
