"""Says what a backfill is to do, what each step has come to, and what an engine that takes the steps has to offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from knownas.batch.backfill.folding import FoldJob
from knownas.batch.backfill.kinds import TYPES, Kind
from knownas.batch.backfill.limits import FILE_ROWS_MAX, MEMORY_MEGABYTES
from knownas.batch.backfill.linking import Linked
from knownas.batch.backfill.reading import HistoryReading
from knownas.batch.import_reading import ImportFile
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy


@dataclass(frozen=True, slots=True)
class BackfillJob:
    """A history: its files in their order, how they are read, the rules, and how large a component may be.

    `megabytes` is what DuckDB may take of the memory.
    """

    files: tuple[ImportFile, ...]
    history: HistoryReading
    policy: Policy
    fold: FoldJob
    largest: int
    megabytes: int = MEMORY_MEGABYTES


class Read(NamedTuple):
    """What reading came to: the observations, the types that they have identities of, and the places of environments."""

    rows: int
    refused: int
    types: Sequence[IdentityType]
    environments: Sequence[int]


class Stage(NamedTuple):
    """The step that a backfill is at, and how far it is: from 0 to 1, or in rows, if that can be told."""

    step: str
    fraction: float | None = None
    rows: int | None = None


Watch = Callable[[Stage], None]


class Engine(Protocol):
    """Takes the steps of a backfill. Each may be taken again after a kill, and then makes the same."""

    def read(self, watch: Watch) -> Read:
        """Read all files.

        Raises:
            UnreadableFile: one of them can't be read to its end.
        """
        ...

    def link(self, read: Read, watch: Watch) -> Linked:
        """Number the observations by their time, and find the components."""
        ...

    def fold(self, watch: Watch) -> None:
        """Fold what is left to fold."""
        ...

    def files(self, kind: Kind) -> Sequence[Path]:
        """Return the Parquet files with what came out of a kind."""
        ...

    def close(self) -> None:
        """Release everything but the files."""
        ...


def some_type(types: Sequence[IdentityType], rows: int) -> Sequence[IdentityType]:
    """Return the types that rows have, at least one if there are rows: all that they have may be quarantined."""
    return types or list(TYPES[: min(rows, 1)])


def first_row(file: int) -> int:
    """Return what is added to the numbers of a file's rows, given its place, so that no two rows have the same."""
    return file * FILE_ROWS_MAX


def place_of(row_id: int) -> tuple[int, int]:
    """Return the place of a row's file, and the row's number in it."""
    return divmod(row_id, FILE_ROWS_MAX)
