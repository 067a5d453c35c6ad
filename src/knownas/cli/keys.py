"""`knownas keys`: gives inputs and workspaces new keys while the old ones still open, lists them, and ends them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from knownas.cli.configured import config_option
from knownas.cli.stored import configured, with_store
from knownas.config.values import Configuration, Input, Workspace
from knownas.service.identity.receipts import rfc3339
from knownas.service.security.keys import (
    TAKEN_UP_WITHIN_SECONDS,
    Holder,
    Holding,
    KeyChain,
    fresh_pair,
    read_changes,
    revoke,
    rotate,
)
from knownas.service.security.resealing import reseal
from knownas.service.server import system_clock
from knownas.store.port import Store

VALID_FOR_DAYS_MAX: Final = 365
"""The longest that an old pair may stay valid beside the new one."""

_DURATION: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _duration(_context: click.Context, _parameter: click.Parameter, given: str) -> int:
    """Return a length of time such as 7d, 12h, 30m or 0s in milliseconds."""
    found = _DURATION.fullmatch(given)
    length = None if found is None else int(found[1]) * _UNIT_MS[found[2]]
    if length is None or length > VALID_FOR_DAYS_MAX * _UNIT_MS["d"]:
        raise click.BadParameter(f"{given!r} is not a number with s, m, h or d, at most {VALID_FOR_DAYS_MAX}d")
    return length


@dataclass(frozen=True, slots=True)
class _Bearer:
    """An input, or a workspace's own pair, as the configuration has it."""

    workspace: Workspace
    input: Input | None

    @property
    def holder(self) -> Holder:
        if self.input is None:
            return Holder(Holding.WORKSPACE, self.workspace.id, self.workspace.key, self.workspace.secret)
        return Holder(Holding.INPUT, self.workspace.id, self.input.key, self.input.secret)

    def __str__(self) -> str:
        place = f"workspace {self.workspace.name} ({self.workspace.id})"
        return place if self.input is None else f"input {self.input.name} of {place}"


@click.group()
def keys() -> None:
    """Change keys and secrets without an outage."""


@keys.command("rotate")
@config_option
@click.option("--input", "input_name", metavar="NAME_OR_KEY", help="The input, by its name or a valid key of it.")
@click.option(
    "--workspace", "workspace_name", metavar="NAME", help="The workspace, by name, id or key. Alone: its own pair."
)
@click.option(
    "--valid-for",
    callback=_duration,
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="How long the old pair stays valid.",
)
@click.option("--now", is_flag=True, help="End an older pair that is still valid.")
def rotate_keys(
    config_file: Path | None, input_name: str | None, workspace_name: str | None, valid_for: int, *, now: bool
) -> None:
    """Give an input, or a workspace, a new key and secret. They are shown once.

    The pair it has now stays valid for a while, so that its users can be moved. A running server takes the new pair
    up without a restart.
    """
    configuration, secret_keys = configured(config_file)
    fresh = fresh_pair()

    async def work(store: Store) -> None:
        bearer = _meant(configuration, await read_changes(store), input_name, workspace_name)
        done = await rotate(store, secret_keys, bearer.holder, fresh, system_clock(), valid_for, now=now)
        click.echo(f"The {bearer} has a new pair. It is shown once; keep it.\n")
        click.echo(f"  key     {fresh[0]}\n  secret  {fresh[1].reveal()}\n")
        click.echo(f"The old key {done.replaces} is valid until {rfc3339(done.replaced_until_ms, 'seconds')}.")
        click.echo(_TAKEN_UP)

    with_store(configuration, work)


@keys.command("list")
@config_option
def list_keys(config_file: Path | None) -> None:
    """List the keys that are valid now, with the end of those that have one. Secrets are never shown."""
    configuration, _ = configured(config_file)

    async def work(store: Store) -> None:
        chain = await read_changes(store)
        now_ms = system_clock()
        for bearer in _bearers(configuration):
            holder = bearer.holder
            click.echo(f"{bearer}")
            replaced = chain.replaced(holder.holding, holder.key, now_ms)
            if replaced is not None:
                click.echo(f"  {replaced[0]:34} until {rfc3339(replaced[1], 'seconds')}")
            click.echo(f"  {chain.current(holder.holding, holder.key):34} newest")

    with_store(configuration, work)


@keys.command("revoke")
@config_option
@click.argument("key")
def revoke_key(config_file: Path | None, key: str) -> None:
    """End the older KEY of an input or workspace now, before its time."""
    configuration, _ = configured(config_file)

    async def work(store: Store) -> None:
        chain = await read_changes(store)
        bearer = _only([one for one in _bearers(configuration) if key in _keys(chain, one)], f"key {key}")
        await revoke(store, bearer.holder, key, system_clock())
        click.echo(f"The key {key} of the {bearer} has ended. {_TAKEN_UP}")

    with_store(configuration, work)


@keys.command("reseal")
@config_option
@click.option(
    "--old-key",
    "old_key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file with the secret keys of before, if the server is not given them any more.",
)
def reseal_keys(config_file: Path | None, old_key: Path | None) -> None:
    """Seal all secrets in the database under the newest secret key.

    Then the older secret keys are not needed any more. What an older version left plain is sealed too.
    """
    configuration, secret_keys = configured(config_file, old_key)

    async def work(store: Store) -> None:
        done = await reseal(store, secret_keys, configuration.privacy.domain)
        told = [f"{done.pairs} secrets of rotated pairs"]
        told += ["the key that signs tokens"] * done.signing_key
        told += ["the key by which erased people are kept out"] * done.suppression_key
        told += ["the key that signs for data subjects"] * done.processor_key
        told += ["the key of the console's sessions"] * done.session_key
        told += ["the first configuration" + (", which lay plain" if done.was_plain else "")] * done.configuration
        click.echo(f"Sealed under the newest secret key: {', '.join(told)}. The rest was already.")

    with_store(configuration, work)


_TAKEN_UP: Final = f"A running server takes that up within {TAKEN_UP_WITHIN_SECONDS:g} seconds."


def _bearers(configuration: Configuration) -> Iterator[_Bearer]:
    for workspace in configuration.workspaces():
        yield _Bearer(workspace, None)
        for one in workspace.inputs:
            yield _Bearer(workspace, one)


def _keys(chain: KeyChain, bearer: _Bearer) -> tuple[str, ...]:
    """Return every key from the configured one on."""
    return chain.keys(bearer.holder.holding, bearer.holder.key)


def _meant(
    configuration: Configuration, chain: KeyChain, input_name: str | None, workspace_name: str | None
) -> _Bearer:
    if input_name is None and workspace_name is None:
        raise click.UsageError("give --input NAME_OR_KEY, or --workspace NAME for a workspace's own pair")
    bearers = list(_bearers(configuration))
    if workspace_name is not None:
        named = [
            one
            for one in bearers
            if one.input is None and workspace_name in (one.workspace.name, str(one.workspace.id), *_keys(chain, one))
        ]
        own = _only(named, f"workspace {workspace_name}")
        if input_name is None:
            return own
        bearers = [one for one in bearers if one.workspace.id == own.workspace.id]
    found = [one for one in bearers if one.input is not None and input_name in (one.input.name, *_keys(chain, one))]
    return _only(found, f"input {input_name}")


def _only(found: list[_Bearer], what: str) -> _Bearer:
    if not found:
        raise click.ClickException(f"the configuration has no {what}; `knownas keys list` lists them")
    if len(found) > 1:
        listed = "; ".join(str(one) for one in found)
        raise click.ClickException(f"there is more than one {what}: {listed}. Give --workspace too, or a key")
    return found[0]
