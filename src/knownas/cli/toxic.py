"""`knownas toxic`: lists the values that behave unlike a person's, releases them, and blocks others."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click

from knownas.cli.configured import config_option
from knownas.cli.stored import configured, with_store
from knownas.core.identity.kinds import Identity, InvalidIdentity, Surface, identity, types_named_on
from knownas.core.identity.observation import Environment
from knownas.service.identity.question import Rules
from knownas.service.security.directory import Directory, open_directory
from knownas.service.server import system_clock
from knownas.service.toxic.beside import toxic_beside
from knownas.service.toxic.deciding import TAKEN_UP_AFTER_MS, Judgement, ToxicIdentities
from knownas.service.toxic.showing import show_value
from knownas.store.port import Pool, Store

_Work = Callable[[ToxicIdentities, Store, Pool], Awaitable[None]]
_TYPES: Final = types_named_on(Surface.IDSYNC)


def _place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where to look."""
    command = click.option("--scope", metavar="NAME", help="The identity scope; needed if there are several.")(command)
    return click.option(
        "--environment",
        type=click.Choice([one.value for one in Environment]),
        default=Environment.PRODUCTION.value,
        show_default=True,
        help="Whose values.",
    )(command)


@click.group()
def toxic() -> None:
    """Look through values that behave unlike a person's; release and block them."""


@toxic.command("list")
@config_option
@_place
def list_values(config_file: Path | None, scope: str | None, environment: str) -> None:
    """List the values that are watched, quarantined or released, with whom they have met."""

    async def work(identities: ToxicIdentities, store: Store, pool: Pool) -> None:
        values = identities.listed.of(pool)
        for value in values:
            shown = await show_value(store, value)
            met = value.met
            click.echo(f"{value.state:11}  {value.type} {value.value}")
            click.echo(f"  since {shown['since']}: {value.reason}; history: {value.past}")
            click.echo(f"  met {met.known_users} users, {met.devices} devices; held by {value.joined} profiles")
        click.echo(f"{len(values)} values of {pool.scope}.")

    _run(config_file, scope, environment, work)


@toxic.command("release")
@config_option
@_place
@click.argument("type_", metavar="TYPE")
@click.argument("value")
@click.option("--preview", is_flag=True, help="Only say what would change.")
def release_value(
    config_file: Path | None, scope: str | None, environment: str, type_: str, value: str, *, preview: bool
) -> None:
    """Let a VALUE of a TYPE count again, in everything that was ever said with it."""
    one = _identity(type_, value)

    async def work(identities: ToxicIdentities, _store: Store, pool: Pool) -> None:
        _tell(await identities.release(pool, one, preview=preview), preview=preview)

    _run(config_file, scope, environment, work)


@toxic.command("block")
@config_option
@_place
@click.argument("type_", metavar="TYPE")
@click.argument("value")
@click.option("--preview", is_flag=True, help="Only say what would change.")
def block_value(
    config_file: Path | None, scope: str | None, environment: str, type_: str, value: str, *, preview: bool
) -> None:
    """Quarantine a VALUE of a TYPE by hand: it matches nothing and joins nobody."""
    one = _identity(type_, value)

    async def work(identities: ToxicIdentities, _store: Store, pool: Pool) -> None:
        _tell(await identities.block(pool, one, preview=preview), preview=preview)

    _run(config_file, scope, environment, work)


def _run(config_file: Path | None, scope: str | None, environment: str, work: _Work) -> None:
    configuration, _ = configured(config_file)

    async def opened(store: Store) -> None:
        directory = await open_directory(configuration, store, system_clock(), publish=False)
        rules = _rules(directory, scope)
        # A server may run beside this, and has to know first.
        identities, _ = toxic_beside(store, directory, TAKEN_UP_AFTER_MS)
        await identities.following.take_up()
        await work(identities, store, rules.pool(Environment(environment)))

    with_store(configuration, opened)


def _rules(directory: Directory, scope: str | None) -> Rules:
    scopes = directory.scopes
    name = scope or (next(iter(scopes)) if len(scopes) == 1 else "")
    if name not in scopes:
        raise click.UsageError(f"--scope must name one of {', '.join(sorted(scopes))}")
    return scopes[name]


def _identity(kind: str, value: str) -> Identity:
    if kind not in _TYPES:
        raise click.UsageError(f"{kind} is no identity type; there are {', '.join(sorted(_TYPES))}")
    try:
        return identity(_TYPES[kind], value)
    except InvalidIdentity as error:
        raise click.UsageError(str(error)) from error


def _tell(judgement: Judgement, *, preview: bool) -> None:
    value, changed = judgement.value, judgement.changed
    would = "would be" if preview else "is"
    click.echo(
        f"{value.type} {value.value} {would} {value.state}. {len(changed)} profiles {'would change' if preview else 'changed'}."
    )
    for mpid in changed:
        click.echo(f"  {mpid}")
    if not preview:
        click.echo(f"history: {value.past}")
