"""Keeps what a fold of a whole log has read in temporary files, so that memory does not grow with the log.

For each range of the log: its lines as they came, with the profile that stands for each; the identities that they name,
put into parts by their numbers; the pairs of profiles that it joins; and, when it is known which profiles belong
together, the lines again, share by share. The identities of a part, whatever range they are of, are looked through at once,
and what they join is a file as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from knownas.batch.folding_groups import Groups, Numbers, shares_of
from knownas.store.whole import Line

_ENCODER: Final = msgspec.msgpack.Encoder()
_LINES: Final = msgspec.msgpack.Decoder(list[Line])
_WRITTEN: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_CORRECTIONS: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_INDEX: Final = msgspec.msgpack.Decoder(list[int])
_NUMBER: Final = np.dtype(np.int64)

Written = Sequence[msgspec.Raw]
"""Lines as they are kept in the files: they are put in order, and read only when they are folded."""

Piece = tuple[Numbers, Written]
"""Lines of one range and one share, in the log's order, with the root of the component of each."""


def lines_from(written: Written) -> list[Line]:
    """Read lines."""
    return _LINES.decode(_ENCODER.encode(written))


class FoldStaging:
    """The files of one fold. Whoever makes the folder takes it away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_lines(self, number: int, lines: Sequence[Line], owners: Numbers) -> None:
        """Keep the lines of a range, and the profile that stands for each."""
        (self._folder / f"lines-{number}").write_bytes(_ENCODER.encode(lines))
        owners.tofile(self._folder / f"owners-{number}")

    def put_corrections(self, number: int, corrections: Sequence[tuple[int, bytes]]) -> None:
        """Keep the corrections among the lines of a range, with their seqs."""
        (self._folder / f"corrections-{number}").write_bytes(_ENCODER.encode(corrections))

    def corrections(self, number: int) -> list[tuple[int, bytes]]:
        """Return the corrections among the lines of a range."""
        return _CORRECTIONS.decode((self._folder / f"corrections-{number}").read_bytes())

    def put_names(self, number: int, parts: Sequence[tuple[Numbers, Numbers]]) -> None:
        """Keep the identities that a range's lines name, part by part: their numbers, and the owner of each."""
        with (self._folder / f"names-{number}").open("wb") as file:
            np.array([len(names) for names, _ in parts], np.int64).tofile(file)
            for names, owners in parts:
                names.tofile(file)
                owners.tofile(file)

    def names(self, number: int, part: int, parts: int) -> tuple[Numbers, Numbers]:
        """Return the identities of one part of a range."""
        with (self._folder / f"names-{number}").open("rb") as file:
            index = np.fromfile(file, np.int64, parts)
            file.seek(int(index[:part].sum()) * 2 * _NUMBER.itemsize, 1)
            count = int(index[part])
            return np.fromfile(file, np.int64, count), np.fromfile(file, np.int64, count)

    def put_pairs(self, name: str, pairs: Numbers) -> None:
        """Keep pairs of profiles, one after the other, under a name."""
        pairs.tofile(self._folder / f"pairs-{name}")

    def pairs(self) -> list[Numbers]:
        """Return all pairs of profiles that were kept."""
        return [np.fromfile(file, np.int64) for file in sorted(self._folder.glob("pairs-*"))]

    def put_groups(self, groups: Groups) -> None:
        """Keep which profiles belong together."""
        for name, numbers in groups._asdict().items():
            np.save(self._folder / name, numbers)

    def groups(self) -> Groups:
        """Return which profiles belong together, without holding them: all processes share the pages of the files."""
        members, roots = (np.load(self._folder / f"{name}.npy", mmap_mode="r") for name in Groups._fields)
        return Groups(members, roots)

    def arrange(self, number: int, groups: Groups, shares: int) -> int:
        """Put the lines of a range in the order of their shares, of which there are so many; return how many lines."""
        lines = _WRITTEN.decode((self._folder / f"lines-{number}").read_bytes())
        roots = groups.roots_of(np.fromfile(self._folder / f"owners-{number}", np.int64))
        places = shares_of(roots, shares)
        order = np.argsort(places, kind="stable")
        ends = np.searchsorted(places[order], np.arange(1, shares + 1)).tolist()
        index: list[int] = []
        at = begin = 0
        with (self._folder / f"arranged-{number}").open("wb") as file:
            for share, end in enumerate(ends):
                if end > begin:
                    some = order[begin:end]
                    written = _ENCODER.encode([lines[place] for place in some.tolist()])
                    roots[some].tofile(file)
                    file.write(written)
                    index += (share, at, end - begin, len(written))
                    at += (end - begin) * _NUMBER.itemsize + len(written)
                    begin = end
        (self._folder / f"index-{number}").write_bytes(_ENCODER.encode(index))
        for kind in ("lines", "owners", "names"):
            (self._folder / f"{kind}-{number}").unlink()
        return len(lines)

    def share(self, share: int, ranges: Iterable[int]) -> Iterator[Piece]:
        """Yield the lines of a share in the log's order, a range at a time."""
        for number in ranges:
            members = iter(_INDEX.decode((self._folder / f"index-{number}").read_bytes()))
            for place, at, count, size in zip(members, members, members, members, strict=True):
                if place == share:
                    with (self._folder / f"arranged-{number}").open("rb") as file:
                        file.seek(at)
                        yield np.fromfile(file, np.int64, count), _WRITTEN.decode(file.read(size))
                    break
