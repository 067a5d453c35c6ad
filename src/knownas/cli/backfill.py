"""`knownas backfill`: folds years of history into a new pool, as if each observation had been sent when it was made."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

import click

from knownas.batch.backfill.folding import Sender, fold_job, stored_policy
from knownas.batch.backfill.jobs import BackfillJob, Engine, Stage
from knownas.batch.backfill.kinds import ENVIRONMENTS
from knownas.batch.backfill.limits import (
    FILES_MAX,
    LARGEST_COMPONENT,
    LARGEST_COMPONENT_MAX,
    MEMORY_MEGABYTES,
    MEMORY_MEGABYTES_MIN,
    PROCESSES_MAX,
)
from knownas.batch.backfill.loading import NotLoadable
from knownas.batch.backfill.local import LocalEngine
from knownas.batch.backfill.processes import FoldingStopped
from knownas.batch.backfill.reading import HistoryReading
from knownas.batch.backfill.running import Report, Target, WorkFolder, backfill
from knownas.batch.backfill.screening import Screening
from knownas.batch.backfill.spark import SparkEngine, spark_session
from knownas.batch.import_mapping import HISTORY_WORDS, ColumnMapping
from knownas.batch.import_reading import ImportFile, UnreadableFile, open_import_file
from knownas.batch.import_results import digest_of
from knownas.batch.import_rows import Reading
from knownas.cli.configured import config_option
from knownas.cli.import_ import (
    channel_of,
    configuration_of,
    door_named,
    read_mapping_file,
    targets_of,
)
from knownas.cli.progress import ProgressLine
from knownas.config.values import Configuration
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel
from knownas.service.identity.policies import encode_policy
from knownas.service.security.directory import Directory, Door, open_directory
from knownas.service.server import system_clock
from knownas.store.errors import StoreError
from knownas.store.opening import open_bulk_end, open_store

WORK: Final = "backfill.work"
REPORT: Final = "backfill.report.json"
REFUSED: Final = "backfill.refused.csv"
_SHOWN: Final = 10


@click.command("backfill")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILES..."
)
@config_option
@click.option("--input", "input_name", required=True, help="The key, or the name, of the input that rows came through.")
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
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True)
@click.option("--spark-master", help="Where Spark runs, as spark-submit takes it; what Spark is configured for.")
@click.option(
    "--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="A folder for the steps."
)
@click.option("--report", type=click.Path(path_type=Path), default=REPORT, show_default=True, help="What came of it.")
@click.option("--refused", type=click.Path(path_type=Path), default=REFUSED, show_default=True, help="Refused rows.")
@click.option(
    "--largest-component",
    type=click.IntRange(2, LARGEST_COMPONENT_MAX),
    default=LARGEST_COMPONENT,
    show_default=True,
    help="Different observations that may be joined before the values that join them are set aside.",
)
@click.option(
    "--memory",
    type=click.IntRange(MEMORY_MEGABYTES_MIN),
    default=MEMORY_MEGABYTES,
    show_default=True,
    help="Of DuckDB, MB.",
)
@click.option("--processes", type=click.IntRange(1, PROCESSES_MAX), help="That fold; as many as there are processors.")
def backfill_(**options: Any) -> None:
    """Fold a history in FILES (CSV, JSON Lines, Parquet) into a scope that nobody has used yet.

    Each row is an observation with its time. Stopped or killed, the same command goes on where it was, and nobody sees
    anything of it before all is there.
    """
    os.umask(0o077)  # What is written holds people's identities.
    configuration = configuration_of(options["config_file"])
    mapping = read_mapping_file(options["mapping"], HISTORY_WORDS)
    paths: tuple[Path, ...] = options["files"]
    if len(paths) > FILES_MAX:
        raise click.UsageError(f"at most {FILES_MAX} files at a time")
    line, began = ProgressLine(), monotonic()
    try:
        files = [open_import_file(path) for path in paths]
        for file in files:
            targets_of(file, mapping)
        report = asyncio.run(_backfill(options, configuration, files, mapping, line))
    except (UnreadableFile, NotLoadable) as error:
        line.clear()
        raise click.ClickException(str(error)) from error
    except (StoreError, FoldingStopped) as error:
        line.clear()
        raise click.ClickException(
            f"{error}. The same command goes on from there; nobody sees any of it yet."
        ) from error
    line.clear()
    options["report"].write_text(json.dumps(report, indent=2) + "\n")
    _show(report, options["report"], monotonic() - began)


async def _backfill(
    options: dict[str, Any],
    configuration: Configuration,
    files: list[ImportFile],
    mapping: ColumnMapping,
    line: ProgressLine,
) -> Report:
    store = open_store(configuration.database)
    try:
        directory = await open_directory(configuration, store, system_clock())
        door = door_named(configuration, directory, options["input_name"])
        environment = Environment(options["environment"])
        senders = _senders(directory, door)
        # Of inputs with the same name, the usual one is meant.
        numbered = list(enumerate(senders))[::-1]
        places = {name: place for place, one in numbered for name in (one.input.name, one.input.key)}
        rules = door.rules
        history = HistoryReading(Reading(mapping, environment, channel_of(door)), places)
        folder = WorkFolder(options["work"])
        state = folder.open(_about(files, history, door, options["largest_component"]))
        state = await folder.knowing_list(state, store, rules)
        screening = Screening(stored_policy(rules.policy, rules.scope), state.listed or ())
        history = replace(history, screening=screening)
        job = fold_job(rules.policy, rules.scope, [_sender(one) for one in senders], bytes.fromhex(state.secret))
        whole = BackfillJob(tuple(files), history, rules.policy, job, options["largest_component"], options["memory"])
        engine = _engine(options, folder.path, whole)
        database = open_bulk_end(configuration.database)
        try:
            target = Target(store, database, rules, system_clock)
            report = await backfill(
                whole, engine, folder, state, target, options["refused"], lambda stage: line.draw(_told(stage))
            )
        finally:
            await database.close()
        folder.remove()
        return report
    finally:
        await store.close()


def _engine(options: dict[str, Any], folder: Path, job: BackfillJob) -> Engine:
    if options["engine"] == "local":
        return LocalEngine(folder, job, options["processes"])
    try:
        session = spark_session(options["spark_master"])
    except ModuleNotFoundError as error:
        raise click.ClickException("Spark is not installed: pip install 'knownas[spark]'") from error
    return SparkEngine(folder, job, session)


def _senders(directory: Directory, door: Door) -> list[Door]:
    """Return the inputs that rows may have come through, the usual one first: those of its scope that read alike."""
    is_partner = channel_of(door) is Channel.PARTNER
    others = [
        one
        for one in directory.doors
        if one.rules.scope == door.rules.scope
        and one.input.key != door.input.key
        and (channel_of(one) is Channel.PARTNER) == is_partner
    ]
    return [door, *others]


def _sender(door: Door) -> Sender:
    return Sender(door.input.name, door.may_create, door.workspace.id, channel_of(door))


def _about(files: list[ImportFile], history: HistoryReading, door: Door, largest: int) -> str:
    """Return a digest of all that decides what comes out."""
    reading = history.reading
    mapping = sorted((column, str(target)) for column, target in reading.mapping.given.items())
    rules = f"{door.rules.scope} {door.rules.policy.version} {encode_policy(door.rules.policy).hex()}"
    words = (str(mapping), reading.environment.value, door.input.key, rules, str(largest), *map(str, ENVIRONMENTS))
    digests = [digest_of(file.path, file.path.name, file.format.value) for file in files]
    return digest_of(files[0].path, *digests, *words)


def _told(stage: Stage) -> str:
    if stage.rows is not None:
        return f"{stage.step}: {stage.rows:,} rows"
    return stage.step if stage.fraction is None else f"{stage.step} {stage.fraction:4.0%}"


def _show(report: Report, path: Path, seconds: float) -> None:
    outcomes: Any = report["outcomes"]
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    click.echo(f"{report['rows']:,} rows: {counts}")
    reasons: Any = report["reasons"]
    for reason, count in reasons.items():
        click.echo(f"  refused {count:,}: {reason}")
    aside: Any = report["set_aside"]
    for one in aside[:_SHOWN]:
        click.echo(
            f"  set aside: {one['type']} {one['value']!r}, met by {one['observations']:,} different observations"
        )
    quarantined: Any = report["quarantined"]
    for one in quarantined[:_SHOWN]:
        click.echo(f"  quarantined: {one['type']} {one['value']!r}, in {one['rows']:,} rows")
    click.echo(f"{report['profiles']:,} profiles, {report['log']:,} decisions in the log; took {seconds:.1f} s")
    click.echo(f"more of it: {path}")
