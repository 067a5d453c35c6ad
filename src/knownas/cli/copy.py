"""`knownas copy`: brings everything from one database into another, and proves that it is the same."""

import asyncio
import os
from contextlib import AsyncExitStack

import click

from knownas.batch.copying import Copied, End, NotCopied, Step, copy
from knownas.cli.progress import ProgressLine
from knownas.store.errors import StoreError
from knownas.store.opening import open_copy_end, open_store


@click.command("copy")
@click.option("--from", "source", required=True, help="The database to copy: sqlite:///knownas.db or postgresql://…")
@click.option("--to", "target", required=True, help="An empty database, or one into which this copy was begun.")
@click.option("--no-fold", is_flag=True, help="Leave out folding the log, which takes memory for all records.")
def copy_(source: str, target: str, *, no_fold: bool) -> None:
    """Copy everything from one database into another.

    Stop the servers of both first. Stopped or killed, the same command goes on where it was. In the end all rows are
    counted and compared, and the log is folded and compared with the records.
    """
    os.umask(0o077)
    if source == target:
        raise click.UsageError("--from and --to are the same database")
    line = ProgressLine()
    try:
        done = asyncio.run(_copy(source, target, line, folds=not no_fold))
    except (NotCopied, StoreError) as error:
        line.clear()
        raise click.ClickException(str(error)) from error
    line.clear()
    for part, count in done.rows.items():
        click.echo(f"{part.value:10} {count:14,}  the same")
    if done.profiles_folded is not None:
        click.echo(f"the log folds to the {done.profiles_folded:,} profiles that are there")


async def _copy(source: str, target: str, line: ProgressLine, *, folds: bool) -> Copied:
    async with AsyncExitStack() as opened:
        ends: list[End] = []
        for option, database in (("--from", source), ("--to", target)):
            try:
                tables = open_copy_end(database, makes=database == target)
            except StoreError as error:
                raise click.ClickException(f"{option}: {error}") from error
            opened.push_async_callback(tables.close)
            store = open_store(database)
            opened.push_async_callback(store.close)
            ends.append(End(tables, store))
        there, here = ends
        return await copy(there, here, folds=folds, watch=lambda step: line.draw(told(step)))


def told(step: Step) -> str:
    """Say what a copy is doing."""
    what = step.doing if step.part is None else f"{step.doing} {step.part.value}"
    return f"{what}: {step.rows:,}"
