"""Makes a log of a file of observations, in a temporary database, so that rules can be rehearsed on it.

The file is one that `knownas import` or `knownas backfill` takes, with the same mapping. Its rows are put in the order of their
times; where none has a time, they are in the file's order. Nothing of it gets into any other database, and the same file
makes the same log.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from knownas.batch.backfill.reading import INVALID_ENDPOINT, INVALID_TIME, time_ms
from knownas.batch.import_mapping import InvalidColumns, Special, Target
from knownas.batch.import_reading import ImportFile, Row, RowReader, RowRefusal
from knownas.batch.import_rows import Reading, RowInterpreter
from knownas.batch.staging_folder import staging_folder
from knownas.core.identity.decision import DecidedBy, Decision, NotFound, Receipt
from knownas.core.identity.observation import Endpoint, IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.service.identity.log_form import decision_bytes, observation_bytes, observation_from
from knownas.service.identity.policies import encode_policy
from knownas.service.identity.question import Rules, screened_rules
from knownas.store.opening import SQLITE
from knownas.store.port import Commit, LogEntry, StoredPolicy
from knownas.store.sqlite.store import SqliteStore

FILE_INPUT: Final = "file"
"""The input by which the rows of a file are logged."""

ROWS_A_COMMIT: Final = 5_000
"""Rows that are written at once."""

ROWS_A_RUN: Final = 200_000
"""Rows that are sorted at once: about 100 MB."""

ROWS_A_PIECE: Final = 1_000
"""Rows of a run that are read at once."""

_Sorted = tuple[int, int, bytes]
_LENGTH_BYTES: Final = 4
_ENCODER: Final = msgspec.msgpack.Encoder()
_SORTED: Final = msgspec.msgpack.Decoder(list[_Sorted])
_ENDPOINTS: Final = {one.value: one for one in (Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH)}
_ID_BYTES: Final = 16
_UNDECIDED: Final = decision_bytes(Decision(NotFound(), Receipt(1, (), DecidedBy.NO_CANDIDATE)))


@dataclass(slots=True)
class FileLog:
    """A log that was made of a file: the database that it is in, its rows, and how many of them were refused, by reason."""

    database: str
    rows: int
    refused: dict[str, int]


@asynccontextmanager
async def log_of_file(file: ImportFile, reading: Reading, scope: str, policy: Policy) -> AsyncGenerator[FileLog]:
    """Yield the log of a file, as observed in a scope under a policy; it is gone afterwards.

    Raises:
        UnreadableFile: the file can't be read.
        StoreError, OSError: there is no room for it.
    """
    with staging_folder() as folder:
        staged = _Staged(folder)
        made = FileLog(f"{SQLITE}{folder}/log.db", 0, {})
        rows = _Rows(reading)
        for row in RowReader(file):
            said = rows.observed(row)
            if isinstance(said, RowRefusal):
                made.refused[said.reason] = made.refused.get(said.reason, 0) + 1
            else:
                staged.put(row.number, said)
                made.rows += 1
        store = SqliteStore(folder / "log.db")
        try:
            await store.add_policy(StoredPolicy(scope, 1, 0, encode_policy(policy)))
            rules = screened_rules(scope, policy)
            for some in staged.in_order():
                snapshot = await store.load(())
                await store.commit(snapshot, Commit(log=[_entry(number, one, rules) for number, one in some]))
        finally:
            await store.close()
        yield made


class _Rows:
    """Reads rows as observations."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._interpreter = RowInterpreter(reading)
        self._columns: tuple[str, ...] | None = None
        self._targets: Sequence[Target] = ()

    def observed(self, row: Row) -> IdentityRequest | RowRefusal:
        """Return what a row observed, or why it can't be read. One without a time counts in the order of the file."""
        content = self._interpreter.content(row)
        if isinstance(content, RowRefusal):
            return content
        cells = zip(self._targets_of(row.columns), row.values, strict=True)
        given = {one: value for one, value in cells if isinstance(one, Special) and value not in (None, "")}
        at_ms = time_ms(given[Special.TIME]) if Special.TIME in given else row.number
        endpoint = _ENDPOINTS.get(str(given.get(Special.ENDPOINT, Endpoint.IDENTIFY.value)))
        if at_ms is None:
            return INVALID_TIME
        if endpoint is None:
            return INVALID_ENDPOINT
        return IdentityRequest(endpoint, at_ms, content.environment, FILE_INPUT, content.identities)

    def _targets_of(self, columns: tuple[str, ...]) -> Sequence[Target]:
        if columns is not self._columns:
            self._columns = columns
            targets = self._reading.mapping.targets(columns, whole=False)
            self._targets = () if isinstance(targets, InvalidColumns) else targets
        return self._targets


class _Staged:
    """Rows that are put in the order of their times, on disk: sorted a run at a time, and merged when they are read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        self._run: list[_Sorted] = []

    def put(self, number: int, observation: IdentityRequest) -> None:
        """Keep the row with a number."""
        self._run.append((observation.at_ms, number, observation_bytes(observation)))
        if len(self._run) >= ROWS_A_RUN:
            self._write()

    def in_order(self) -> Iterator[Sequence[tuple[int, IdentityRequest]]]:
        """Yield the rows with their numbers, some at a time."""
        self._write()
        rows = merge(*(self._read(run) for run in range(self._runs)))
        while some := list(islice(rows, ROWS_A_COMMIT)):
            read = ((number, observation_from(kept)) for _, number, kept in some)
            yield [(number, one) for number, one in read if isinstance(one, IdentityRequest)]

    def _write(self) -> None:
        """Write down the run that was begun, in pieces that are read one at a time."""
        self._run.sort()
        with (self._folder / f"run-{self._runs}").open("wb") as file:
            for start in range(0, len(self._run), ROWS_A_PIECE):
                written = _ENCODER.encode(self._run[start : start + ROWS_A_PIECE])
                file.write(len(written).to_bytes(_LENGTH_BYTES) + written)
        self._runs += 1
        self._run = []

    def _read(self, run: int) -> Iterator[_Sorted]:
        with (self._folder / f"run-{run}").open("rb") as file:
            while length := file.read(_LENGTH_BYTES):
                yield from _SORTED.decode(file.read(int.from_bytes(length)))


def _entry(number: int, observation: Observation, rules: Rules) -> LogEntry:
    """Return the line of a row: captured, and answered with nobody, so that both folds decide it anew.

    What looks toxic is set aside of it if the policy lets that be.
    """
    observation = rules.ask(observation, writes=False).observation
    decision_id = blake2b(f"row {number}".encode(), digest_size=_ID_BYTES).hexdigest()
    return LogEntry(
        decision_id=decision_id,
        pool=rules.pool(observation.environment),
        at_ms=observation.at_ms,
        policy_version=1,
        created_mpid=None,
        touched=(),
        observation=observation_bytes(observation),
        decision=_UNDECIDED,
    )
