"""`knownas console`: what the console's configuration needs and nobody can write by hand."""

import sys

import click

from knownas.console.limits import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from knownas.console.passwords import hash_password as hashed


@click.group()
def console() -> None:
    """Prepare who signs in to the console."""


@console.command("hash-password")
def hash_password() -> None:
    """Print the hash of a password, quoted, for `console.users` of the configuration.

    The password is asked for, twice and unseen; or read from standard input, where that is no terminal.
    """
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline(PASSWORD_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise click.ClickException(
            f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX:,} characters; a few words make a good one"
        )
    # A hash has commas, which end a value where YAML is written on one line.
    click.echo(f"'{hashed(password)}'")
