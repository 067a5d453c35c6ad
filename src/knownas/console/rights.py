"""Decides who may do what in the console: one table of roles and rights, which pages and actions ask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from knownas.config.console_access import ConsoleRole
from knownas.service.security.auditing import ON_CONSOLE
from knownas.service.security.sessions import Session, Way


class Right(StrEnum):
    """What somebody may do."""

    READ = "read"
    SEE_IDENTITIES = "see_identities"
    UNDO = "undo"
    POLICIES = "policies"
    AUDIENCES = "audiences"
    OUTPUTS = "outputs"
    SET_UP = "set_up"
    PRIVACY = "privacy"
    HEALTH = "health"


_SEEING: Final = frozenset({Right.READ, Right.SEE_IDENTITIES, Right.UNDO})
RIGHTS: Final[Mapping[ConsoleRole, frozenset[Right]]] = MappingProxyType(
    {
        ConsoleRole.READER: frozenset({Right.READ}),
        ConsoleRole.OPERATOR: _SEEING | {Right.POLICIES, Right.AUDIENCES, Right.OUTPUTS, Right.SET_UP, Right.HEALTH},
        ConsoleRole.PRIVACY_OFFICER: _SEEING | {Right.PRIVACY},
        ConsoleRole.ADMIN: frozenset(Right),
    }
)
"""What each role may do. Whoever may not `SEE_IDENTITIES` sees them masked."""

RIGHT_WORDS: Final[Mapping[Right, str]] = MappingProxyType(
    {
        Right.READ: "look at pages",
        Right.SEE_IDENTITIES: "see identities as they are",
        Right.UNDO: "take decisions back",
        Right.POLICIES: "change policies",
        Right.AUDIENCES: "change audiences",
        Right.OUTPUTS: "change outputs",
        Right.SET_UP: "set up workspaces",
        Right.PRIVACY: "work at the privacy desk",
        Right.HEALTH: "release or block values, or begin a self-check",
    }
)
"""What each right is called, after "may"."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, and what they are now."""

    session: Session
    roles: tuple[ConsoleRole, ...]

    @property
    def name(self) -> str:
        """Who it is, for their own eyes and those of others."""
        return "admin token" if self.session.way is Way.TOKEN else self.session.name

    @property
    def who(self) -> str:
        """Who it is in the audit. A name is a user's, unless a provider vouches for it."""
        return f"{ON_CONSOLE}openid:{self.name}" if self.session.way is Way.OPENID else f"{ON_CONSOLE}{self.name}"

    @property
    def rights(self) -> frozenset[Right]:
        """All that any of the roles may do."""
        return rights_of(self.roles)

    @property
    def masks(self) -> bool:
        """Whether identities are masked."""
        return not self.may(Right.SEE_IDENTITIES)

    def may(self, right: Right) -> bool:
        """Whether somebody has a right."""
        return right in self.rights


def rights_of(roles: Iterable[ConsoleRole]) -> frozenset[Right]:
    """Return all that any of the roles may do."""
    return frozenset(right for role in roles for right in RIGHTS[role])
