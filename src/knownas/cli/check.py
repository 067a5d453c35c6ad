"""`knownas check`: says what is wrong with a configuration file, without starting anything."""

from pathlib import Path

import click

from knownas.cli.configured import USUAL_FILE, chosen_file, config_option, read_file, try_processor


@click.command()
@config_option
def check(config_file: Path | None) -> None:
    """Check a configuration file and say what it configures."""
    path = chosen_file(config_file) or USUAL_FILE
    configuration = read_file(path)
    try_processor(configuration, str(path))
    workspaces = [one for account in configuration.organization.accounts for one in account.workspaces]
    inputs = sum(1 for _ in configuration.inputs())
    click.echo(f"{path} is sound: {len(configuration.scopes)} scopes, {len(workspaces)} workspaces, {inputs} inputs.")
    for scope in configuration.scopes:
        policy = scope.policy
        click.echo(f"  scope {scope.name}: {policy.strategy.value}")
        click.echo(f"    looks up  {' > '.join(policy.ranking)}")
        for label, types in (
            ("login", policy.login_ids),
            ("unique", policy.unique_ids),
            ("immutable", policy.immutable_ids),
        ):
            click.echo(f"    {label:9} {', '.join(sorted(types)) or 'none'}")
