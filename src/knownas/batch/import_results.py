"""Keeps what became of each row in a result file, so that a killed import goes on and no row stands there twice.

**How.** A chunk of rows is committed to the store in one transaction, and its results are appended to the result
file; a kill can come between the two. So before the commit, what is about to be written down is put into a
checkpoint file beside the result file, whole and synchronised: the *intent*. It names one decision that the chunk's
commit brings into the log. Who finds an intent after a kill asks the log for that decision. If it is there, the
chunk was committed, and the intent's results are the results: `created` stays `created`. If it is not, nothing of
the chunk was kept, and it is decided anew. An intent without a decision had nothing to commit.

The result file is cut back to the length that the checkpoint knows before anything is appended, so a half-written
line or a chunk that was appended but not yet counted is written once. The next checkpoint counts a chunk only after
the result file was synchronised. So at every moment the three agree or can be made to: the log is the truth, the
intent says what the log means, the result file follows.
"""

import csv
import fcntl
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

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
        """Return the tally with more rows; beyond a number of different reasons, further ones are not told apart."""
        outcomes, reasons = Counter(self.outcomes), Counter(self.reasons)
        for result in results:
            outcomes[result.outcome.value] += 1
            if result.outcome is RowOutcome.REFUSED:
                known = result.reason in reasons or len(reasons) < REASONS_COUNTED_MAX
                reasons[result.reason if known else "other"] += 1
        return Tally(dict(outcomes), dict(reasons))


@dataclass(frozen=True, slots=True)
class Intent:
    """A chunk that is about to be committed: its results as lines, and a decision that only its commit brings."""

    last_row: int
    lines: str
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an import has come.

    `run` names it in the store, `about` is the digest of what is imported and how. `length` are the bytes of the
    result file that count. `evidence` is a decision of the last chunk that had any: a store without it is not the one
    that was imported into.
    """

    run: str
    about: str
    begun_ms: int
    last_row: int = 0
    length: int = 0
    tally: Tally = field(default_factory=Tally)
    evidence: str | None = None
    intent: Intent | None = None
    finished: bool = False

    def with_chunk(self, intent: Intent, results: Iterable[RowResult], length: int) -> "Checkpoint":
        """Return the checkpoint after a chunk was written down; `results` are those of the intent's lines."""
        return replace(
            self,
            last_row=intent.last_row,
            length=length,
            tally=self.tally.with_results(results),
            evidence=intent.evidence or self.evidence,
            intent=None,
        )


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Checkpoint)


def lines_of(results: Sequence[RowResult]) -> str:
    """Write results as lines of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (one.row, one.outcome.value, "" if one.mpid is None else one.mpid, one.reason, one.message, one.decision_id)
        for one in results
    )
    return text.getvalue()


def results_of(lines: str) -> list[RowResult]:
    """Read what `lines_of` wrote."""
    return [
        RowResult(int(row), RowOutcome(outcome), parse_mpid(mpid), reason, message, decision_id)
        for row, outcome, mpid, reason, message, decision_id in csv.reader(io.StringIO(lines))
    ]


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

    def begin(self, checkpoint: Checkpoint) -> Checkpoint:
        """Start an empty result file, and return the checkpoint that goes with it."""
        begun = replace(checkpoint, length=0)
        self.save(begun)
        return replace(begun, length=self.append(HEADER, 0))

    def append(self, text: str, length: int) -> int:
        """Cut the file to a length, append a text, wait until it is on the disk, and return the new length."""
        os.ftruncate(self._file, length)
        written = text.encode()
        done = 0
        while done < len(written):
            done += os.pwrite(self._file, written[done:], length + done)
        os.fsync(self._file)
        return length + len(written)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, whole or not at all, and wait until it is on the disk."""
        unfinished = self.checkpoint_path.with_name(self.checkpoint_path.name + ".new")
        with open(unfinished, "wb", opener=_private) as file:
            file.write(_ENCODER.encode(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.checkpoint_path)
        folder = os.open(self.checkpoint_path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
