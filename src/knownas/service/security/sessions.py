"""Keeps who is signed in to the console: a session is a sealed text that the browser holds, good for 12 hours, or an hour of rest.

The text says who somebody is and by what that was shown, and nothing of what they may do: that is looked up in the configuration
at each request. It is sealed by a key that is kept in the store, so that every process over it takes it, and it survives a
restart. Only the sessions that were ended before their time are kept by the server.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from knownas.service.kept_document import rewrite
from knownas.service.security.kept_secret import kept_secret, sealed_name
from knownas.service.security.sealing import KEY_BYTES, SecretKeys, Unopenable
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store

SESSION_SECONDS: Final = 12 * 3_600
IDLE_SECONDS: Final = 3_600
"""How long somebody stays signed in: in all, and without looking at a page."""

SEEN_AGAIN_SECONDS: Final = 60
"""A session is sealed anew when it was last seen so long ago."""

ATTEMPT_SECONDS: Final = 600
"""How long somebody may take to sign in at the provider of OpenID Connect."""

SEALED_CHARACTERS_MAX: Final = 4_000
"""Characters of a sealed text that is looked at: a browser keeps no longer cookie."""

ENDED_MAX: Final = 2_000
"""Sessions ended before their time that are remembered until that has come; beyond, the oldest are forgotten."""


KEY_NAME: Final = "console_session_key"
SEALED_KEY_NAME: Final = sealed_name(KEY_NAME)
"""The names under which the store keeps the key, plain or sealed."""

_ENDED: Final = "console_sessions_ended"
_SESSION: Final = "console_session"
_ATTEMPT: Final = "console_attempt"
_ID_BYTES: Final = 16
_PROOF_DIGITS: Final = 32


class Way(StrEnum):
    """How somebody has shown who they are."""

    TOKEN = "token"  # noqa: S105 - a word
    PASSWORD = "password"  # noqa: S105 - a word
    OPENID = "openid"


class Told(msgspec.Struct, frozen=True):
    """A sentence for the next page that is shown; `is_bad` says that something was not done."""

    sentence: str
    is_bad: bool = False


class Session(msgspec.Struct, frozen=True):
    """Somebody who is signed in. `proof` is a digest of the secret that was shown; when it changes, the session ends.

    `claimed` are the values of the claim of roles that count in the configuration.
    """

    id: str
    way: Way
    name: str
    proof: str
    claimed: tuple[str, ...]
    began_ms: int
    seen_ms: int
    told: Told | None = None


class Attempt(msgspec.Struct, frozen=True):
    """Somebody who was sent to the provider of OpenID Connect, and what comes back must fit."""

    state: str
    nonce: str
    verifier: str
    to: str
    began_ms: int


_Sealed = TypeVar("_Sealed", Session, Attempt)
_ENCODER: Final = msgspec.json.Encoder()
_SESSION_DECODER: Final = msgspec.json.Decoder(Session)
_ATTEMPT_DECODER: Final = msgspec.json.Decoder(Attempt)
_ENDED_DECODER: Final = msgspec.json.Decoder(dict[str, int])


def proof_of(secret: str) -> str:
    """Return the digest of a secret that stands in the sessions that it opened."""
    return hashlib.sha256(b"console\0" + secret.encode()).hexdigest()[:_PROOF_DIGITS]


def telling(session: Session, told: Told | None) -> Session:
    """Return the session with a sentence for its next page, or without."""
    return msgspec.structs.replace(session, told=told)


class Sessions:
    """The sessions of a console. `clock` returns the time in Unix milliseconds."""

    def __init__(self, store: Store, key: bytes, clock: Callable[[], int]) -> None:
        """Seal by the first half of the key, and make the tokens of forms by the other one."""
        self._store = store
        self._seals = SecretKeys([key[:KEY_BYTES]])
        self._forms = key[KEY_BYTES:]
        self._clock = clock

    def begin(self, way: Way, name: str, proof: str = "", claimed: tuple[str, ...] = ()) -> Session:
        """Return a new session of somebody who has shown who they are."""
        now = self._clock()
        return Session(secrets.token_urlsafe(_ID_BYTES), way, name, proof, claimed, now, now)

    def seal(self, session: Session) -> str:
        """Return the text that the browser holds."""
        return self._seals.seal(_SESSION, _ENCODER.encode(session))

    def open(self, sealed: str) -> Session | None:
        """Return the session that a browser holds; None if it is none of ours, or its time is up."""
        session = self._opened(_SESSION, sealed, _SESSION_DECODER)
        if session is None:
            return None
        now = self._clock()
        is_over = now >= session.began_ms + SESSION_SECONDS * 1_000 or now >= session.seen_ms + IDLE_SECONDS * 1_000
        return None if is_over else session

    def seen(self, session: Session) -> Session:
        """Return the session of somebody who looks at a page now: the same, unless it was seen long ago."""
        now = self._clock()
        if now < session.seen_ms + SEEN_AGAIN_SECONDS * 1_000:
            return session
        return msgspec.structs.replace(session, seen_ms=now)

    def form_token(self, session: Session) -> str:
        """Return what each form of a session carries, and no other site can know."""
        return hmac.new(self._forms, session.id.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, session: Session, given: str) -> bool:
        """Whether a form carries what it must; takes the same time wherever the two differ."""
        return hmac.compare_digest(self.form_token(session).encode(), given.encode("utf-8", "replace"))

    def attempt(self, to: str) -> Attempt:
        """Return what somebody takes along who is sent to the provider, to be shown the page `to` afterwards."""
        state, nonce, verifier = (secrets.token_urlsafe(KEY_BYTES) for _ in range(3))
        return Attempt(state, nonce, verifier, to, self._clock())

    def seal_attempt(self, attempt: Attempt) -> str:
        """Return the text that the browser holds meanwhile."""
        return self._seals.seal(_ATTEMPT, _ENCODER.encode(attempt))

    def open_attempt(self, sealed: str) -> Attempt | None:
        """Return what the browser has held meanwhile; None if it is none of ours, or too old."""
        attempt = self._opened(_ATTEMPT, sealed, _ATTEMPT_DECODER)
        if attempt is None or self._clock() >= attempt.began_ms + ATTEMPT_SECONDS * 1_000:
            return None
        return attempt

    async def end(self, session: Session) -> None:
        """End a session before its time, in every process.

        Raises:
            StoreError: the store could not do it.
        """

        def with_it(before: bytes | None) -> bytes:
            now = self._clock()
            ended = {one: until for one, until in _ended(before).items() if until > now}
            ended[session.id] = session.began_ms + SESSION_SECONDS * 1_000
            return _ENCODER.encode(dict(sorted(ended.items(), key=lambda one: one[1])[-ENDED_MAX:]))

        await rewrite(self._store, _ENDED, with_it)

    async def is_ended(self, session: Session) -> bool:
        """Whether a session was ended before its time.

        Raises:
            StoreError: the store does not answer.
        """
        return session.id in _ended(await self._store.kept(_ENDED))

    def _opened(self, name: str, sealed: str, decoder: msgspec.json.Decoder[_Sealed]) -> _Sealed | None:
        if len(sealed) > SEALED_CHARACTERS_MAX:
            return None
        try:
            return decoder.decode(self._seals.open(name, sealed))
        except (Unopenable, msgspec.MsgspecError):
            # Sealed by another server, damaged, or by a release whose sessions look different: sign in again.
            return None


def _ended(kept: bytes | None) -> dict[str, int]:
    if kept is None:
        return {}
    try:
        return _ENDED_DECODER.decode(kept)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not the list of sessions that were ended: {error}") from error


async def open_sessions(
    store: Store, clock: Callable[[], int], *, publish: bool = True, keys: SecretKeys | None = None
) -> Sessions:
    """Return the sessions of the console, sealed by the store's key, made when there is none.

    `publish` False keeps no new key: for those who only want to look. With secret `keys` the key lies sealed in the store.

    Raises:
        StoreError: the store does not answer, or what it keeps is no key (StoreDamaged).
        Unopenable: the key was sealed with a secret key that is not among `keys`.
    """
    key = await kept_secret(store, KEY_NAME, lambda: secrets.token_bytes(2 * KEY_BYTES), keys=keys, publish=publish)
    if len(key) != 2 * KEY_BYTES:
        raise StoreDamaged(f"the store's {KEY_NAME} is no key")
    return Sessions(store, key, clock)
