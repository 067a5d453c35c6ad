"""Assembles the command line from its verbs."""

import click

from knownas import __version__
from knownas.cli.audit import audit
from knownas.cli.backfill import backfill_
from knownas.cli.backup import backup
from knownas.cli.check import check
from knownas.cli.copy import copy_
from knownas.cli.demo import demo
from knownas.cli.evidence import evidence
from knownas.cli.explain import explain
from knownas.cli.import_ import import_
from knownas.cli.init import init
from knownas.cli.keys import keys
from knownas.cli.ledger import ledger
from knownas.cli.migrate import migrate
from knownas.cli.privacy import privacy
from knownas.cli.rehearse import rehearse_
from knownas.cli.resolve import resolve
from knownas.cli.restore import restore_
from knownas.cli.retention import retention
from knownas.cli.serve import serve
from knownas.cli.toxic import toxic
from knownas.cli.undo import undo
from knownas.cli.verify import verify_
from knownas.cli.verify_evidence import verify_evidence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="knownas")
def main() -> None:
    """An open, self-hosted identity resolution server: which person is this?"""


for verb in (
    serve,
    demo,
    init,
    check,
    explain,
    undo,
    keys,
    import_,
    backfill_,
    copy_,
    backup,
    restore_,
    ledger,
    migrate,
    verify_,
    rehearse_,
    resolve,
    retention,
    toxic,
    privacy,
    audit,
    evidence,
    verify_evidence,
):
    main.add_command(verb)
