"""Reads who may sign in to the console: named users, and the provider of OpenID Connect."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from knownas.config.console_access import (
    SCOPES_DEFAULT,
    TOKEN_ONLY,
    ConsoleRole,
    ConsoleSettings,
    ConsoleUser,
    OpenIdConnect,
)
from knownas.config.limits import (
    CLAIM_CHARACTERS_MAX,
    CONSOLE_USERS_MAX,
    KEY_CHARACTERS_MAX,
    OIDC_SCOPES_MAX,
    URL_CHARACTERS_MAX,
    USER_NAME_CHARACTERS_MAX,
)
from knownas.config.listing import Listing, Naming
from knownas.config.nodes import Broken, Members, Node, Scalar, Sequence
from knownas.config.privacy import ORIGIN
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.secret import Secret
from knownas.config.sections import NEEDED, Given, Member, Section
from knownas.config.shapes import Choice, SecretText, Shape, Text

_NO_ROLES: Final[Mapping[str, ConsoleRole]] = MappingProxyType({})

USER_NAME: Final = Member(
    "name",
    Naming(
        Text(USER_NAME_CHARACTERS_MAX, re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*"), "letters, digits and ._@+-"),
        "user of the console",
    ),
    NEEDED,
    "Who it is: what is typed in to sign in, and what stands in the audit.",
)
PASSWORD_HASH: Final = Member(
    "password_hash",
    SecretText(
        re.compile(
            r"\$argon2id\$v=19\$m=[1-9][0-9]{1,5},t=[1-9][0-9]?,p=[1-9][0-9]?\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,172}"
        ),
        "an Argon2id hash, as `knownas console hash-password` prints it",
    ),
    NEEDED,
    "The hash of the password. The password itself stands nowhere.",
)
ROLE: Final = Member(
    "role",
    Choice(ConsoleRole),
    NEEDED,
    "What the user is. A reader sees everything, with identities masked; an operator sees identities, undoes decisions, and works "
    "on policies, audiences, outputs and health; a privacy officer sees identities, undoes decisions, and works at the privacy desk; an admin may "
    "do all of it.",
)


def _user(given: Given) -> ConsoleUser:
    return ConsoleUser(given[USER_NAME], given[PASSWORD_HASH], given[ROLE])


USER_SECTION: Final = Section("A user of the console", (USER_NAME, PASSWORD_HASH, ROLE), _user)


@dataclass(frozen=True, slots=True)
class RolesByClaim(Shape[Mapping[str, ConsoleRole]]):
    """A mapping from values of a claim to roles."""

    @property
    def label(self) -> str:
        """Always mapping."""
        return "mapping (value of the claim: role)"

    @property
    def allowed(self) -> str:
        """The roles."""
        return f"for each value one of {', '.join(ConsoleRole)}"

    def read(self, node: Node, place: Place, reading: Reading) -> Mapping[str, ConsoleRole]:
        """Return the roles; each is read, however many are unreadable."""
        match node:
            case Members():
                return self._roles(node, place, reading)
            case Broken():
                raise Unreadable
            case Scalar() | Sequence():
                raise reading.refused(place, "a mapping belongs here", self.label)

    def _roles(self, node: Members, place: Place, reading: Reading) -> Mapping[str, ConsoleRole]:
        roles: dict[str, ConsoleRole] = {}
        complete = True
        for entry in node.entries:
            here = place.member(entry.name, entry.line)
            try:
                roles[entry.name] = Choice(ConsoleRole).read(entry.value, here, reading)
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return MappingProxyType(roles)


ISSUER: Final = Member[str | None](
    "issuer",
    Text(
        URL_CHARACTERS_MAX,
        re.compile(r"(?:https://|http://(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$))[!-~]+"),
        "https://, or http:// on this machine",
    ),
    None,
    "The provider, as it calls itself; /.well-known/openid-configuration below it says the rest.",
    left_out="nobody signs in by a provider",
)
CLIENT_ID: Final = Member[str | None](
    "client_id", Text(KEY_CHARACTERS_MAX), None, "The name that the provider has given this server.", left_out="none"
)
CLIENT_SECRET: Final = Member[Secret | None](
    "client_secret", SecretText(), None, "The secret that the provider has given this server.", left_out="none"
)
SCOPES: Final = Member[tuple[str, ...]](
    "scopes",
    Listing(Text(CLAIM_CHARACTERS_MAX, re.compile(r"[!#-\[\]-~]+"), "printable ASCII without spaces"), OIDC_SCOPES_MAX),
    SCOPES_DEFAULT,
    "What the provider is asked to tell. openid must be among it.",
)
NAME_CLAIM: Final = Member(
    "name_claim",
    Text(CLAIM_CHARACTERS_MAX),
    "email",
    "The claim that says who it is, for the audit. Where it is missing, or the e-mail address is not verified, sub does.",
)
ROLE_CLAIM: Final = Member(
    "role_claim",
    Text(CLAIM_CHARACTERS_MAX),
    "groups",
    "The claim, a text or a list of texts, that says what somebody is.",
)
ROLES: Final = Member[Mapping[str, ConsoleRole]](
    "roles",
    RolesByClaim(),
    _NO_ROLES,
    "Which value of that claim makes somebody what. Who has none of them does not come in.",
)


def _oidc(given: Given) -> OpenIdConnect | None:
    needed = (ISSUER, CLIENT_ID, CLIENT_SECRET)
    issuer, client_id, client_secret = given[ISSUER], given[CLIENT_ID], given[CLIENT_SECRET]
    if issuer is None and client_id is None and client_secret is None:
        return None
    if issuer is None or client_id is None or client_secret is None:
        missing = next(member.name for member in needed if given[member] is None)
        raise given.reading.refused(
            given.place, f"{missing} is missing", "issuer, client_id and client_secret, or none"
        )
    if "openid" not in given[SCOPES]:
        raise given.reading.refused(given.place.member(SCOPES.name), "openid is missing", "openid and others")
    return OpenIdConnect(
        issuer, client_id, client_secret, given[ROLES], given[SCOPES], given[NAME_CLAIM], given[ROLE_CLAIM]
    )


OIDC_SECTION: Final[Section[OpenIdConnect | None]] = Section(
    "Signing in by OpenID Connect",
    (ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPES, NAME_CLAIM, ROLE_CLAIM, ROLES),
    _oidc,
)

BASE_URL: Final = Member[str | None](
    "base_url",
    ORIGIN,
    TOKEN_ONLY.base_url,
    "Where people reach the console. Say it where something in front of the server ends HTTPS: cookies are then for HTTPS only.",
    left_out="the address by which a request has come",
)
USERS: Final = Member[tuple[ConsoleUser, ...]](
    "users", Listing(USER_SECTION, CONSOLE_USERS_MAX), (), "Those who sign in with a name and a password."
)
OIDC: Final = Member[OpenIdConnect | None](
    "oidc", OIDC_SECTION, None, "The provider of OpenID Connect by which people sign in.", left_out="none"
)


def _console(given: Given) -> ConsoleSettings:
    if given[OIDC] is not None and given[BASE_URL] is None:
        sentence = "base_url is missing: the provider has to know where to send people back"
        raise given.reading.refused(given.place, sentence, "base_url with oidc")
    return ConsoleSettings(given[BASE_URL], given[USERS], given[OIDC])


CONSOLE_SECTION: Final = Section("The console", (BASE_URL, USERS, OIDC), _console)
CONSOLE: Final = Member(
    "console", CONSOLE_SECTION, TOKEN_ONLY, "Who may sign in to the console, beside whoever has the admin token."
)
