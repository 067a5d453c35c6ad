"""`knownas retention`: removes now what is older than it may be kept, or counts it."""

from pathlib import Path

import click

from knownas.cli.configured import config_option
from knownas.cli.stored import configured, with_store
from knownas.config.values import RetentionSettings
from knownas.service.identity.receipts import rfc3339
from knownas.service.retention import Report, forget
from knownas.service.server import system_clock
from knownas.store.port import Store


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
def retention(config_file: Path | None, *, dry_run: bool) -> None:
    """Remove what is older than it may be kept.

    A running server does so once a day. This does it now, beside the server or without one, in the same small steps;
    interrupted, it can be run again. Where the configuration has `retention.dry_run`, it only counts too.
    """
    configuration, _ = configured(config_file)
    settings = configuration.retention

    async def work(store: Store) -> None:
        report = await forget(configuration, store, system_clock, dry_run=dry_run or settings.dry_run)
        for line in _table(settings, report):
            click.echo(line)
        click.echo(_outcome(report, asked=dry_run))

    with_store(configuration, work)


def _table(settings: RetentionSettings, report: Report) -> list[str]:
    """Write what was found, a line a kind."""
    bounds = report.bounds
    rows = (
        ("event batches", settings.events_days, bounds.events_ms, report.events),
        ("ids and receipts of requests", settings.requests_days, bounds.requests_ms, report.requests),
        ("what workspaces know of users", settings.sections_days, bounds.sections_ms, report.sections),
        ("what outputs were told", settings.deliveries_days, bounds.deliveries_ms, report.deliveries),
    )
    head = f"{'':29}  {'kept for':>10}  {'older than':20}  {'found':>12}"
    return [
        head,
        *(
            f"{name:29}  {f'{days} days':>10}  {rfc3339(ms, 'seconds'):20}  {found:12,}"
            for name, days, ms, found in rows
        ),
    ]


def _outcome(report: Report, *, asked: bool) -> str:
    if report.dry_run:
        why = "" if asked else " The configuration says retention.dry_run: take it out to remove them."
        return f"A dry run: nothing was removed.{why}"
    rest = "" if report.finished else " More is left: run it again."
    return f"{report.removed:,} removed.{rest}"
