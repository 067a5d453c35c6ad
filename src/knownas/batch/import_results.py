"""Keeps what became of each row in a result file, and beside it how far an import has come.

The results of a section of the file are appended at once, in the file's order, when all its rows are done; a kill can
come in the middle of that. The result file is cut back to the length that the checkpoint knows before anything is
appended, so what was appended but not yet counted is written once. The next checkpoint counts a section only after
the result file was synchronised. What became of rows whose section is not done yet is kept by `import_staging`.
"""

import csv
import fcntl
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from knownas.batch.import_durable import replace_durably, write_durably
from knownas.batch.import_limits import CHECKPOINT_BYTES_MAX, DIGEST_BYTES, REASONS_COUNTED_MAX
from knownas.core.identity.record import parse_mpid

HEADER: Final = "row,outcome,mpid,reason,message,decision_id\n"
CHECKPOINT_SUFFIX: Final = ".progress"


class RowOutcome(StrEnum):
    """What became of a row: a profile was made, learnt something, was found as it is, or nothing was done."""

    CREATED = "created"
    EXTENDED = "extended"
    MATCHED = "matched"
    REFUSED = "refused"


class RowResult(NamedTuple):
    """What became of one row. `decision_id` is that of a decision in the log, "" if it changed nothing."""

    row: int
    outcome: RowOutcome
    mpid: int | None
    reason: str = ""
    message: str = ""
    decision_id: str = ""


class UnusableResults(Exception):
    """The result file or its checkpoint can't be used for this import; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows came to what, and why rows were refused."""

    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.outcomes.values())

    def with_results(self, results: Iterable[RowResult]) -> "Tally":
        """Return the tally with more rows."""
        found = list(results)
        outcomes = Counter(one.outcome for one in found)
        reasons = Counter(one.reason for one in found if one.outcome is RowOutcome.REFUSED)
        return self.with_tally(Tally({one.value: count for one, count in outcomes.items()}, reasons))

    def with_tally(self, other: "Tally") -> "Tally":
        """Return both together; beyond a number of different reasons, further ones are not told apart."""
        outcomes, reasons = Counter(self.outcomes), Counter(self.reasons)
        outcomes.update(other.outcomes)
        for reason, count in other.reasons.items():
            known = reason in reasons or len(reasons) < REASONS_COUNTED_MAX
            reasons[reason if known else "other"] += count
        return Tally(dict(outcomes), dict(reasons))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an import has come.

    `run` names it in the store, `about` is the digest of what is imported and how. `length` are the bytes of the
    result file that count. `evidence` is a decision of the last section that had any: a store without it is not the
    one that was imported into.
    """

    run: str
    about: str
    begun_ms: int
    last_row: int = 0
    length: int = 0
    tally: Tally = field(default_factory=Tally)
    evidence: str | None = None
    finished: bool = False


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Checkpoint)


def line_of(result: RowResult) -> str:
    """Write a result as a line of CSV."""
    row, outcome, mpid, reason, message, decision_id = result
    shown = "" if mpid is None else mpid
    if not reason and not message:
        # Nearly every row, with nothing in it that would have to be quoted.
        return f"{row},{outcome},{shown},,,{decision_id}\n"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow((row, outcome, shown, reason, message, decision_id))
    return text.getvalue()


def result_of(line: str) -> RowResult:
    """Read a line that `line_of` wrote."""
    (parts,) = csv.reader(io.StringIO(line))
    row, outcome, mpid, reason, message, decision_id = parts
    return RowResult(int(row), RowOutcome(outcome), parse_mpid(mpid), reason, message, decision_id)


def digest_of(path: Path, *more: str) -> str:
    """Return the SHA-256 of a file's content and of some words about it."""
    digest = hashlib.sha256()
    for word in more:
        digest.update(f"{len(word)}:{word}".encode())
    with path.open("rb") as file:
        while piece := file.read(DIGEST_BYTES):
            digest.update(piece)
    return digest.hexdigest()


class ResultFile:
    """A result file and its checkpoint, held by one import at a time. Used as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint_path = path.with_name(path.name + CHECKPOINT_SUFFIX)
        self._file = -1

    def __enter__(self) -> Self:
        """Open the file and lock it.

        Raises:
            UnusableResults: it can't be opened, or another import is at it.
        """
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UnusableResults(f"{self.path} can't be written: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise UnusableResults(f"another import is writing {self.path}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and unlock the file."""
        os.close(self._file)

    def checkpoint(self) -> Checkpoint | None:
        """Return how far the import of these results has come; None if there is none yet.

        Raises:
            UnusableResults: there are results without a checkpoint, or one that can't be read.
        """
        try:
            with self.checkpoint_path.open("rb") as file:
                text = file.read(CHECKPOINT_BYTES_MAX)
        except FileNotFoundError:
            if os.fstat(self._file).st_size:
                message = f"{self.path} holds something that no import of this kind has begun; give another --results"
                raise UnusableResults(message) from None
            return None
        try:
            checkpoint = _DECODER.decode(text)
        except msgspec.DecodeError as error:
            raise UnusableResults(f"{self.checkpoint_path} can't be read: {error}") from error
        if os.fstat(self._file).st_size < checkpoint.length:
            raise UnusableResults(f"{self.path} is shorter than its checkpoint says; give another --results")
        return checkpoint

    def append(self, text: str, length: int) -> int:
        """Cut the file to a length, append a text, wait until it is on the disk, and return the new length."""
        return write_durably(self._file, text.encode(), length)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, whole or not at all, and wait until it is on the disk."""
        replace_durably(self.checkpoint_path, _ENCODER.encode(checkpoint))
