"""Writes the lines by which verbs are noted (`cli.noting`): who runs one, into the audit of the database that it works on."""

import asyncio
import os
import pwd
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from knownas.cli.configured import chosen_file
from knownas.cli.first_configuration import kept_configuration
from knownas.config.faults import InvalidConfiguration
from knownas.config.reader import read_configuration
from knownas.core.identity.document import Document
from knownas.service.copy_mark import refuse_half_copied
from knownas.service.security.auditing import EVERYBODY, ON_COMMAND_LINE, UNTOLD, Auditing, persons_in
from knownas.service.server import system_clock
from knownas.store.errors import StoreError
from knownas.store.opening import MEMORY, SQLITE, open_store

WHO_CHARACTERS_MAX: Final = 128
"""Characters of a user's name and of a machine's that are kept."""


def who_runs() -> str:
    """Return who runs this: the user whom the operating system knows, whatever the environment says, and the machine."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    host = socket.gethostname()
    return f"{ON_COMMAND_LINE}{user[:WHO_CHARACTERS_MAX]}@{host[:WHO_CHARACTERS_MAX]}"


def database_of(config_file: Path | None) -> str | None:
    """Return the database that a verb will open; None if it will find none, and say why itself."""
    path = chosen_file(config_file)
    try:
        if path is None:
            kept = kept_configuration()
            return None if kept is None else kept[0].database
        read = read_configuration(path.read_text(encoding="utf-8"), environment=os.environ)
    except (OSError, UnicodeDecodeError):
        return None
    return None if isinstance(read, InvalidConfiguration) else read.database


def _exists(database: str) -> bool:
    """Whether there is a database that another process could read."""
    if database == MEMORY:
        return False
    return not database.startswith(SQLITE) or Path(database.removeprefix(SQLITE)).exists()


def write(database: str | None, what: str) -> bool:
    """Keep that somebody runs a verb; that it could not be kept is said. False if there is no database yet."""
    if database is None or not _exists(database):
        return False
    _write(database, what, [EVERYBODY])
    return True


def write_about(database: str, what: str, answer: Document) -> None:
    """Keep whom the answer of a verb is about; that it could not be kept is said."""
    if _exists(database):
        _write(database, what, persons_in(answer))


def _write(database: str, what: str, mpids: Sequence[int]) -> None:
    try:
        asyncio.run(_kept(database, what, mpids))
    except StoreError as error:
        click.secho(f"warning: the audit could not be written: {error}", fg="yellow", err=True)


async def _kept(database: str, what: str, mpids: Sequence[int]) -> None:
    store = open_store(database)
    try:
        # What is copied is compared row by row: nothing may come in between.
        await refuse_half_copied(store, restores=True)
        auditing = Auditing(store.privacy, system_clock)
        for mpid in mpids:
            auditing.note(mpid, who_runs(), what, UNTOLD)
        await auditing.flush()
    finally:
        await store.close()
