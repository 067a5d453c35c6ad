"""`knownas resolve`: resolves the history of a scope again, under the rules of the configuration."""

import asyncio
import json
import os
from typing import Any, NoReturn

import click

from knownas.batch.folding_limits import PROCESSES_MAX
from knownas.batch.rehearsing import RehearsingHow, differing, rehearse, stage_of
from knownas.cli.configured import config_option
from knownas.cli.progress import ProgressLine
from knownas.cli.rehearse import progress, scope_named, show
from knownas.cli.stored import configured, existing_database
from knownas.config.values import Configuration, Scope
from knownas.core.identity.policy import Policy
from knownas.service.history.folds import Differing, Stage, Tell, ToRehearse
from knownas.service.history.resolving import Resolved, Resolving, resolved_document
from knownas.service.server import open_service
from knownas.store.errors import StoreError
from knownas.store.opening import open_store


@click.command("resolve")
@config_option
@click.option("--scope", help="The identity scope; may be left out where there is only one.")
@click.option("--preview", is_flag=True, help="Show what it would come to; write nothing.")
@click.option(
    "--processes", type=click.IntRange(1, PROCESSES_MAX), help="Processes that fold; by default one a processor."
)
@click.option("--json", "as_json", is_flag=True, help="Print what it came to as JSON.")
def resolve(**options: Any) -> None:
    """Resolve a scope's history again, as if the rules of the configuration had always held.

    Profiles that go on keep their MPIDs, and an MPID that goes leads to who answers now. Servers may go on meanwhile. Stopped or
    killed, the same command goes on where it was. Ends with status 1 if something had to be left as it is.
    """
    os.umask(0o077)  # Temporary files hold people's identities.
    configuration, _ = configured(options["config_file"])
    scope = scope_named(configuration, options["scope"])
    database = existing_database(configuration)
    line, how = ProgressLine(), RehearsingHow(processes=options["processes"])
    if options["preview"]:
        rehearsal = ToRehearse(scope.name, scope.policy)
        try:
            rehearsed = asyncio.run(
                rehearse(database, rehearsal, how, lambda pool, step: line.draw(progress(pool, step)))
            )
        except (StoreError, OSError) as error:
            _give_up(line, error)
        line.clear()
        show(rehearsed, as_json=options["as_json"])
        return
    try:
        resolved = asyncio.run(_resolve(configuration, scope, database, options["processes"], line))
    except (StoreError, OSError) as error:
        _give_up(line, error)
    line.clear()
    if options["as_json"]:
        click.echo(json.dumps(resolved_document(resolved), indent=2))
    else:
        _tell(resolved)
    if not resolved.finished or resolved.too_large or resolved.unexplained or resolved.erased:
        raise SystemExit(1)


def _give_up(line: ProgressLine, error: Exception) -> NoReturn:
    line.clear()
    raise click.ClickException(f"{error}. What was corrected stays; the same command goes on from there.") from error


async def _resolve(
    configuration: Configuration, scope: Scope, database: str, processes: int | None, line: ProgressLine
) -> Resolved:
    service = await open_service(configuration, open_store(database))

    async def scan(name: str, policy: Policy, tell: Tell) -> list[Differing]:
        how = RehearsingHow(processes=processes, tells_starts=True)
        watched = rehearse(database, ToRehearse(name, policy), how, lambda pool, step: tell(stage_of(pool, step)))
        return list(differing(await watched))

    def tell(stage: Stage) -> None:
        share = f": {stage.done:,} of {stage.of:,}" if stage.of else ""
        line.draw(f"{scope.name}: {stage.doing}{share}")

    try:
        return await Resolving(service.directory, service.correcting, scan, service.toxic.apart).resolve(
            scope.name, tell
        )
    finally:
        await service.close()


def _tell(resolved: Resolved) -> None:
    click.echo(
        f"{resolved.scope}: resolved under policy version {resolved.policy_version}; {resolved.corrections:,} corrections, "
        f"{resolved.changed:,} profiles changed"
    )
    for why, left in (
        ("more lines than are folded at once could have influenced each other", resolved.too_large),
        ("the log does not explain what is kept; `knownas verify` names it", resolved.unexplained),
        ("a profile that was erased would have been another one", resolved.erased),
    ):
        if left:
            named = ", ".join(str(one) for one in left[:10] if one)
            click.echo(f"  left as they are: {len(left):,} components ({why}), such as that of {named}")
    if not resolved.finished:
        click.echo("  others have written all the time, so that something may be left; run it again")
