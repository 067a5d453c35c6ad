"""Keeps what a fold of a whole log has read in temporary files, so that memory does not grow with the log.

For each range of the log: its lines as they came; their names, put into parts by their numbers; and, when it is known
which lines belong together, the lines again, share by share. The names of a part, whatever range they are of, are looked
through at once, and what they join is a file as well.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from knownas.store.whole import Line

_ENCODER: Final = msgspec.msgpack.Encoder()
_LINES: Final = msgspec.msgpack.Decoder(list[Line])
_CORRECTIONS: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_INDEX: Final = msgspec.msgpack.Decoder(list[int])


class FoldStaging:
    """The files of one fold. Whoever makes the folder takes it away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_lines(self, number: int, lines: Sequence[Line]) -> None:
        """Keep the lines of a range."""
        (self._folder / f"lines-{number}").write_bytes(_ENCODER.encode(lines))

    def lines(self, number: int) -> list[Line]:
        """Return the lines of a range."""
        return _LINES.decode((self._folder / f"lines-{number}").read_bytes())

    def put_corrections(self, number: int, corrections: Sequence[tuple[int, bytes]]) -> None:
        """Keep the corrections among the lines of a range, with their seqs."""
        (self._folder / f"corrections-{number}").write_bytes(_ENCODER.encode(corrections))

    def corrections(self, number: int) -> list[tuple[int, bytes]]:
        """Return the corrections among the lines of a range."""
        return _CORRECTIONS.decode((self._folder / f"corrections-{number}").read_bytes())

    def put_names(self, number: int, parts: Sequence[tuple["array[int]", "array[int]"]]) -> None:
        """Keep the names of a range's lines, part by part: their numbers, and the place of the line that each is of."""
        sizes = [len(names) for names, _ in parts]
        index = array("q", sizes)
        with (self._folder / f"names-{number}").open("wb") as file:
            index.tofile(file)
            for names, places in parts:
                names.tofile(file)
                places.tofile(file)

    def names(self, number: int, part: int, parts: int) -> tuple["array[int]", "array[int]"]:
        """Return the names of one part of a range."""
        with (self._folder / f"names-{number}").open("rb") as file:
            index = array("q")
            index.fromfile(file, parts)
            names, places = array("q"), array("q")
            file.seek(sum(index[:part]) * (names.itemsize + places.itemsize), 1)
            names.fromfile(file, index[part])
            places.fromfile(file, index[part])
        return names, places

    def put_joins(self, part: int, joins: "array[int]") -> None:
        """Keep pairs of places that a part's names join, one after the other."""
        with (self._folder / f"joins-{part}").open("wb") as file:
            joins.tofile(file)

    def joins(self, part: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs of places that a part's names join."""
        joins = array("q")
        file = self._folder / f"joins-{part}"
        joins.frombytes(file.read_bytes())
        file.unlink()
        pairs = iter(joins)
        yield from zip(pairs, pairs, strict=True)

    def put_shares(self, shares: "array[int]") -> None:
        """Keep the share of each line by its place."""
        with (self._folder / "shares").open("wb") as file:
            shares.tofile(file)

    def shares(self, first: int, count: int) -> "array[int]":
        """Return the shares of some lines."""
        shares = array("q")
        with (self._folder / "shares").open("rb") as file:
            file.seek(first * shares.itemsize)
            shares.fromfile(file, count)
        return shares

    def arrange(self, number: int, shares: "array[int]") -> None:
        """Put the lines of a range in the order of their shares, which names the share of each."""
        begun: dict[int, list[Line]] = {}
        for line, share in zip(self.lines(number), shares, strict=True):
            begun.setdefault(share, []).append(line)
        index: list[int] = []
        at = 0
        with (self._folder / f"arranged-{number}").open("wb") as file:
            for share, lines in begun.items():
                written = _ENCODER.encode(lines)
                file.write(written)
                index += (share, at, len(written))
                at += len(written)
        (self._folder / f"index-{number}").write_bytes(_ENCODER.encode(index))
        (self._folder / f"lines-{number}").unlink()
        (self._folder / f"names-{number}").unlink()

    def share(self, share: int, ranges: Sequence[int]) -> Iterator[Line]:
        """Yield the lines of a share in the log's order, a range at a time."""
        for number in ranges:
            index = _INDEX.decode((self._folder / f"index-{number}").read_bytes())
            members = iter(index)
            for other, at, size in zip(members, members, members, strict=True):
                if other == share:
                    with (self._folder / f"arranged-{number}").open("rb") as file:
                        file.seek(at)
                        yield from _LINES.decode(file.read(size))
                    break
