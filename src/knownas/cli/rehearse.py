"""`knownas rehearse`: shows what other rules would make of a scope's history, before anybody publishes them."""

import asyncio
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from knownas.batch.folding import FoldStep
from knownas.batch.folding_limits import PROCESSES_MAX
from knownas.batch.import_mapping import HISTORY_WORDS
from knownas.batch.import_reading import UnreadableFile, open_import_file
from knownas.batch.import_rows import Reading
from knownas.batch.rehearsing import Rehearsed, RehearsingHow, Watch, rehearse, report_document
from knownas.batch.rehearsing_file import log_of_file
from knownas.cli.configured import config_option
from knownas.cli.import_ import read_mapping_file, targets_of
from knownas.cli.progress import ProgressLine
from knownas.cli.rehearsal_report import told
from knownas.cli.stored import configured, existing_database
from knownas.config.faults import InvalidConfiguration
from knownas.config.policies import read_policy
from knownas.config.values import Configuration, Scope
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Policy
from knownas.core.profile.event import Channel
from knownas.service.history.folds import ToRehearse
from knownas.store.errors import StoreError
from knownas.store.port import Pool

POLICY_BYTES_MAX: Final = 1_000_000
"""The longest file with a policy."""


def _time(_context: click.Context, _parameter: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("give a time of RFC 3339 with its offset, such as 2026-05-03T12:00:00Z")
    return int(moment.timestamp() * 1000)


@click.command("rehearse")
@config_option
@click.option("--scope", help="The identity scope; may be left out where there is only one.")
@click.option(
    "--policy",
    "policy_file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The rules to rehearse, as a scope of the configuration has them (YAML or JSON).",
)
@click.option("--from", "from_ms", callback=_time, metavar="TIME", help="Only what was observed from this time on.")
@click.option("--to", "to_ms", callback=_time, metavar="TIME", help="Only what was observed up to this time.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Rehearse on the observations of a file (CSV, JSON Lines, Parquet), as import and backfill take it.",
)
@click.option(
    "--mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="What its columns mean (YAML)."
)
@click.option(
    "--environment",
    type=click.Choice([one.value for one in Environment]),
    default=Environment.PRODUCTION.value,
    show_default=True,
    help="Of the file's rows that don't name one.",
)
@click.option(
    "--processes", type=click.IntRange(1, PROCESSES_MAX), help="Processes that fold; by default one a processor."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def rehearse_(**options: Any) -> None:
    """Show what a scope's history would come to under other rules: who would be joined, parted, or called otherwise.

    Folds what was observed under the rules that were in force and under those of the file, and compares. Writes nothing.
    """
    os.umask(0o077)  # Temporary files hold people's identities.
    configuration, _ = configured(options["config_file"])
    scope = scope_named(configuration, options["scope"])
    policy = _policy(options["policy_file"])
    refuse_other_pools(scope, policy)
    line = ProgressLine()
    how = RehearsingHow(processes=options["processes"])
    rehearsal = ToRehearse(scope.name, policy, options["from_ms"], options["to_ms"])
    watch: Watch = lambda pool, step: line.draw(progress(pool, step))  # noqa: E731
    try:
        if options["file"] is None:
            rehearsed = asyncio.run(rehearse(existing_database(configuration), rehearsal, how, watch))
        else:
            rehearsed = asyncio.run(_of_file(options, scope, rehearsal, how, watch))
    except (StoreError, UnreadableFile, OSError) as error:
        line.clear()
        raise click.ClickException(f"it could not be rehearsed: {error}") from error
    line.clear()
    show(rehearsed, as_json=options["as_json"])


async def _of_file(
    options: dict[str, Any], scope: Scope, rehearsal: ToRehearse, how: RehearsingHow, watch: Watch
) -> Rehearsed:
    file = open_import_file(options["file"])
    mapping = read_mapping_file(options["mapping"], HISTORY_WORDS)
    targets_of(file, mapping, may_lack=True)
    reading = Reading(mapping, Environment(options["environment"]), Channel.FEED)
    async with log_of_file(file, reading, scope.name, scope.policy) as made:
        for reason, count in sorted(made.refused.items()):
            click.echo(f"{count:,} rows are left out: {reason}", err=True)
        return await rehearse(made.database, rehearsal, how, watch)


def _policy(file: Path) -> Policy:
    """Read a policy from a file, or end the program with all its faults."""
    try:
        with file.open("rb") as opened:
            text = opened.read(POLICY_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} can't be read: {error}") from error
    policy = read_policy(text, os.environ)
    if isinstance(policy, InvalidConfiguration):
        for fault in policy.faults:
            click.echo(f"{file}:{fault}", err=True)
        count = len(policy.faults)
        raise click.ClickException(f"{count} {'fault' if count == 1 else 'faults'} in {file}")
    return policy


def scope_named(configuration: Configuration, name: str | None) -> Scope:
    """Return the scope of a name, or the only one there is; or end the program."""
    if name is None and len(configuration.scopes) == 1:
        return configuration.scopes[0]
    for one in configuration.scopes:
        if one.name == name:
            return one
    allowed = ", ".join(sorted(one.name for one in configuration.scopes))
    raise click.BadParameter(f"name one of: {allowed}", param_hint="--scope")


def refuse_other_pools(scope: Scope, policy: Policy) -> None:
    """End the program if a policy would keep profiles in other pools: then there is nothing to compare."""
    if policy.settings.environment_pools is not scope.policy.settings.environment_pools:
        raise click.ClickException(
            "settings.environment_pools can't be rehearsed: it decides which pools there are, and each is folded by itself"
        )


def progress(pool: Pool, step: FoldStep) -> str:
    """Say how far a fold is."""
    share = f": {step.lines:,} of {step.of:,}" if step.of else ""
    return f"{pool.scope} ({pool.environment or 'shared'}): {step.doing}{share}"


def show(rehearsed: Rehearsed, *, as_json: bool) -> None:
    """Print a report for people or for programs."""
    document = report_document(rehearsed)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for text in told(rehearsed):
        click.echo(text)
