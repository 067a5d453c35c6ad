"""Brings a SQLite file's layout up to date when somebody asks for it, and tells what was done."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite import connection as files


def migrate(path: Path, tell: Callable[[str], None]) -> None:
    """Bring a file's layout up to date and tell what that was.

    Raises:
        StoreError: it is not there, can't be opened, or has a layout of a newer knownas.
    """
    if not path.exists():
        raise StoreUnavailable(f"there is no database {path} yet; start the server once")
    opened = files.open_connection(path)
    try:
        with files.named_errors():
            before = cast("int", opened.pragma("user_version"))
        files.migrate(opened)
        with files.named_errors():
            after = cast("int", opened.pragma("user_version"))
    finally:
        opened.close()
    tell(
        f"{path} has layout {after} already."
        if before == after
        else f"{path}: brought from layout {before} to {after}."
    )
