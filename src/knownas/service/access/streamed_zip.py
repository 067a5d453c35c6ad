"""Writes a zip archive piece by piece, so that one of any size needs no more memory than the piece at hand.

The archive is of the kind that can be written to a pipe: the sizes of a file stand behind it. Every program that reads zip
files takes it.
"""

import zipfile
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Final

PIECE_BYTES: Final = 64 * 1024
"""Bytes of an archive that are gathered before they are handed on."""

_LEVEL: Final = 6


class _Sink:
    """Takes what the archive writes, until it is handed on. It can't be sought in, so the archive never goes back."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes, /) -> int:
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is here."""

    def close(self) -> None:
        """Do nothing: what was written stays until it is taken."""


class StreamedZip:
    """An archive that is being written. `at_ms` is the time that its files bear, Unix milliseconds.

    What was written is gathered until it is taken. Files come one after the other.
    """

    def __init__(self, at_ms: int) -> None:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        self._date = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self.files = 0
        self.bytes = 0
        """Files that were written whole, and bytes that were taken."""

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Add a file, and yield what of the archive comes of it."""
        about = zipfile.ZipInfo(name, self._date)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o644 << 16
        with self._zip.open(about, "w", force_zip64=True) as file:
            async for piece in pieces:
                file.write(piece)
                if len(self._sink.waiting) >= PIECE_BYTES:
                    yield self._taken()
        self.files += 1

    def end(self) -> bytes:
        """End the archive, and return what is left of it."""
        self._zip.close()
        return self._taken()

    def _taken(self) -> bytes:
        taken = bytes(self._sink.waiting)
        self._sink.waiting.clear()
        self.bytes += len(taken)
        return taken


async def at_once(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield what is there already."""
    for piece in pieces:
        yield piece
