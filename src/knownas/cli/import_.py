"""`knownas import`: brings a file of users in, shows what it would do, and says what became of each row."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar

import click

from knownas.batch.import_limits import MAPPING_BYTES_MAX, PREVIEW_ROWS
from knownas.batch.import_mapping import (
    IMPORT_WORDS,
    ColumnMapping,
    InvalidColumns,
    InvalidMapping,
    Target,
    Words,
    read_mapping,
)
from knownas.batch.import_preview import Preview, preview
from knownas.batch.import_reading import FileFormat, ImportFile, UnreadableFile, open_import_file
from knownas.batch.import_results import ResultFile, RowOutcome, Tally, UnusableResults
from knownas.batch.import_rows import Reading
from knownas.batch.import_running import Ended, Import, Job, Stage
from knownas.cli.configured import chosen_file, config_option, read_file
from knownas.cli.first_configuration import configured_keys, kept_configuration
from knownas.cli.progress import ProgressLine
from knownas.config.values import Configuration
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel
from knownas.service.chance import SystemChance
from knownas.service.erasure.keeping_out import suppression_key
from knownas.service.security.directory import Directory, Door, open_directory
from knownas.service.security.sealing import Unopenable
from knownas.service.server import system_clock
from knownas.service.toxic.beside import quarantines, toxic_beside
from knownas.store.errors import StoreError
from knownas.store.opening import MEMORY, SQLITE, open_store
from knownas.store.port import Store

RESULTS_SUFFIX: Final = ".results.csv"
CUSTOM_FEED: Final = "custom"

T = TypeVar("T")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@click.option(
    "--input", "input_name", required=True, help="The key, or the name, of the input that the rows come through."
)
@click.option(
    "--mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="What columns mean (YAML)."
)
@click.option(
    "--environment",
    type=click.Choice([one.value for one in Environment]),
    default=Environment.PRODUCTION.value,
    show_default=True,
    help="Of the rows that don't name one.",
)
@click.option("--preview", "is_preview", is_flag=True, help="Show what would happen; write nothing.")
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), help="Where outcomes go; FILE.results.csv.")
@click.option("--seed", is_flag=True, help="Bring profiles of another system over, with the MPIDs of the column mpid.")
def import_(**options: Any) -> None:
    """Import FILE: CSV or JSON Lines (also .gz), or Parquet. Each row is a user.

    Stopped or killed, the same command goes on where it was. Every row's outcome is in the result file.
    """
    os.umask(0o077)  # The result file holds MPIDs, the database people's identities.
    configuration = configuration_of(options["config_file"])
    mapping = read_mapping_file(options["mapping"])
    try:
        file = open_import_file(options["file"])
        targets = targets_of(file, mapping)
        store = open_store(_database(configuration, writes=not options["is_preview"]))
        done = _with_store(store, _import(options, configuration, store, file, mapping, targets))
        asyncio.run(done)
    except (UnreadableFile, UnusableResults, Unopenable) as error:
        raise click.ClickException(str(error)) from error
    except StoreError as error:
        raise click.ClickException(
            f"{error}. What was imported is kept; the same command goes on from there."
        ) from error


def configuration_of(config_file: Path | None) -> Configuration:
    """Return the configuration of the file, or the one that a server without a file has made."""
    path = chosen_file(config_file)
    if path is not None:
        return read_file(path)
    kept = kept_configuration()
    if kept is None:
        raise click.UsageError("give --config, or run it where knownas.yaml or knownas.db is")
    return kept[0]


async def _with_store(store: Store, task: Coroutine[Any, Any, T]) -> T:
    try:
        return await task
    finally:
        await store.close()


def _database(configuration: Configuration, *, writes: bool) -> str:
    database = configuration.database
    is_new = database.startswith(SQLITE) and not Path(database.removeprefix(SQLITE)).exists()
    return MEMORY if is_new and not writes else database


async def _import(
    options: dict[str, Any],
    configuration: Configuration,
    store: Store,
    file: ImportFile,
    mapping: ColumnMapping,
    targets: dict[str, Target],
) -> None:
    is_preview: bool = options["is_preview"]
    directory = await open_directory(configuration, store, system_clock(), publish=not is_preview)
    key = await suppression_key(store, configured_keys(configuration), publish=not is_preview)
    door = door_named(configuration, directory, options["input_name"])
    reading = Reading(mapping, Environment(options["environment"]), channel_of(door), options["seed"])
    job = Job(file, door, reading, key)
    if is_preview:
        _show_preview(job, targets, await preview(job, store, SystemChance(), system_clock()))
        return
    path: Path = options["results"] or file.path.with_name(file.path.name + RESULTS_SUFFIX)
    with ResultFile(path) as results:
        line, began = ProgressLine(), monotonic()
        shared = configuration.database if configuration.database != MEMORY else None
        after_section = toxic_beside(store, directory)[1].catch_up if quarantines(directory) else None
        imports = Import(job, store, SystemChance(), results, shared, after_section)
        ended = await imports.run(system_clock(), lambda stage: line.draw(_bar(stage)))
        line.clear()
        _show_end(ended, path, monotonic() - began)


def read_mapping_file(path: Path | None, words: Words = IMPORT_WORDS) -> ColumnMapping:
    """Read the mapping file, or end the program with all its faults."""
    if path is None:
        return ColumnMapping({}, words)
    try:
        with path.open("rb") as file:
            text = file.read(MAPPING_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} can't be read: {error}") from error
    mapping = read_mapping(text, words)
    if isinstance(mapping, InvalidMapping):
        for fault in mapping.faults:
            where = f"{path}:{fault.line}: {fault.path}: " if fault.path else f"{path}:{fault.line}: "
            _report(where, fault.message, fault.allowed)
        _give_up(len(mapping.faults), path)
    return mapping


def targets_of(file: ImportFile, mapping: ColumnMapping, *, may_lack: bool = False) -> dict[str, Target]:
    """Say what the file's columns mean, or end the program with every column that can't be imported.

    `may_lack` says that columns may be missing which are usually needed. Of JSON Lines only the first lines are looked at: a column may come later, and so the lack of one is only told.
    """
    columns = file.sampled_columns()
    is_whole = file.format is not FileFormat.JSON_LINES
    targets = mapping.targets(columns, whole=is_whole and not may_lack)
    if isinstance(targets, InvalidColumns):
        for fault in targets.faults:
            where = f"{file.path.name}: column {fault.column}: " if fault.column else f"{file.path.name}: "
            _report(where, fault.message, fault.allowed)
        _give_up(len(targets.faults), file.path)
    if not is_whole and mapping.unseen(columns):
        names = ", ".join(mapping.unseen(columns))
        click.secho(f"warning: the first lines have no {names}, which the mapping file names", fg="yellow", err=True)
    return dict(zip(columns, targets, strict=True))


def _report(where: str, message: str, allowed: str | None) -> None:
    click.echo(click.style(where, bold=True) + message, err=True)
    if allowed:
        click.echo(f"    allowed: {allowed}", err=True)


def _give_up(count: int, path: Path) -> NoReturn:
    raise click.ClickException(f"{count} {'fault' if count == 1 else 'faults'} in {path}; nothing was imported.")


def door_named(configuration: Configuration, directory: Directory, wanted: str) -> Door:
    """Find the input with this key, or else with this name if only one has it."""
    door = directory.door(wanted)
    if door is not None:
        return door
    named = [one for _, one in configuration.inputs() if one.name == wanted]
    if len(named) == 1:
        door = directory.door(named[0].key)
        if door is not None:
            return door
    names = ", ".join(sorted({one.name for _, one in configuration.inputs()})) or "there is none"
    problem = (
        "several inputs have this name; give the key of one" if named else f"no input has this key or name ({names})"
    )
    raise click.UsageError(f"--input {wanted}: {problem}")


def channel_of(door: Door) -> Channel:
    """Return how what comes through an input is taken: from a server, a feed, or a partner."""
    if not door.input.is_feed:
        return Channel.SERVER
    return Channel.FEED if door.input.feed == CUSTOM_FEED else Channel.PARTNER


def _bar(stage: Stage) -> str:
    width = 30
    done = round(width * stage.fraction)
    return f"[{'#' * done}{'-' * (width - done)}] {stage.fraction:4.0%}  {_counts(stage.tally)}"


def _counts(tally: Tally) -> str:
    outcomes = ", ".join(f"{tally.outcomes.get(one.value, 0):,} {one.value}" for one in RowOutcome)
    return f"{tally.rows:,} rows: {outcomes}"


def _show_reasons(tally: Tally) -> None:
    for reason, count in sorted(tally.reasons.items(), key=lambda one: -one[1]):
        click.echo(f"  refused {count:,}: {reason}")


def _show_end(ended: Ended, path: Path, seconds: float) -> None:
    if ended.was_finished:
        click.echo("This file was imported before; nothing was done.")
    click.echo(_counts(ended.tally))
    _show_reasons(ended.tally)
    if not ended.was_finished:
        click.echo(f"took {seconds:.1f} s")
    click.echo(f"each row's outcome: {path}")


def _show_preview(job: Job, targets: dict[str, Target], shown: Preview) -> None:
    what = "brings profiles over" if job.reading.brings_over else "updates and finds users"
    click.echo(f"{job.file.path.name} ({job.file.format.value}) through {job.door.input.name}: {what}\n")
    width = max((len(column) for column in targets), default=0)
    for column, target in targets.items():
        click.echo(f"  {column:{width}}  {target}")
    click.echo(f"\nthe first rows ({PREVIEW_ROWS:,} at most) would come to: {_counts(shown.decided)}")
    _show_reasons(shown.decided)
    for one in shown.first:
        click.echo(f"  row {one.row}: {one.outcome.value}{f' ({one.message})' if one.message else ''}")
    if shown.rows > shown.decided.rows:
        click.echo(
            f"of the other {shown.rows - shown.decided.rows:,} rows {sum(shown.unreadable.values()):,} would be refused"
        )
        for reason, count in sorted(shown.unreadable.items(), key=lambda one: -one[1]):
            click.echo(f"  refused {count:,}: {reason}")
    for one in shown.refused:
        click.echo(f"  row {one.row}: {one.reason}: {one.message}")
    click.echo("nothing was written.")
