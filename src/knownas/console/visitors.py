"""Decides who somebody is: by the admin token, a name and a password, or what a provider says; anew at each request.

A session says who signed in and how. Whether that counts, and as what, is for the configuration to say: whoever was taken out of
it, or has another password, is out.
"""

from knownas.config.console_access import ConsoleRole
from knownas.config.values import Configuration
from knownas.console.passwords import Passwords
from knownas.console.rights import Visitor
from knownas.service.security.sessions import Session, Sessions, Way, proof_of


class Visitors:
    """Those who may sign in, by one configuration."""

    def __init__(self, configuration: Configuration, sessions: Sessions) -> None:
        self.sessions = sessions
        self._token = configuration.admin_token
        self._users = {user.name: user for user in configuration.console.users}
        self._openid = configuration.console.oidc
        self._passwords = Passwords()

    @property
    def has_token(self) -> bool:
        """Whether the admin token opens the console."""
        return self._token is not None

    @property
    def has_users(self) -> bool:
        """Whether somebody signs in with a name and a password."""
        return bool(self._users)

    def by_token(self, given: str) -> Session | None:
        """Return a new session of whoever has the admin token."""
        if self._token is None or not self._token.matches(given):
            return None
        return self.sessions.begin(Way.TOKEN, "", proof_of(self._token.reveal()))

    async def by_password(self, name: str, password: str) -> Session | None:
        """Return a new session of a user who knows the password. An unknown one is found out no faster than a wrong one.

        Raises:
            Refusal: too many wait.
        """
        user = self._users.get(name)
        matches = await self._passwords.matches(None if user is None else user.password_hash.reveal(), password)
        if user is None or not matches:
            return None
        return self.sessions.begin(Way.PASSWORD, user.name, proof_of(user.password_hash.reveal()))

    def by_provider(self, name: str, claimed: tuple[str, ...]) -> Session | None:
        """Return a new session of somebody for whom the provider vouches, and who is something here."""
        if self._openid is None:
            return None
        session = self.sessions.begin(Way.OPENID, name, proof_of(self._openid.issuer), claimed)
        return None if self.of(session) is None else session

    def of(self, session: Session) -> Visitor | None:
        """Return what somebody who is signed in is now; None if nothing any more."""
        match session.way:
            case Way.TOKEN:
                is_so = self._token is not None and session.proof == proof_of(self._token.reveal())
                return Visitor(session, (ConsoleRole.ADMIN,)) if is_so else None
            case Way.PASSWORD:
                user = self._users.get(session.name)
                if user is None or session.proof != proof_of(user.password_hash.reveal()):
                    return None
                return Visitor(session, (user.role,))
            case Way.OPENID:
                openid = self._openid
                if openid is None or session.proof != proof_of(openid.issuer):
                    return None
                roles = tuple(dict.fromkeys(openid.roles[one] for one in session.claimed if one in openid.roles))
                return Visitor(session, roles) if roles else None
