"""Serves the pages by which people sign in and out: with the admin token, a name and a password, or by a provider.

What is wrong of a name and a password is not told apart. Who sends wrong ones has to wait after a while.
"""

import hmac
from http import HTTPStatus
from math import ceil
from time import monotonic
from typing import Final

from knownas.config.values import Configuration
from knownas.console.limits import NAME_FAILURES_IN_A_ROW_MAX, PASSWORD_CHARACTERS_MAX
from knownas.console.openid import CALLBACK_PATH, Provider
from knownas.console.origin import local_path
from knownas.console.page import NOBODY, Answer, Asked, Moved, Page, Shown, done
from knownas.console.refusal import Refusal
from knownas.console.rights import Right, Visitor
from knownas.console.serving import SIGN_IN_PATH
from knownas.console.visitors import Visitors
from knownas.service.security.auditing import EVERYBODY, Auditing
from knownas.service.security.failures import Failures
from knownas.service.security.sessions import Session, Way

OPENID_PATH: Final = "/sign-in/openid"
SIGN_OUT_PATH: Final = "/sign-out"
_SIGNED_IN: Final = "signIn"
"""What signing in is called in the audit."""


class SigningIn:
    """The pages, and who has failed. One event loop, one of these."""

    def __init__(
        self, configuration: Configuration, visitors: Visitors, provider: Provider | None, auditing: Auditing
    ) -> None:
        self._issuer = "" if configuration.console.oidc is None else configuration.console.oidc.issuer
        self._visitors = visitors
        self._provider = provider
        self._auditing = auditing
        self._failures: Failures[tuple[Way, str, str]] = Failures()
        self._of_names: Failures[str] = Failures(NAME_FAILURES_IN_A_ROW_MAX)

    @property
    def pages(self) -> tuple[Page, ...]:
        """What is served."""
        return (
            Page("GET", SIGN_IN_PATH, "showSignIn", None, self.show),
            Page("POST", SIGN_IN_PATH, _SIGNED_IN, None, self.sign_in),
            Page("GET", OPENID_PATH, "goToProvider", None, self.go),
            Page("GET", CALLBACK_PATH, "comeFromProvider", None, self.come_back),
            Page("POST", SIGN_OUT_PATH, "signOut", Right.READ, self.sign_out),
        )

    async def show(self, asked: Asked) -> Answer:
        """Show the ways to sign in; whoever is signed in goes on."""
        to = local_path(asked.query.raw("to", PASSWORD_CHARACTERS_MAX))
        if asked.visitor is not None:
            return Moved(to, NOBODY)
        self._refuse_closed()
        return self._form(to)

    async def sign_in(self, asked: Asked) -> Answer:
        """Sign somebody in by the admin token, or by a name and a password."""
        self._refuse_closed()
        to = local_path(asked.form.raw("to"))
        name = asked.form.text("name")
        secret = asked.form.raw("secret", PASSWORD_CHARACTERS_MAX)
        way = Way.TOKEN if asked.form.is_on("token") else Way.PASSWORD
        client = asked.request.client
        who = (way, "" if way is Way.TOKEN else name, "" if client is None else client.host)
        now = monotonic()
        wait = self._failures.wait(who, now) or (self._of_names.wait(name, now) if way is Way.PASSWORD else 0.0)
        if wait:
            sentence = f"Too many wrong attempts. Wait {ceil(wait)} seconds, then try again."
            return self._form(to, name, sentence, HTTPStatus.TOO_MANY_REQUESTS)
        if way is Way.TOKEN:
            session = self._visitors.by_token(secret)
        else:
            session = await self._visitors.by_password(name, secret)
        if session is None:
            self._failures.failed(who, now)
            if way is Way.PASSWORD:
                self._of_names.failed(name, now)
            sentence = (
                "This is not the admin token." if way is Way.TOKEN else "There is no user with this name and password."
            )
            return self._form(to, name, sentence, HTTPStatus.FORBIDDEN)
        self._failures.succeeded(who)
        self._of_names.succeeded(name)
        return self._begin(session, to)

    async def go(self, asked: Asked) -> Answer:
        """Send somebody to the provider."""
        provider = self._required_provider()
        attempt = self._visitors.sessions.attempt(local_path(asked.query.raw("to")))
        address = await provider.address(attempt)
        return Moved(address, NOBODY, holds=self._visitors.sessions.seal_attempt(attempt))

    async def come_back(self, asked: Asked) -> Answer:
        """Take somebody up who comes back from the provider."""
        provider = self._required_provider()
        query = asked.query
        attempt = self._visitors.sessions.open_attempt(asked.held)
        state, code = query.raw("state", PASSWORD_CHARACTERS_MAX), query.raw("code", PASSWORD_CHARACTERS_MAX)
        if attempt is None or not hmac.compare_digest(attempt.state.encode(), state.encode()):
            sentence = "This is not the way back from a provider to which you were sent, or it took too long."
            raise Refusal(HTTPStatus.FORBIDDEN, "foreign_form", sentence, "Begin to sign in again.")
        if query.raw("iss") not in ("", self._issuer) or not code:
            sentence = "The provider does not sign you in."
            advice = "Begin again. The provider knows why: perhaps you have not agreed, or have no account there."
            raise Refusal(HTTPStatus.FORBIDDEN, "provider_refused", sentence, advice)
        vouched = await provider.vouched(attempt, code)
        session = self._visitors.by_provider(vouched.name, vouched.claimed)
        if session is None:
            sentence = f"The provider knows you as {vouched.name}, but nothing says what you may do here."
            advice = "Ask whoever keeps the server's configuration: console.oidc.roles gives roles."
            raise Refusal(HTTPStatus.FORBIDDEN, "role_missing", sentence, advice)
        return self._begin(session, attempt.to, holds="")

    async def sign_out(self, asked: Asked) -> Answer:
        """End the session, here and in every copy of its cookie."""
        del asked
        return Moved(SIGN_IN_PATH, NOBODY, ends=True)

    def _begin(self, session: Session, to: str, holds: str | None = None) -> Answer:
        visitor = self._visitors.of(session)
        if visitor is None:
            raise AssertionError("whoever has just signed in is somebody")
        self._auditing.note(EVERYBODY, visitor.who, _SIGNED_IN, HTTPStatus.OK)
        return Moved(to, NOBODY, done(_greeting(visitor)), begins=session, holds=holds)

    def _form(self, to: str, name: str = "", wrong: str = "", status: int = HTTPStatus.OK) -> Shown:
        values = {
            "to": to,
            "name": name,
            "wrong": wrong,
            "has_token": self._visitors.has_token,
            "has_users": self._visitors.has_users,
            "has_provider": self._provider is not None,
        }
        return Shown("sign_in.html", "Sign in", NOBODY, values, status=status)

    def _refuse_closed(self) -> None:
        if not (self._visitors.has_token or self._visitors.has_users or self._provider is not None):
            sentence = "The configuration has nobody who could sign in."
            advice = "Set admin_token, or users or a provider in console, and start the server again."
            raise Refusal(HTTPStatus.FORBIDDEN, "console_off", sentence, advice)

    def _required_provider(self) -> Provider:
        if self._provider is None:
            sentence = "Nobody signs in by a provider here."
            raise Refusal(HTTPStatus.NOT_FOUND, "unknown_path", sentence, "Sign in with a password or the admin token.")
        return self._provider


def _greeting(visitor: Visitor) -> str:
    roles = " and ".join(role.value.replace("_", " ") for role in visitor.roles)
    return f"Signed in as {visitor.name}, {roles}."
