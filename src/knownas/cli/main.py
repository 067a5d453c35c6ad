"""Assembles the command line from its verbs, each loaded when it is used: a verb starts without what the others need."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final, NamedTuple

import click

from knownas import __version__
from knownas.cli.noting import noted


class Verb(NamedTuple):
    """Where a verb is: a module of this package, and the command's name there. `sentence` is what the list of verbs says of it."""

    module: str
    command: str
    sentence: str


VERBS: Final[Mapping[str, Verb]] = MappingProxyType(
    {
        "serve": Verb("serve", "serve", "Start the server."),
        "demo": Verb("demo", "demo", "Serve with an hour of generated traffic."),
        "init": Verb("init", "init", "Write a commented FILE (knownas.yaml) with fresh keys."),
        "check": Verb("check", "check", "Check a configuration file and say what it configures."),
        "explain": Verb(
            "explain",
            "explain",
            "Show why DECISION_ID was decided so, or what a request with these identities would be answered.",
        ),
        "undo": Verb(
            "undo", "undo", "Take DECISION back: everything becomes what it would be had it never been asked."
        ),
        "keys": Verb("keys", "keys", "Change keys and secrets without an outage."),
        "console": Verb("console", "console", "Prepare who signs in to the console."),
        "import": Verb("import_", "import_", "Import FILE: CSV or JSON Lines (also .gz), or Parquet."),
        "backfill": Verb(
            "backfill",
            "backfill_",
            "Fold a history in FILES (CSV, JSON Lines, Parquet) into a scope that nobody has used yet.",
        ),
        "copy": Verb("copy", "copy_", "Copy everything from one database into another."),
        "backup": Verb(
            "backup",
            "backup",
            "Write all that the database holds into a SQLite file, as of one moment, while servers work.",
        ),
        "restore": Verb(
            "restore",
            "restore_",
            "Restore a backup into the configuration's database, which must be empty, and erase again who was erased after it.",
        ),
        "ledger": Verb(
            "ledger",
            "ledger",
            "Write the ledger of erasures: what `knownas restore` needs to erase again who was erased after a backup.",
        ),
        "migrate": Verb("migrate", "migrate", "Bring a database's layout up to date."),
        "verify": Verb("verify", "verify_", "Prove that the records are what the log folds to."),
        "rehearse": Verb(
            "rehearse",
            "rehearse_",
            "Show what a scope's history would come to under other rules: who would be joined, parted, or called otherwise.",
        ),
        "resolve": Verb(
            "resolve",
            "resolve",
            "Resolve a scope's history again, as if the rules of the configuration had always held.",
        ),
        "retention": Verb("retention", "retention", "Remove what is older than it may be kept."),
        "toxic": Verb("toxic", "toxic", "Look through values that behave unlike a person's; release and block them."),
        "privacy": Verb("privacy", "privacy", "Look at requests of data subjects."),
        "audit": Verb(
            "audit",
            "audit",
            "List who read or changed a person's data: through the admin API, the Profile API, and by verbs that open the database.",
        ),
        "tail": Verb(
            "tail",
            "tail",
            "Follow what comes through the inputs of a running server, and what it is answered, until Ctrl-C.",
        ),
        "evidence": Verb(
            "evidence", "evidence", "Write out the evidence of what became of data subjects' requests, signed."
        ),
        "verify-evidence": Verb(
            "verify_evidence",
            "verify_evidence",
            "Check FILE: a certificate (JSON or PDF), a head of the chain, or a whole chain that was written out.",
        ),
    }
)
"""The verbs, in the order in which somebody meets them."""


class Verbs(click.Group):
    """The verbs of the command line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb; None if there is none of this name."""
        del ctx
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        return _loaded(verb)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the verbs, without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.sentence) for name, verb in VERBS.items()])


@cache
def _loaded(verb: Verb) -> click.Command:
    """Load a verb, once, and let it be noted whenever it is run."""
    command = getattr(import_module(f"knownas.cli.{verb.module}"), verb.command)
    if not isinstance(command, click.Command):
        raise AssertionError(f"{verb.command} is no command")  # noqa: TRY004 - a fault of ours
    return noted(command)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="knownas")
def main() -> None:
    """An open, self-hosted identity resolution server: which person is this?"""
