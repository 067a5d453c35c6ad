"""Reads and writes the cookies of the console: who is signed in, who is on the way to a provider, and whether it is to be dark.

Where people come by HTTPS, the names of those that matter begin with `__Host-`: the browser then takes them from nobody else.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from knownas.console.limits import COOKIE_BYTES_MAX, THEME_AGE_SECONDS
from knownas.service.security.sessions import ATTEMPT_SECONDS, SESSION_SECONDS

THEMES: Final = ("light", "dark")
_SESSION: Final = "knownas_session"
_ATTEMPT: Final = "knownas_attempt"
_THEME: Final = "knownas_theme"
_HOST_ONLY: Final = "__Host-"


class Cookies:
    """The cookies of one request and its answer. `is_secure` is whether people come by HTTPS."""

    def __init__(self, request: Request, *, is_secure: bool) -> None:
        self._is_secure = is_secure
        is_short = len(request.headers.get("cookie", "")) <= COOKIE_BYTES_MAX
        self._given = request.cookies if is_short else {}

    @property
    def session(self) -> str:
        """The sealed session; "" if there is none."""
        return self._given.get(self._name(_SESSION), "")

    @property
    def attempt(self) -> str:
        """What is sealed on the way to a provider and back; "" if nobody is on it."""
        return self._given.get(self._name(_ATTEMPT), "")

    @property
    def theme(self) -> str:
        """`light` or `dark`; "" for what the browser likes."""
        given = self._given.get(_THEME, "")
        return given if given in THEMES else ""

    def keep_session(self, response: Response, sealed: str) -> None:
        """Let the browser hold a session."""
        self._keep(response, _SESSION, sealed, SESSION_SECONDS)

    def keep_attempt(self, response: Response, sealed: str) -> None:
        """Let the browser hold what it takes along to a provider; "" takes it away."""
        self._keep(response, _ATTEMPT, sealed, ATTEMPT_SECONDS)

    def drop_session(self, response: Response) -> None:
        """Take the session away from the browser."""
        self._keep(response, _SESSION, "", 0)

    def keep_theme(self, response: Response, theme: str) -> None:
        """Let the browser remember how it is to look; "" forgets it."""
        age = THEME_AGE_SECONDS if theme else 0
        response.set_cookie(_THEME, theme, age, secure=self._is_secure, httponly=True, samesite="lax")

    def _keep(self, response: Response, name: str, value: str, seconds: int) -> None:
        age = seconds if value else 0
        response.set_cookie(self._name(name), value, age, secure=self._is_secure, httponly=True, samesite="lax")

    def _name(self, name: str) -> str:
        return f"{_HOST_ONLY}{name}" if self._is_secure else name
