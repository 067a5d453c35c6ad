"""Reads a configuration file: the text in, a valid `Configuration` or every fault of the text out.

The rules lie in the tables of `scopes`, `tenancy` and this module; `located` makes the tree that they read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from knownas.config.console import CONSOLE
from knownas.config.faults import Fault, FaultList, InvalidConfiguration
from knownas.config.limits import (
    ADMIN_TOKEN_CHARACTERS_WISE,
    DATABASE_CHARACTERS_MAX,
    HOST_CHARACTERS_MAX,
    PORT_MAX,
    SECRET_CHARACTERS_WISE,
)
from knownas.config.listing import Listing
from knownas.config.located import locate
from knownas.config.privacy import PRIVACY
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.retention import RETENTION
from knownas.config.scopes import SCOPE_SECTION
from knownas.config.sections import Given, Member, Section
from knownas.config.self_check import SELF_CHECK
from knownas.config.shapes import FilePath, SecretText, Text, Whole
from knownas.config.tenancy import CREDENTIAL_SECTION, ORGANIZATION_SECTION, scope_of_workspace
from knownas.config.values import (
    DATABASE_DEFAULT,
    Configuration,
    Credential,
    Listen,
    Organization,
    Scope,
    Secret,
    Secrets,
)
from knownas.core.identity.policy import Strategy, policy, unreachable_flags

__all__ = ["Fault", "InvalidConfiguration", "read_configuration", "warnings_of"]

PLACEHOLDER_TOKEN: Final = "change-me"  # noqa: S105 - the token of the examples, which draws a warning
"""The admin token of the documentation's examples."""

_LISTEN: Final = Listen()
HOST: Final = Member(
    "host",
    Text(HOST_CHARACTERS_MAX, re.compile(r"[!-~]+"), "printable ASCII without spaces"),
    _LISTEN.host,
    "The address or name to listen on; 0.0.0.0 is every IPv4 address of the machine.",
)
PORT: Final = Member("port", Whole(0, PORT_MAX), _LISTEN.port, "The TCP port; 0 takes a free one.")
CERTIFICATE: Final = Member(
    "certificate",
    FilePath(),
    _LISTEN.certificate,
    "The PEM file of the TLS certificate and its chain; the server then speaks HTTPS. Goes with private_key.",
    left_out="plain HTTP",
)
PRIVATE_KEY: Final = Member(
    "private_key",
    FilePath(),
    _LISTEN.private_key,
    "The PEM file of the certificate's private key. Goes with certificate.",
    left_out="plain HTTP",
)


def _listen(given: Given) -> Listen:
    if given.readable(CERTIFICATE, PRIVATE_KEY) and (given[CERTIFICATE] is None) != (given[PRIVATE_KEY] is None):
        missing = CERTIFICATE if given[CERTIFICATE] is None else PRIVATE_KEY
        raise given.reading.refused(
            given.place, f"{missing.name} is missing", "both certificate and private_key, or none"
        )
    return Listen(given[HOST], given[PORT], given[CERTIFICATE], given[PRIVATE_KEY])


LISTEN_SECTION: Final = Section("Where the server listens", (HOST, PORT, CERTIFICATE, PRIVATE_KEY), _listen)

_SECRETS: Final = Secrets()
KEY_FILE: Final = Member(
    "key_file",
    FilePath(),
    _SECRETS.key_file,
    "The file with the secret keys under which secrets are sealed in the database: base64 of 32 bytes each, the first "
    "seals, all open. Those of the environment variable KNOWNAS_SECRET_KEY come before them.",
    left_out="only those of KNOWNAS_SECRET_KEY",
)


def _secrets_at_rest(given: Given) -> Secrets:
    return Secrets(given[KEY_FILE])


SECRETS_SECTION: Final = Section("Secrets at rest", (KEY_FILE,), _secrets_at_rest)

DATABASE: Final = Member(
    "database",
    Text(
        DATABASE_CHARACTERS_MAX,
        re.compile(r"(?:sqlite:///|postgres(?:ql)?://)\S.*|memory://"),
        "sqlite:///FILE, postgresql://USER@HOST/NAME or memory://",
        hidden=True,
    ),
    DATABASE_DEFAULT,
    "Where everything is kept. A relative SQLite file counts from the directory in which the server starts; "
    "memory:// keeps nothing beyond the process.",
)
ADMIN_TOKEN: Final = Member[Secret | None](
    "admin_token",
    SecretText(re.compile(r"[!-~]+"), "printable ASCII without spaces"),
    None,
    "The bearer token of /api.",
    left_out="/api is off",
)
SCOPES: Final = Member[tuple[Scope, ...]](
    "scopes", Listing(SCOPE_SECTION), (), "The identity scopes, each with the policy that rules it.", "idsync §1.2"
)
ORGANIZATION: Final = Member(
    "organization",
    ORGANIZATION_SECTION,
    Organization(),
    "The organization with its accounts, workspaces and inputs.",
    "idsync §1.1",
)
CREDENTIALS: Final = Member[tuple[Credential, ...]](
    "credentials",
    Listing(CREDENTIAL_SECTION),
    (),
    "The OAuth clients of the Profile and Platform APIs.",
    "platform §1.4",
)
LISTEN: Final = Member("listen", LISTEN_SECTION, _LISTEN, "Where the server listens.")
SECRETS: Final = Member(
    "secrets", SECRETS_SECTION, _SECRETS, "How secrets that the server makes itself are kept from the database."
)


def _configuration(given: Given) -> Configuration:
    given.reading.settle()
    if given.reading.faults.faults:
        raise Unreadable
    organization = given[ORGANIZATION]
    return Configuration(
        database=given[DATABASE],
        admin_token=given[ADMIN_TOKEN],
        scopes=(*given[SCOPES], *_own_scopes(given[SCOPES], organization)),
        organization=organization,
        credentials=given[CREDENTIALS],
        listen=given[LISTEN],
        secrets=given[SECRETS],
        retention=given[RETENTION],
        self_check=given[SELF_CHECK],
        privacy=given[PRIVACY],
        console=given[CONSOLE],
    )


def _own_scopes(scopes: tuple[Scope, ...], organization: Organization) -> Iterator[Scope]:
    """Yield the scopes of the workspaces that name none; idsync §7-1."""
    names = {scope.name for scope in scopes}
    for account in organization.accounts:
        for workspace in account.workspaces:
            if workspace.scope == scope_of_workspace(workspace.id) and workspace.scope not in names:
                yield Scope(workspace.scope, policy(Strategy.DEFAULT))


CONFIGURATION_SECTION: Final = Section(
    "The file",
    (
        DATABASE,
        ADMIN_TOKEN,
        SCOPES,
        ORGANIZATION,
        CREDENTIALS,
        LISTEN,
        SECRETS,
        RETENTION,
        SELF_CHECK,
        PRIVACY,
        CONSOLE,
    ),
    _configuration,
)


def read_configuration(text: str, *, environment: Mapping[str, str]) -> Configuration | InvalidConfiguration:
    """Return what the text of a configuration file says, or everything that is wrong with it.

    `environment` fills in the variables of the text. Nothing is opened or looked up: whether the database or the
    certificate is there shows when the server starts.
    """
    faults = FaultList()
    root = locate(text, environment, faults)
    reading = Reading(faults)
    try:
        return CONFIGURATION_SECTION.read(root, Place(root.line, ""), reading)
    except Unreadable:
        return InvalidConfiguration(faults.in_order())


def warnings_of(configuration: Configuration) -> tuple[str, ...]:
    """Return a sentence for each thing that is legal and probably a mistake; none of them shows a secret."""
    return tuple(_warnings(configuration))


def _warnings(configuration: Configuration) -> Iterator[str]:
    yield from _admin_token_warnings(configuration.admin_token)
    for scope in configuration.scopes:
        for member, types in unreachable_flags(scope.policy).items():
            names = ", ".join(sorted(types))
            yield f"scope {scope.name}: {member} has types outside the priority, where they have no effect: {names}"
    for owner, secret in _secrets(configuration):
        if len(secret.reveal()) < SECRET_CHARACTERS_WISE:
            yield f"{owner}: the secret has fewer than {SECRET_CHARACTERS_WISE} characters"
    for credential in configuration.credentials:
        if not credential.workspaces:
            yield f"credential {credential.client_id}: it names no workspaces, so it reaches none"


def _admin_token_warnings(token: Secret | None) -> Iterator[str]:
    if token is None:
        return
    if token.matches(PLACEHOLDER_TOKEN):
        yield f"admin_token: {PLACEHOLDER_TOKEN} is the token of the documentation, which everybody knows"
    elif len(token.reveal()) < ADMIN_TOKEN_CHARACTERS_WISE:
        yield f"admin_token: it has fewer than {ADMIN_TOKEN_CHARACTERS_WISE} characters"


def _secrets(configuration: Configuration) -> Iterator[tuple[str, Secret]]:
    for workspace in configuration.workspaces():
        yield f"workspace {workspace.id}", workspace.secret
        for one in workspace.inputs:
            yield f"workspace {workspace.id}, input {one.name}", one.secret
    for credential in configuration.credentials:
        yield f"credential {credential.client_id}", credential.client_secret
