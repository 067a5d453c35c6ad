"""Reads who is served: organization, accounts, workspaces, inputs, and the OAuth clients."""

import re
from typing import Final

from knownas.config.calculated import CALCULATED_ATTRIBUTES
from knownas.config.limits import (
    ALIAS_DELAY_HOURS_MAX,
    ALIAS_WINDOW_DAYS_MAX,
    BURST_SECONDS_MAX,
    ID_MAX,
    KEY_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    REQUESTS_PER_SECOND_MAX,
)
from knownas.config.listing import Listing, Naming, Referring
from knownas.config.privacy import WORKSPACE_PRIVACY
from knownas.config.scopes import SCOPE_NAME, SCOPE_NAME_TEXT
from knownas.config.sections import NEEDED, Given, Member, Section
from knownas.config.shapes import Choice, Flag, Number, SecretText, Text, Whole
from knownas.config.values import (
    Account,
    AliasSettings,
    Credential,
    Input,
    InputPlatform,
    Organization,
    ProtectionLevel,
    RateLimits,
    Role,
    Workspace,
    WorkspaceSettings,
)

WORKSPACE_ID: Final = "workspace id"
"""The kind of name that a credential refers to."""

_NAME: Final = Text(NAME_CHARACTERS_MAX)
_ID: Final = Whole(1, ID_MAX)
_RATE: Final = Number(0, REQUESTS_PER_SECOND_MAX, above=True)
_KEY: Final = Text(
    KEY_CHARACTERS_MAX,
    # A colon would end the key in Basic authentication; the others would end it in the path of a URL.
    re.compile(r"[!\"$&-.0-9;->@-~]*"),
    "printable ASCII without spaces, ':', '/', '?', '#' and '%'",
)

REQUESTS_PER_SECOND: Final = Member[float | None](
    "requests_per_second",
    _RATE,
    None,
    "The most requests a second that the input may send; above it they are answered with 429.",
    "idsync §4.5",
    "no limit",
)
PER_IDENTITY_PER_SECOND: Final = Member[float | None](
    "per_identity_per_second",
    _RATE,
    None,
    "The most requests a second that may name one and the same identity.",
    "idsync §4.5",
    "no limit",
)
_LIMITS: Final = RateLimits()
BURST_SECONDS: Final = Member(
    "burst_seconds",
    Number(0, BURST_SECONDS_MAX, above=True),
    _LIMITS.burst_seconds,
    "For how many seconds a quiet input saves up requests that it may then send at once.",
)


def _rate_limits(given: Given) -> RateLimits:
    return RateLimits(given[REQUESTS_PER_SECOND], given[PER_IDENTITY_PER_SECOND], given[BURST_SECONDS])


RATE_LIMITS_SECTION: Final = Section(
    "Rate limits of an input", (REQUESTS_PER_SECOND, PER_IDENTITY_PER_SECOND, BURST_SECONDS), _rate_limits
)


def _limits_in_all(whose: str, asked: str, who: str, spec: str) -> Section[RateLimits]:
    """Return the section of the limits of somebody who is limited in all, but not for single identities."""
    rate = Member[float | None](
        "requests_per_second",
        _RATE,
        None,
        f"The most requests a second {asked}; above it they are answered with 429.",
        spec,
        "no limit",
    )
    burst = Member(
        "burst_seconds",
        BURST_SECONDS.shape,
        _LIMITS.burst_seconds,
        f"For how many seconds a quiet {who} saves up requests that it may then send at once.",
    )
    return Section(
        f"Rate limits of {whose}", (rate, burst), lambda given: RateLimits(given[rate], burst_seconds=given[burst])
    )


INPUT_NAME: Final = Member(
    "name", Naming(_NAME, "input name", among_siblings=True), NEEDED, "What receipts and the console call the input."
)
INPUT_PLATFORM: Final = Member[InputPlatform | None](
    "platform",
    Choice(InputPlatform),
    None,
    "The platform of an app. An input has either a platform or a feed.",
    "idsync §1.4",
    "it is a feed",
)
INPUT_FEED: Final = Member[str | None](
    "feed",
    _NAME,
    None,
    "The kind of a feed, for example custom. An input has either a platform or a feed.",
    "idsync §5.3",
    "it is an app",
)
INPUT_KEY: Final = Member(
    "key",
    Naming(_KEY, "input key"),
    NEEDED,
    "The public half of the credentials: the API key of the SDKs.",
    "idsync §4.1",
)
INPUT_SECRET: Final = Member(
    "secret",
    SecretText(),
    NEEDED,
    "The secret half: the password of Basic authentication, the key of signatures.",
    "idsync §4.1",
)
ALLOW_KEY_ONLY: Final = Member(
    "allow_key_only",
    Flag(),
    default=False,
    meaning="Accept requests that carry the key alone, as those of the web SDK do.",
    spec="idsync §4.1",
)
ALLOW_SEARCH: Final = Member(
    "allow_search",
    Flag(),
    default=True,
    meaning="Allow search, which tells the MPID to whoever knows an identity.",
    spec="idsync §6",
)
ALLOW_MODIFY: Final = Member(
    "allow_modify",
    Flag(),
    default=True,
    meaning="Allow modify, which changes the identities of whoever's MPID is known.",
    spec="idsync §6",
)
ALLOW_UNIQUE_MOVES: Final = Member(
    "allow_unique_moves",
    Flag(),
    default=True,
    meaning="Allow modify to take a unique value from another profile.",
    spec="idsync §2.3",
)
PROTECTION_LEVEL: Final = Member(
    "protection_level",
    Choice(ProtectionLevel),
    ProtectionLevel.CREATE_AND_UPDATE,
    "Whether the input may create profiles, or only update those that are there.",
    "idsync §5.4",
)
INPUT_LIMITS: Final = Member("limits", RATE_LIMITS_SECTION, _LIMITS, "How much the input may ask.", "idsync §4.5")


def _input(given: Given) -> Input:
    _check_kind(given)
    return Input(
        name=given[INPUT_NAME],
        platform=given[INPUT_PLATFORM],
        feed=given[INPUT_FEED],
        key=given[INPUT_KEY],
        secret=given[INPUT_SECRET],
        allow_key_only=given[ALLOW_KEY_ONLY],
        allow_search=given[ALLOW_SEARCH],
        allow_modify=given[ALLOW_MODIFY],
        allow_unique_moves=given[ALLOW_UNIQUE_MOVES],
        protection_level=given[PROTECTION_LEVEL],
        limits=given[INPUT_LIMITS],
    )


def _check_kind(given: Given) -> None:
    if not given.readable(INPUT_PLATFORM, INPUT_FEED):
        return
    platform, feed = given[INPUT_PLATFORM], given[INPUT_FEED]
    allowed = f"platform ({INPUT_PLATFORM.shape.allowed}) or feed (text)"
    if platform is None and feed is None:
        raise given.reading.refused(given.place, "the input has neither a platform nor a feed", allowed)
    if platform is not None and feed is not None:
        raise given.reading.refused(given.place, "the input has both a platform and a feed", allowed)


INPUT_SECTION: Final = Section(
    "An input",
    (
        INPUT_NAME,
        INPUT_PLATFORM,
        INPUT_FEED,
        INPUT_KEY,
        INPUT_SECRET,
        ALLOW_KEY_ONLY,
        ALLOW_SEARCH,
        ALLOW_MODIFY,
        ALLOW_UNIQUE_MOVES,
        PROTECTION_LEVEL,
        INPUT_LIMITS,
    ),
    _input,
)

_ALIAS: Final = AliasSettings()
PROVISIONED: Final = Member(
    "provisioned",
    Flag(),
    _ALIAS.provisioned,
    "Accept alias requests; otherwise they are answered with 403.",
    "idsync §4.7",
)
DELAY_HOURS: Final = Member(
    "delay_hours",
    Number(0, ALIAS_DELAY_HOURS_MAX),
    _ALIAS.delay_hours,
    "How many hours after a request it is carried out, so that late events count.",
    "idsync §4.7",
)
WINDOW_DAYS: Final = Member(
    "window_days",
    Whole(1, ALIAS_WINDOW_DAYS_MAX),
    _ALIAS.window_days,
    "How many days back a request may reach.",
    "idsync §4.7",
)


def _alias(given: Given) -> AliasSettings:
    return AliasSettings(given[PROVISIONED], given[DELAY_HOURS], given[WINDOW_DAYS])


ALIAS_SECTION: Final = Section("Alias settings of a workspace", (PROVISIONED, DELAY_HOURS, WINDOW_DAYS), _alias)
ALIAS: Final = Member("alias", ALIAS_SECTION, _ALIAS, "Copying the events of one user to another.", "idsync §4.7")


def _workspace_settings(given: Given) -> WorkspaceSettings:
    return WorkspaceSettings(given[ALIAS], given[WORKSPACE_PRIVACY])


WORKSPACE_SETTINGS_SECTION: Final = Section("Settings of a workspace", (ALIAS, WORKSPACE_PRIVACY), _workspace_settings)

WORKSPACE_NUMBER: Final = Member(
    "id", Naming(_ID, WORKSPACE_ID), NEEDED, "The number by which APIs and credentials name the workspace."
)
WORKSPACE_NAME: Final = Member[str | None](
    "name", _NAME, None, "What the console calls the workspace.", left_out="Workspace and its id"
)
WORKSPACE_SCOPE: Final = Member[str | None](
    "scope",
    Referring(SCOPE_NAME_TEXT, SCOPE_NAME),
    None,
    "The name of the scope that the workspace shares with all others that name it.",
    "idsync §7-1",
    "a scope of its own, workspace-ID, with the default strategy",
)
WORKSPACE_KEY: Final = Member(
    "key",
    Naming(_KEY, "workspace key"),
    NEEDED,
    "The public half of the workspace's own credentials, for privacy requests and seeding.",
    "platform §1.3",
)
WORKSPACE_SECRET: Final = Member("secret", SecretText(), NEEDED, "Their secret half.", "platform §1.3")
INPUTS: Final = Member[tuple[Input, ...]](
    "inputs", Listing(INPUT_SECTION), (), "The apps and feeds that send data.", "idsync §1.1"
)
WORKSPACE_SETTINGS: Final = Member(
    "settings", WORKSPACE_SETTINGS_SECTION, WorkspaceSettings(), "What this workspace may do."
)

WORKSPACE_LIMITS: Final = Member(
    "limits",
    _limits_in_all("a workspace's own key", "with the workspace's own key", "workspace", "platform §8"),
    _LIMITS,
    "How much may be asked with the workspace's own key.",
    "platform §8",
)


def scope_of_workspace(workspace_id: int) -> str:
    """Return the name of the scope that a workspace has if it names none; idsync §7-1."""
    return f"workspace-{workspace_id}"


def _workspace(given: Given) -> Workspace:
    number = given[WORKSPACE_NUMBER]
    return Workspace(
        id=number,
        name=given[WORKSPACE_NAME] or f"Workspace {number}",
        scope=given[WORKSPACE_SCOPE] or scope_of_workspace(number),
        key=given[WORKSPACE_KEY],
        secret=given[WORKSPACE_SECRET],
        inputs=given[INPUTS],
        settings=given[WORKSPACE_SETTINGS],
        calculated_attributes=given[CALCULATED_ATTRIBUTES],
        limits=given[WORKSPACE_LIMITS],
    )


WORKSPACE_SECTION: Final = Section(
    "A workspace",
    (
        WORKSPACE_NUMBER,
        WORKSPACE_NAME,
        WORKSPACE_SCOPE,
        WORKSPACE_KEY,
        WORKSPACE_SECRET,
        INPUTS,
        WORKSPACE_SETTINGS,
        CALCULATED_ATTRIBUTES,
        WORKSPACE_LIMITS,
    ),
    _workspace,
)

ACCOUNT_ID: Final = Member("id", Naming(_ID, "account id"), NEEDED, "The number by which APIs name the account.")
ACCOUNT_NAME: Final = Member[str | None](
    "name", _NAME, None, "What the console calls the account.", left_out="Account and its id"
)
WORKSPACES: Final = Member[tuple[Workspace, ...]](
    "workspaces", Listing(WORKSPACE_SECTION), (), "The workspaces of the account.", "idsync §1.1"
)


def _account(given: Given) -> Account:
    number = given[ACCOUNT_ID]
    return Account(number, given[ACCOUNT_NAME] or f"Account {number}", given[WORKSPACES])


ACCOUNT_SECTION: Final = Section("An account", (ACCOUNT_ID, ACCOUNT_NAME, WORKSPACES), _account)

_ORGANIZATION: Final = Organization()
ORGANIZATION_ID: Final = Member("id", _ID, _ORGANIZATION.id, "The number by which APIs name the organization.")
ORGANIZATION_NAME: Final = Member("name", _NAME, _ORGANIZATION.name, "What the console calls the organization.")
ACCOUNTS: Final = Member[tuple[Account, ...]](
    "accounts", Listing(ACCOUNT_SECTION), (), "The accounts of the organization.", "idsync §1.1"
)


def _organization(given: Given) -> Organization:
    return Organization(given[ORGANIZATION_ID], given[ORGANIZATION_NAME], given[ACCOUNTS])


ORGANIZATION_SECTION: Final = Section("The organization", (ORGANIZATION_ID, ORGANIZATION_NAME, ACCOUNTS), _organization)

CLIENT_ID: Final = Member(
    "client_id", Naming(_KEY, "client id"), NEEDED, "The name under which the client asks for a token.", "platform §1.4"
)
CLIENT_SECRET: Final = Member("client_secret", SecretText(), NEEDED, "The client's secret.", "platform §1.4")
ROLE: Final = Member(
    "role",
    Choice(Role),
    Role.READ_ONLY,
    "What the client may do: read profiles, or use the Platform API as an admin or a user.",
    "platform §1.4",
)
CREDENTIAL_WORKSPACES: Final = Member[tuple[int, ...]](
    "workspaces", Listing(Referring(_ID, WORKSPACE_ID)), (), "The ids of the workspaces it may reach.", "platform §1.4"
)

CLIENT_LIMITS: Final = Member(
    "limits",
    _limits_in_all("an OAuth client", "with the client's tokens", "client", "platform §4.3"),
    _LIMITS,
    "How much the client may ask of the Profile or the Platform API.",
    "platform §4.3",
)


def _credential(given: Given) -> Credential:
    return Credential(
        given[CLIENT_ID], given[CLIENT_SECRET], given[ROLE], given[CREDENTIAL_WORKSPACES], given[CLIENT_LIMITS]
    )


CREDENTIAL_SECTION: Final = Section(
    "An OAuth client", (CLIENT_ID, CLIENT_SECRET, ROLE, CREDENTIAL_WORKSPACES, CLIENT_LIMITS), _credential
)
