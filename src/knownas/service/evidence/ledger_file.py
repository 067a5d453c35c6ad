"""Appends to the file of the ledger, which other processes append to as well, and looks what they have written.

What is appended is whole lines, by one call, to the end of the file as it is then; it is on the disk when that returns. Where a
crash has torn the last line, the next ones begin on a line of their own.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from knownas.core.privacy.evidence import Head
from knownas.service.evidence.ledger_form import LEDGER_LINE_BYTES_MAX, LedgerEntry, LedgerTooNew, NoLine, line_from
from knownas.store.errors import StoreUnavailable

LEDGER_TAIL_BYTES: Final = 4 * LEDGER_LINE_BYTES_MAX
"""Bytes at the end of the file that are looked through for the last entry when it is opened."""


class LedgerUnwritable(StoreUnavailable):
    """The ledger can't be written; nothing is erased until it can."""


class LedgerFile:
    """The file of one ledger. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._read = 0
        self._last = Head()
        self._is_torn = False

    def last(self) -> Head:
        """Return the last entry of the chain that the file has, whoever wrote it; the beginning if it has none.

        Raises:
            LedgerUnwritable: it can't be opened or read.
        """
        try:
            file = self._opened()
            size = os.fstat(file).st_size
            if size < self._read:
                self._read, self._last = 0, Head()
            if self._read == 0 and size > LEDGER_TAIL_BYTES:
                self._read = size - LEDGER_TAIL_BYTES
            self._take_up(file, size)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._last

    def _take_up(self, file: int, size: int) -> None:
        """Read what has been appended since the last time; a last line without its end is read again."""
        left = b""
        while self._read < size:
            part = os.pread(file, min(LEDGER_LINE_BYTES_MAX, size - self._read), self._read)
            if not part:
                break
            self._read += len(part)
            *lines, left = (left + part).split(b"\n")
            self._last = _last_entry(lines) or self._last
        self._read -= len(left)
        self._is_torn = bool(left)

    @property
    def is_empty(self) -> bool:
        """Whether nothing stood in the file when it was last read."""
        return self._read == 0 and not self._is_torn

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines, durably.

        Raises:
            LedgerUnwritable: that could not be done; what is of them there counts as not written.
        """
        try:
            file = self._opened()
            written = memoryview((b"\n" if self._is_torn else b"") + b"".join(lines))
            while written:
                written = written[os.write(file, written) :]
            os.fsync(file)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error

    def _opened(self) -> int:
        """Return the open file; one that was moved away or removed is made anew."""
        if self._file is not None and not self._is_there(self._file):
            self.close()
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            self._read, self._last = 0, Head()
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return self._file

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _unwritable(self, error: OSError) -> LedgerUnwritable:
        return LedgerUnwritable(f"the ledger {self._path} can't be written: {error.strerror or error}")


def _last_entry(lines: Iterable[bytes]) -> Head | None:
    found: Head | None = None
    for line in lines:
        try:
            read = line_from(line)
        except (NoLine, LedgerTooNew):
            continue
        if isinstance(read, LedgerEntry):
            found = Head(read.entry.number, read.entry.hash)
    return found
