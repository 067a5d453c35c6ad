"""Holds who may sign in to the console, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knownas.config.secret import Secret


class ConsoleRole(StrEnum):
    """What somebody is to the console. What each may do is said there, in one table."""

    READER = "reader"
    OPERATOR = "operator"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """Somebody who signs in with a name and a password, of which only the Argon2 hash is known."""

    name: str
    password_hash: Secret
    role: ConsoleRole


SCOPES_DEFAULT: Final = ("openid", "email", "profile")


@dataclass(frozen=True, slots=True)
class OpenIdConnect:
    """A provider by which users sign in, and which values of which claim make somebody what.

    `name_claim` says who it is, where the provider gives it; `sub` otherwise.
    """

    issuer: str
    client_id: str
    client_secret: Secret
    roles: Mapping[str, ConsoleRole]
    scopes: tuple[str, ...] = SCOPES_DEFAULT
    name_claim: str = "email"
    role_claim: str = "groups"


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Who signs in to the console by name, by which provider, and at which address people reach it (None: at any).

    Raises:
        ValueError: there is a provider, and no address to which it could send people back.
    """

    base_url: str | None = None
    users: tuple[ConsoleUser, ...] = ()
    oidc: OpenIdConnect | None = None

    def __post_init__(self) -> None:
        if self.oidc is not None and self.base_url is None:
            raise ValueError("a provider sends people back to base_url")


TOKEN_ONLY: Final = ConsoleSettings()
"""Nobody signs in but whoever has the admin token."""
