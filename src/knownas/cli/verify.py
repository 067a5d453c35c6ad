"""`knownas verify`: folds the log again, and names every profile that is not stored as it folds."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from knownas import __version__
from knownas.batch.folding import FoldStep
from knownas.batch.folding_limits import PROCESSES_MAX
from knownas.batch.verifying import How, PoolVerified, pool_document, verify
from knownas.batch.verifying_judge import Difference, Why
from knownas.cli.configured import config_option
from knownas.cli.progress import ProgressLine
from knownas.cli.stored import configured, existing_database
from knownas.core.identity.record import Record, Values
from knownas.service.identity.receipts import rfc3339
from knownas.store.errors import StoreError
from knownas.store.port import Pool

NAMED: Final = 20
"""Differences that are shown unless more are asked for."""

NAMED_MAX: Final = 1_000
"""Differences that can be asked for, of each kind."""

DIFFERS: Final = 1
NOT_RUN: Final = 2

_WHY: Final = {
    Why.LOGGED_OTHERWISE: "this observation was logged otherwise than it folds",
    Why.NOT_IN_RECORD: "what this observation changed is not in the record",
    Why.CHANGED_PAST_LOG: "changed past the log, after this last observation of it",
    Why.NOT_IN_LOG: "the log does not make this profile",
}


@click.command("verify")
@config_option
@click.option("--scope", help="Check this identity scope only.")
@click.option(
    "--processes", type=click.IntRange(1, PROCESSES_MAX), help="Processes that fold; by default one a processor."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a report there.")
@click.option(
    "--limit", type=click.IntRange(1, NAMED_MAX), default=NAMED, show_default=True, help="Differences that are shown."
)
@click.option("--no-rows", is_flag=True, help="Leave out comparing the rows by which profiles and lines are found.")
def verify_(
    config_file: Path | None,
    scope: str | None,
    processes: int | None,
    json_file: Path | None,
    limit: int,
    *,
    no_rows: bool,
) -> None:
    """Prove that the records are what the log folds to.

    Reads the whole log, folds it again on all processors and compares each profile with what is stored, while servers go
    on. Names each profile that differs, with the first observation after which it does. Ends with status 0 if nothing
    differs, 1 if something does, 2 if it could not be checked.
    """
    os.umask(0o077)
    configuration, _ = configured(config_file)
    if scope is not None and scope not in {one.name for one in configuration.scopes}:
        raise click.BadParameter(f"there is no scope {scope!r} in the configuration", param_hint="--scope")
    try:
        database = existing_database(configuration)
    except click.ClickException as error:
        # Its own status is that of a database in which something differs.
        _not_run(error.message)
    line = ProgressLine()
    try:
        verified = asyncio.run(
            verify(
                database,
                How(processes=processes, scope=scope, rows=not no_rows),
                lambda pool, step: line.draw(_progress(pool, step)),
            )
        )
    except (StoreError, OSError) as error:
        line.clear()
        _not_run(f"it could not be checked: {error}")
    line.clear()
    if json_file is not None:
        document = {"knownas": __version__, "pools": [pool_document(one) for one in verified]}
        json_file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for one in verified:
        _tell(one, limit)
    wrong = sum(one.wrong for one in verified)
    click.echo("everything is as the log folds" if wrong == 0 else f"{wrong:,} differences")
    if wrong:
        raise SystemExit(DIFFERS)


def _not_run(why: str) -> NoReturn:
    click.echo(f"Error: {why}", err=True)
    raise SystemExit(NOT_RUN)


def _progress(pool: Pool, step: FoldStep) -> str:
    share = f": {step.lines:,} of {step.of:,}" if step.of else ""
    return f"{_named(pool)}: {step.doing}{share}"


def _named(pool: Pool) -> str:
    return f"{pool.scope} ({pool.environment or 'shared'})"


def _tell(verified: PoolVerified, limit: int) -> None:
    rate = verified.observations / verified.seconds if verified.seconds else 0.0
    click.echo(
        f"{_named(verified.pool)}: {verified.observations:,} observations, {verified.profiles:,} profiles, "
        f"{verified.components:,} components; {verified.seconds:.1f} s, {rate:,.0f} observations a second"
    )
    for difference in verified.differences[:limit]:
        for text in _difference(difference):
            click.echo(text)
    for one in verified.contradictions[:limit]:
        click.echo(f"  {one.what}")
    named = min(limit, len(verified.differences)) + min(limit, len(verified.contradictions))
    if verified.wrong > named:
        click.echo(f"  and {verified.wrong - named:,} more")


def _difference(difference: Difference) -> list[str]:
    told = [f"  profile {difference.mpid}: {_WHY[difference.why]}"]
    if difference.first is not None:
        first = difference.first
        told.append(f"    {first.endpoint} {first.decision_id} at {rfc3339(first.at_ms)}, line {first.seq}")
    if difference.more:
        told.append(f"    {difference.more}")
    told += [f"    {one}" for one in _members(difference.stored, difference.folded)]
    return told


def _members(stored: Record | None, folded: Record | None) -> Sequence[str]:
    """Say what differs between two records."""
    if stored is None or folded is None:
        return ["stored, not folded" if folded is None else "folded, not stored"] if stored is not folded else []
    told = [
        f"{name}: stored {before}, folded {after}"
        for name, before, after in (
            ("known", stored.known, folded.known),
            ("created", rfc3339(stored.created_ms), rfc3339(folded.created_ms)),
            ("source", stored.source_mpid, folded.source_mpid),
        )
        if before != after
    ]
    for name, before, after in (
        ("", stored.identities, folded.identities),
        ("carried ", stored.carried, folded.carried),
    ):
        told += _values(name, before, after)
    return told


def _values(name: str, stored: Values, folded: Values) -> list[str]:
    kinds = sorted({*stored, *folded})
    return [
        f"{name}{kind.value}: stored {_listed(stored.get(kind, ()))}, folded {_listed(folded.get(kind, ()))}"
        for kind in kinds
        if stored.get(kind) != folded.get(kind)
    ]


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(repr, values)) or "nothing"
