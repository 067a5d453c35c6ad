"""Notes who ran a verb that reads or changes what is known of people by opening the database itself (decision 38).

A server notes who asks it; a verb that works beside the server goes past that. So each such verb is noted, in the same list, before it
begins: who ran it, on which machine, and which one, never with what. A verb whose answer is about single persons is noted once
more for each of them, before the answer is shown (`noted_about`). What is noted of a verb stands here and nowhere else; the
verbs that need none are named with the reason.

Where the database can't be written, as a standby can't, the verb goes on and says so: whoever may open the database could do without
any verb.
"""

import functools
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

import click


class Noted(Enum):
    """When a verb is noted, and where."""

    BEFORE = auto()
    """Before it begins, in the database of the configuration; afterwards, if there is none yet."""
    FROM_SOURCE = auto()
    """Before it begins, in the database from which it copies: what is copied has the line too."""
    AFTERWARDS = auto()
    """When it has come to its end: before that the database must be empty."""


VERBS: Final[Mapping[str, Noted]] = {
    "backfill": Noted.BEFORE,
    "backup": Noted.BEFORE,
    "copy": Noted.FROM_SOURCE,
    "explain": Noted.BEFORE,
    "import": Noted.BEFORE,
    "ledger": Noted.BEFORE,
    "rehearse": Noted.BEFORE,
    "resolve": Noted.BEFORE,
    "restore": Noted.AFTERWARDS,
    "retention": Noted.BEFORE,
    "toxic block": Noted.BEFORE,
    "toxic list": Noted.BEFORE,
    "toxic release": Noted.BEFORE,
    "undo": Noted.BEFORE,
    "verify": Noted.BEFORE,
}
"""The verbs that are noted, unless they ask a server, which notes that itself."""

NOT_NOTED: Final[Mapping[str, str]] = {
    "audit": "shows this very list, which each look would make longer",
    "check": "reads the configuration",
    "console hash-password": "makes a hash of what is typed in",
    "demo": "serves people who are made up",
    "evidence": "writes out the chain, in which nobody is named",
    "init": "writes a configuration",
    "keys list": "is about keys",
    "keys reseal": "is about keys",
    "keys revoke": "is about keys",
    "keys rotate": "is about keys",
    "migrate": "changes the layout",
    "privacy let-in": "asks a server",
    "privacy preview": "asks a server",
    "serve": "notes each request itself",
    "tail": "asks a server",
    "verify-evidence": "reads the files that it is given",
}
"""The other verbs, and why nothing is noted of them."""

_WHERE: Final = "knownas.noted"


def noted(command: click.Command, name: str | None = None) -> click.Command:
    """Let a verb, or each verb of a group, be noted when it is run.

    Raises:
        KeyError: nobody has said whether it is to be noted.
    """
    words = name or command.name or ""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            noted(inner, f"{words} {inner.name}")
    elif words in VERBS:
        if command.callback is None:
            raise AssertionError("a verb does something")
        command.callback = _noting(command.callback, words, VERBS[words])
    elif words not in NOT_NOTED:
        raise KeyError(f"is `knownas {words}` to be noted?")
    return command


def noted_about(answer: dict[str, Any]) -> dict[str, Any]:
    """Note the persons whom an answer names, for the verb that is run, and return the answer, to be shown then."""
    context = click.get_current_context()
    where: tuple[str, str] | None = context.meta.get(_WHERE)
    if where is not None:
        from knownas.cli.noted_lines import write_about  # noqa: PLC0415 - only a verb that is noted needs it

        write_about(*where, answer)
    return answer


def _noting(run: Callable[..., Any], words: str, how: Noted) -> Callable[..., Any]:
    @functools.wraps(run)
    def with_note(*given: Any, **options: Any) -> Any:
        if options.get("server"):
            return run(*given, **options)
        from knownas.cli import noted_lines  # noqa: PLC0415 - only a verb that is noted needs it, and it takes long

        what = f"knownas {words}"
        source = options["source"] if how is Noted.FROM_SOURCE else None
        database: str | None = source or noted_lines.database_of(options.get("config_file"))
        is_noted = how is not Noted.AFTERWARDS and noted_lines.write(database, what)
        if database is not None:
            click.get_current_context().meta[_WHERE] = (database, what)
        done = run(*given, **options)
        if not is_noted:
            noted_lines.write(database, what)
        return done

    return with_note
