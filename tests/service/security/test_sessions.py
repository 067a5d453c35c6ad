"""Sessions of the console last their time, can't be forged, and are over everywhere once they were ended."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.service.security import sessions as module
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.service.security.sessions import (
    ATTEMPT_SECONDS,
    IDLE_SECONDS,
    KEY_NAME,
    SEALED_KEY_NAME,
    SEEN_AGAIN_SECONDS,
    SESSION_SECONDS,
    Sessions,
    Told,
    Way,
    open_sessions,
    proof_of,
)
from knownas.store.errors import StoreDamaged
from knownas.store.memory.store import MemoryStore
from tests.store.world import START_MS


class Clock:
    """Stands still until it is told to go on, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> int:
        return START_MS + int(self.seconds * 1_000)


class SlowStore(MemoryStore):
    """A store that others can write to between a look and a change."""

    async def kept(self, name: str) -> bytes | None:
        found = await super().kept(name)
        await asyncio.sleep(0)
        return found


async def opened(store: MemoryStore, clock: Callable[[], int], keys: SecretKeys | None = None) -> Sessions:
    """Open the sessions as another process over the same store would."""
    return await open_sessions(store, clock, keys=keys)


async def test_a_session_is_what_it_was_in_every_process() -> None:
    """Whoever signed in at one process is known at the others, and so are the forms they were given."""
    store, clock = MemoryStore(), Clock()
    one, two = await opened(store, clock), await opened(store, clock)
    session = one.begin(Way.OPENID, "ann", proof_of("secret"), ("crew", "Ü"))
    other = one.begin(Way.TOKEN, "")
    assert two.open(one.seal(session)) == session
    assert two.is_form_token(session, one.form_token(session))
    assert not two.is_form_token(session, one.form_token(other))
    assert not two.is_form_token(session, "")
    assert not two.is_form_token(session, "\ud800")


async def test_a_session_ends_by_itself() -> None:
    """After an hour without a look, and after twelve hours of looking."""
    clock = Clock()
    sessions = await opened(MemoryStore(), clock)
    session = sessions.begin(Way.PASSWORD, "ann")
    clock.seconds = IDLE_SECONDS - 0.001
    assert sessions.open(sessions.seal(session)) == session
    clock.seconds = IDLE_SECONDS
    assert sessions.open(sessions.seal(session)) is None
    clock.seconds = 0
    while clock.seconds < SESSION_SECONDS:
        assert sessions.open(sessions.seal(session)) is not None
        session = sessions.seen(session)
        clock.seconds += IDLE_SECONDS / 2
    assert sessions.open(sessions.seal(sessions.seen(session))) is None


async def test_a_look_is_written_down_once_a_minute() -> None:
    """So that most answers set no cookie."""
    clock = Clock()
    sessions = await opened(MemoryStore(), clock)
    session = sessions.begin(Way.PASSWORD, "ann")
    clock.seconds = SEEN_AGAIN_SECONDS - 0.001
    assert sessions.seen(session) is session
    clock.seconds = SEEN_AGAIN_SECONDS
    assert sessions.seen(session).seen_ms == clock()


async def test_a_session_that_was_ended_is_over_everywhere() -> None:
    """A cookie that somebody has copied opens nothing any more; other sessions go on."""
    store, clock = MemoryStore(), Clock()
    one, two = await opened(store, clock), await opened(store, clock)
    ended, going_on = (one.begin(Way.PASSWORD, "ann") for _ in range(2))
    await one.end(ended)
    await one.end(ended)
    assert await two.is_ended(ended)
    assert not await two.is_ended(going_on)


async def test_many_can_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost between two processes, and what is over by itself is forgotten; only so many are remembered."""
    store, clock = SlowStore(), Clock()
    ending = [await opened(store, clock) for _ in range(5)]
    sessions = [one.begin(Way.PASSWORD, "ann") for one in ending]
    await asyncio.gather(*(one.end(session) for one, session in zip(ending, sessions, strict=True)))
    assert [await ending[0].is_ended(one) for one in sessions] == [True] * 5
    clock.seconds = SESSION_SECONDS
    last = ending[0].begin(Way.PASSWORD, "bob")
    await ending[0].end(last)
    assert [await ending[0].is_ended(one) for one in (*sessions, last)] == [False] * 5 + [True]
    monkeypatch.setattr(module, "ENDED_MAX", 1)
    clock.seconds += 1
    await ending[0].end(later := ending[0].begin(Way.PASSWORD, "bob"))
    assert (await ending[0].is_ended(last), await ending[0].is_ended(later)) == (False, True)


@given(st.text(max_size=300) | st.from_regex(r"sealed1\.[0-9a-f]{12}\.[A-Za-z0-9_-]+=*", fullmatch=True))
def test_nothing_else_opens(given_text: str) -> None:
    """Whatever a browser sends that was not sealed here is no session, and no fault of the server."""
    sessions = Sessions(MemoryStore(), b"k" * 64, lambda: START_MS)
    assert sessions.open(given_text) is None
    assert sessions.open_attempt(given_text) is None


async def test_a_session_and_an_attempt_are_not_each_other() -> None:
    """What was sealed for signing in is not signed in."""
    sessions = await opened(MemoryStore(), Clock())
    attempt, session = sessions.attempt("/people"), sessions.begin(Way.PASSWORD, "ann")
    assert sessions.open(sessions.seal_attempt(attempt)) is None
    assert sessions.open_attempt(sessions.seal(session)) is None
    assert sessions.open("x" * 5_000) is None


async def test_an_attempt_to_sign_in_has_its_time() -> None:
    """Ten minutes, and each one has a state, nonce and verifier of its own, long enough for PKCE (RFC 7636 §4.1)."""
    clock = Clock()
    sessions = await opened(MemoryStore(), clock)
    attempt, other = sessions.attempt("/people"), sessions.attempt("/people")
    made = {attempt.state, attempt.nonce, attempt.verifier, other.state, other.nonce, other.verifier}
    assert len(made) == 6
    assert min(map(len, made)) >= 43
    sealed = sessions.seal_attempt(attempt)
    assert sessions.open_attempt(sealed) == attempt
    clock.seconds = ATTEMPT_SECONDS
    assert sessions.open_attempt(sealed) is None


async def test_the_key_is_kept_sealed() -> None:
    """Where there are secret keys it lies sealed in the store; without them at hand nothing opens it."""
    store, keys, clock = MemoryStore(), SecretKeys([b"s" * 32]), Clock()
    sessions = await opened(store, clock, keys)
    sealed = sessions.seal(sessions.begin(Way.PASSWORD, "ann"))
    assert (await opened(store, clock, keys)).open(sealed) is not None
    assert await store.kept(KEY_NAME) is None
    assert await store.kept(SEALED_KEY_NAME) is not None
    with pytest.raises(Unopenable):
        await opened(store, clock, SecretKeys([b"o" * 32]))


async def test_a_damaged_key_or_list_is_told() -> None:
    """The store's fault is the store's fault."""
    store = MemoryStore()
    await store.keep(KEY_NAME, b"short")
    with pytest.raises(StoreDamaged):
        await opened(store, Clock())
    store = MemoryStore()
    sessions = await opened(store, Clock())
    await store.keep("console_sessions_ended", b"[]")
    with pytest.raises(StoreDamaged):
        await sessions.is_ended(sessions.begin(Way.PASSWORD, "ann"))


async def test_the_list_of_ended_sessions_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saboteur: without the comparison with what was read, one of two that end at once would go on."""
    store, clock = SlowStore(), Clock()
    sessions = await opened(store, clock)
    await sessions.end(sessions.begin(Way.PASSWORD, "first"))

    async def replace_blindly(name: str, _before: bytes, after: bytes) -> bool:
        now = await MemoryStore.kept(store, name)
        assert now is not None
        return await MemoryStore.replace_kept(store, name, now, after)

    monkeypatch.setattr(store, "replace_kept", replace_blindly)
    ended = [sessions.begin(Way.PASSWORD, "ann") for _ in range(2)]
    await asyncio.gather(*map(sessions.end, ended))
    assert [await sessions.is_ended(one) for one in ended].count(True) == 1


def test_what_is_told_is_kept_with_the_session() -> None:
    """A sentence for the next page travels in the cookie, where nobody can write it but the server."""
    sessions = Sessions(MemoryStore(), b"k" * 64, lambda: START_MS)
    session = sessions.begin(Way.PASSWORD, "ann")
    told = module.telling(session, Told("Undone."))
    again = sessions.open(sessions.seal(told))
    assert again is not None
    assert again.told == Told("Undone.")
    assert module.telling(again, None).told is None
