"""Holds what a server is configured with: values that are valid from birth.

Times are in the unit that a member's name says. What each member means stands in the tables of the reader
(`scopes`, `tenancy`, `reader`), from which the reference is rendered.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from knownas.config.console_access import TOKEN_ONLY, ConsoleSettings
from knownas.config.secret import Secret
from knownas.config.workspace_privacy import PRIVACY_AS_USUAL, WorkspacePrivacy
from knownas.core.identity.policy import Policy
from knownas.core.profile.definition import Definition


class ProtectionLevel(StrEnum):
    """What an input may do to profiles; idsync §5.4."""

    CREATE_AND_UPDATE = "create_and_update"
    ONLY_UPDATE_PROFILES = "only_update_profiles"


class InputPlatform(StrEnum):
    """The platforms of `client_sdk.platform`; idsync §1.4."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"
    TVOS = "tvos"
    ROKU = "roku"
    ALEXA = "alexa"
    SMART_TV = "smart_tv"
    FIRE = "fire"
    XBOX = "xbox"
    OTHER = "other"


class Role(StrEnum):
    """What an OAuth client may do: read profiles, or use the Platform API as an admin or a user; platform §1.4."""

    READ_ONLY = "read_only"
    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much an input, workspace or client may ask: in all, and an input for one identity. None sets no limit.

    Who was quiet may save up `burst_seconds` worth of requests.

    Raises:
        ValueError: a number is not above 0.
    """

    requests_per_second: float | None = None
    per_identity_per_second: float | None = None
    burst_seconds: float = 2.0

    def __post_init__(self) -> None:
        for number in (self.requests_per_second, self.per_identity_per_second, self.burst_seconds):
            if number is not None and not number > 0:
                raise ValueError("rates and bursts must be above 0")


@dataclass(frozen=True, slots=True)
class Input:
    """An app (`platform`) or feed (`feed`) of a workspace, with its key and secret; idsync §1.1.

    Raises:
        ValueError: it is both an app and a feed, or neither.
    """

    name: str
    platform: InputPlatform | None
    feed: str | None
    key: str
    secret: Secret
    allow_key_only: bool = False
    allow_search: bool = True
    allow_modify: bool = True
    allow_unique_moves: bool = True
    protection_level: ProtectionLevel = ProtectionLevel.CREATE_AND_UPDATE
    limits: RateLimits = RateLimits()

    def __post_init__(self) -> None:
        if (self.platform is None) == (self.feed is None):
            raise ValueError("an input has either a platform or a feed")

    @property
    def is_feed(self) -> bool:
        """Whether it is a feed and not an app."""
        return self.feed is not None


@dataclass(frozen=True, slots=True)
class AliasSettings:
    """Whether a workspace may alias users, after how long, and how far back; idsync §4.7.

    Raises:
        ValueError: the delay is below 0, or the window below a day.
    """

    provisioned: bool = False
    delay_hours: float = 24.0
    window_days: int = 90

    def __post_init__(self) -> None:
        if not self.delay_hours >= 0 or self.window_days < 1:
            raise ValueError("the delay must be 0 or more, the window a day or more")


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """The settings of a workspace."""

    alias: AliasSettings = AliasSettings()
    privacy: WorkspacePrivacy = PRIVACY_AS_USUAL


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace: its identity scope, its own credentials (privacy requests, seeding), its inputs; idsync §1.1.

    `limits` bounds the requests that come with the workspace's own key.

    Raises:
        ValueError: two calculated attributes have one name.
    """

    id: int
    name: str
    scope: str
    key: str
    secret: Secret
    inputs: tuple[Input, ...] = ()
    settings: WorkspaceSettings = WorkspaceSettings()
    calculated_attributes: tuple[Definition, ...] = ()
    limits: RateLimits = RateLimits()

    def __post_init__(self) -> None:
        _once("calculated attribute", (one.name for one in self.calculated_attributes))


@dataclass(frozen=True, slots=True)
class Account:
    """A group of workspaces of the organization; idsync §1.1."""

    id: int
    name: str
    workspaces: tuple[Workspace, ...] = ()


@dataclass(frozen=True, slots=True)
class Organization:
    """The hard wall: nothing crosses it; idsync §1.1."""

    id: int = 1
    name: str = "Organization"
    accounts: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """An identity scope and the policy that rules it; idsync §1.2."""

    name: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Credential:
    """An OAuth client of the Profile and Platform APIs, and the ids of the workspaces it may reach; platform §1.4.

    `limits` bounds the requests that come with its tokens; platform §4.3.
    """

    client_id: str
    client_secret: Secret
    role: Role = Role.READ_ONLY
    workspaces: tuple[int, ...] = ()
    limits: RateLimits = RateLimits()


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the server listens, and the PEM files that make it HTTPS. Port 0 takes a free one.

    Raises:
        ValueError: there is a certificate without a private key, or the other way round.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("a certificate and its private key come together")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where the secret keys lie under which secrets are sealed, besides those of the environment."""

    key_file: Path | None = None


DAYS_KEPT_MAX: Final = 36_500
"""The longest time that anything is kept: a hundred years."""

REQUESTS_DAYS_MIN: Final = 30
REQUESTS_DAYS_MAX: Final = 365
"""For how long ids of requests are remembered; less would forget one whose repeat is still taken (platform §2.1)."""


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """For how many days events, what is known of users, ids of requests, who read or changed what, and deliveries are kept; platform §13.

    `profiles_days` None means as long as events. With `dry_run` nothing is removed.

    Raises:
        ValueError: a number is out of its range.
    """

    events_days: int = 730
    profiles_days: int | None = None
    requests_days: int = 45
    dry_run: bool = False
    audit_days: int = 365
    deliveries_days: int = 90

    def __post_init__(self) -> None:
        kept = (self.events_days, self.sections_days, self.audit_days, self.deliveries_days)
        if not all(1 <= days <= DAYS_KEPT_MAX for days in kept):
            raise ValueError(f"events, profiles, who read them, and deliveries are kept for 1 to {DAYS_KEPT_MAX} days")
        if not REQUESTS_DAYS_MIN <= self.requests_days <= REQUESTS_DAYS_MAX:
            raise ValueError(f"ids are remembered for {REQUESTS_DAYS_MIN} to {REQUESTS_DAYS_MAX} days")

    @property
    def sections_days(self) -> int:
        """For how many days after the last visit what is known of a user is kept."""
        return self.events_days if self.profiles_days is None else self.profiles_days

    @property
    def audited_days(self) -> int | None:
        """For how many days it is kept who read or changed what; None where nothing is removed."""
        return None if self.dry_run else self.audit_days


CHECK_HOURS_MAX: Final = 8_760
"""Hours from one check of the database to the next: a year."""


@dataclass(frozen=True, slots=True)
class SelfCheckSettings:
    """Every how many hours the database is checked against its history, None for never; and whether its rows are compared.

    Raises:
        ValueError: the hours are out of their range.
    """

    every_hours: int | None = None
    rows: bool = True

    def __post_init__(self) -> None:
        if self.every_hours is not None and not 1 <= self.every_hours <= CHECK_HOURS_MAX:
            raise ValueError(f"the database is checked every 1 to {CHECK_HOURS_MAX} hours")


PRIVACY_DOMAIN: Final = "localhost"
"""The domain of a server that was given none: one with which privacy requests are only tried."""

DOMAIN_CHARACTERS_MAX: Final = 64
"""Characters of a processor's domain: the common name of a certificate has no more."""


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """Who the server is to controllers that send requests of data subjects, and whom it tells of them; platform §5.4.

    `certificate` and `key` are PEM files; without them the server makes its own. `callbacks` are origins that may be called,
    None for any public one. `base_url` is where controllers reach the server. `ledger` is the file of the ledger of erasures, None for
    none.

    Raises:
        ValueError: there is a certificate without a key, or the other way round, or a number out of its range.
    """

    domain: str = PRIVACY_DOMAIN
    certificate: Path | None = None
    key: Path | None = None
    base_url: str | None = None
    callbacks: tuple[str, ...] | None = None
    requests_days: int = 365
    ledger: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key come together")
        if not 0 < len(self.domain) <= DOMAIN_CHARACTERS_MAX:
            raise ValueError(f"a domain has 1 to {DOMAIN_CHARACTERS_MAX} characters")
        if not 1 <= self.requests_days <= DAYS_KEPT_MAX:
            raise ValueError(f"requests are kept for 1 to {DAYS_KEPT_MAX} days")

    @property
    def is_tried_only(self) -> bool:
        """Whether nobody has said which domain this is: then whoever is called may be on this machine."""
        return self.domain == PRIVACY_DOMAIN


DATABASE_DEFAULT: Final = "sqlite:///knownas.db"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a server is configured with. Without an admin token the admin API is off.

    The database's URL can hold a password, so it is left out of what is printed.

    Raises:
        ValueError: two scopes, workspaces, inputs, credentials or users share what names them, or a workspace or a
            credential names one that is not there.
    """

    database: str = field(default=DATABASE_DEFAULT, repr=False)
    admin_token: Secret | None = None
    scopes: tuple[Scope, ...] = ()
    organization: Organization = Organization()
    credentials: tuple[Credential, ...] = ()
    listen: Listen = Listen()
    secrets: Secrets = Secrets()
    retention: RetentionSettings = RetentionSettings()
    self_check: SelfCheckSettings = SelfCheckSettings()
    privacy: PrivacySettings = PrivacySettings()
    console: ConsoleSettings = TOKEN_ONLY

    def __post_init__(self) -> None:
        workspaces = tuple(self.workspaces())
        _once("scope", (scope.name for scope in self.scopes))
        _once("account id", (account.id for account in self.organization.accounts))
        _once("workspace id", (workspace.id for workspace in workspaces))
        _once("workspace key", (workspace.key for workspace in workspaces))
        _once("input key", (one.key for _, one in self.inputs()))
        _once("credential", (credential.client_id for credential in self.credentials))
        _once("user of the console", (user.name for user in self.console.users))
        _there("scope", (workspace.scope for workspace in workspaces), (scope.name for scope in self.scopes))
        for credential in self.credentials:
            _there("workspace", credential.workspaces, (workspace.id for workspace in workspaces))

    def scope(self, name: str) -> Scope:
        """Return the scope of that name, looking through all of them.

        Raises:
            KeyError: there is none.
        """
        for scope in self.scopes:
            if scope.name == name:
                return scope
        raise KeyError(name)

    def residencies(self) -> Mapping[int, str]:
        """Return where the data of workspaces lie, by their ids, as far as it is said."""
        said = {one.id: one.settings.privacy.residency for one in self.workspaces()}
        return {workspace: residency for workspace, residency in said.items() if residency is not None}

    def workspaces(self) -> Iterator[Workspace]:
        """Yield the workspaces of all accounts, in the file's order."""
        for account in self.organization.accounts:
            yield from account.workspaces

    def inputs(self) -> Iterator[tuple[Workspace, Input]]:
        """Yield every input with its workspace, in the file's order."""
        for workspace in self.workspaces():
            for one in workspace.inputs:
                yield workspace, one


def _once(what: str, names: Iterable[object]) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name} stands there twice")
        seen.add(name)


def _there(what: str, wanted: Iterable[object], names: Iterable[object]) -> None:
    missing = set(wanted) - set(names)
    if missing:
        raise ValueError(f"no {what} is named {', '.join(sorted(map(str, missing)))}")
