"""Writes the files that the tests import, and runs imports over a store, as the command line does."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from knownas.batch.import_mapping import BY_NAME, ColumnMapping, InvalidMapping, read_mapping
from knownas.batch.import_reading import Row, RowReader, open_import_file
from knownas.batch.import_results import ResultFile, RowResult, result_of
from knownas.batch.import_rows import Reading
from knownas.batch.import_running import Ended, Import, Job
from knownas.batch.import_staging import Section, Staging
from knownas.config.reader import InvalidConfiguration, read_configuration
from knownas.config.values import Configuration
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel
from knownas.service.chance import SystemChance
from knownas.service.security.directory import open_directory
from knownas.store.port import Store
from tests.served import FEED_KEY, configuration

NOW_MS = 1_800_000_000_000
Cells = Mapping[str, Any]


def write_csv(path: Path, rows: Sequence[Cells]) -> Path:
    """Write rows as CSV; the first one's members are the header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return _write(path, text.getvalue())


def write_json_lines(path: Path, rows: Sequence[Cells]) -> Path:
    """Write rows as JSON Lines."""
    return _write(path, "".join(json.dumps(row) + "\n" for row in rows))


def _write(path: Path, text: str) -> Path:
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_parquet(path: Path, rows: Sequence[Cells]) -> Path:
    """Write rows as Parquet, in row groups of 100."""
    parquet.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=100)
    return path


def people(count: int) -> list[dict[str, str]]:
    """Return rows about people, each of whom comes up three times; every other one's e-mail comes the second time."""
    rows: list[dict[str, str]] = []
    for number in range(count):
        person = (number * 7) % (count // 3)
        email = f"p{person}@example.com" if number % 2 or number >= count // 3 else ""
        rows.append({"customer_id": f"c{person}", "email": email, "plan": f"plan-{number}"})
    return rows


def read_rows(path: Path) -> list[Row]:
    """Read a file's rows."""
    return list(RowReader(open_import_file(path)))


def mapped(text: str) -> ColumnMapping:
    """Read a sound mapping file."""
    mapping = read_mapping(text)
    assert not isinstance(mapping, InvalidMapping), mapping
    return mapping


def configured(settings: Mapping[str, Any] | None = None, **feed: Any) -> Configuration:
    """Return the tests' configuration, its feed with other settings."""
    document = configuration(settings)
    document["organization"]["accounts"][0]["workspaces"][0]["inputs"][2].update(feed)
    read = read_configuration(json.dumps(document), environment={})
    assert not isinstance(read, InvalidConfiguration), read
    return read


@dataclass(frozen=True)
class Imported:
    """What an import came to, and the results of its rows."""

    ended: Ended
    results: list[RowResult]

    @property
    def outcomes(self) -> list[str]:
        """The outcomes in the order of the rows."""
        return [result.outcome.value for result in self.results]

    @property
    def reasons(self) -> list[str]:
        """The reasons in the order of the rows."""
        return [result.reason for result in self.results]


async def job_of(
    store: Store,
    path: Path,
    configuration: Configuration | None = None,
    mapping: ColumnMapping = BY_NAME,
    *,
    seed: bool = False,
    key: str = FEED_KEY,
    channel: Channel = Channel.FEED,
) -> Job:
    """Return the job of importing a file."""
    directory = await open_directory(configuration or configured(), store, NOW_MS)
    door = directory.door(key)
    assert door is not None
    return Job(open_import_file(path), door, Reading(mapping, Environment.PRODUCTION, channel, seed))


def results_of(lines: str) -> list[RowResult]:
    """Read the lines of a result file."""
    return [result_of(line) for line in lines.splitlines()]


def section_results(staging: Staging, section: Section) -> list[RowResult]:
    """Return what the rows of a section have come to, in the file's order."""
    return sorted(result_of(line) for step in staging.steps(section) for _, line in step.lines)


async def run_job(job: Job, store: Store, results: Path, now_ms: int = NOW_MS) -> Imported:
    """Run a job and read its result file."""
    with ResultFile(results) as file:
        ended = await Import(job, store, SystemChance(), file).run(now_ms)
        lines = results.read_text().partition("\n")[2]  # noqa: ASYNC240 - nothing else runs in these tests
    return Imported(ended, results_of(lines))
