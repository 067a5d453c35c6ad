"""Secrets at rest move to another secret key, and nothing is lost on the way."""

import pytest

from knownas.config.values import Configuration, Credential, Organization, Role, Secret
from knownas.service.privacy.processor import open_processor
from knownas.service.security.keys import Holder, Holding, read_changes, revoke, rotate
from knownas.service.security.resealing import FIRST_CONFIGURATION, Resealed, reseal
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.service.security.sessions import Way, open_sessions
from knownas.service.security.tokens import Issued, open_tokens
from knownas.store.memory.store import MemoryStore
from tests.store.world import START_MS

OLD, BOTH, NEW = SecretKeys([b"o" * 32]), SecretKeys([b"n" * 32, b"o" * 32]), SecretKeys([b"n" * 32])
HOLDER = Holder(Holding.INPUT, 100, "first", Secret("configured"))
CLIENT = Credential("client", Secret("secret"), Role.READ_ONLY, ())
CONFIGURATION = Configuration(organization=Organization(1, "Acme"), credentials=(CLIENT,))


async def filled() -> MemoryStore:
    """Return a store with two rotated pairs, one revoked, a key that signs tokens, and a first configuration."""
    store = MemoryStore()
    for number, key in enumerate(("second", "third")):
        await rotate(store, OLD, HOLDER, (key, Secret(f"secret of {key}")), START_MS + number, 1_000, now=True)
    await revoke(store, HOLDER, "second", START_MS + 2)
    await open_tokens(CONFIGURATION, store, lambda: START_MS, keys=OLD)
    assert await store.keep(FIRST_CONFIGURATION, OLD.seal(FIRST_CONFIGURATION, b"scopes: []").encode())
    return store


async def test_everything_opens_with_the_new_key_alone() -> None:
    """Pairs, the key that signs tokens and the first configuration are what they were, under the new key."""
    store = await filled()
    issued = (await open_tokens(CONFIGURATION, store, lambda: START_MS, keys=OLD)).issue("client", "secret")
    assert isinstance(issued, Issued)

    assert await reseal(store, BOTH) == Resealed(2, signing_key=True, configuration=True, was_plain=False)

    (pair,) = (await read_changes(store)).pairs(Holding.INPUT, "first", HOLDER.secret, NEW, START_MS + 3)
    assert (pair.key, pair.secret.reveal()) == ("third", "secret of third")
    tokens = await open_tokens(CONFIGURATION, store, lambda: START_MS, keys=NEW)
    assert tokens.verify(issued.access_token, START_MS) == CLIENT
    kept = await store.kept(FIRST_CONFIGURATION)
    assert kept is not None
    assert NEW.open(FIRST_CONFIGURATION, kept.decode()) == b"scopes: []"


async def test_the_key_that_signs_for_data_subjects_opens_too() -> None:
    """It is the same one under the new key: whoever trusts its certificate goes on to."""
    store, domain = MemoryStore(), "localhost"
    before = await open_processor(store, domain, START_MS, keys=OLD)
    assert (await reseal(store, BOTH, domain)).processor_key
    after = await open_processor(store, domain, START_MS, keys=NEW)
    assert after.certificates == before.certificates
    assert not (await reseal(store, NEW, domain)).processor_key


async def test_whoever_is_signed_in_stays_so() -> None:
    """The key of the console's sessions is the same one under the new secret key."""
    store = MemoryStore()
    before = await open_sessions(store, lambda: START_MS, keys=OLD)
    assert (await reseal(store, BOTH)).session_key
    after = await open_sessions(store, lambda: START_MS, keys=NEW)
    session = before.begin(Way.PASSWORD, "ann")
    assert after.open(before.seal(session)) == session


async def test_a_second_time_changes_nothing() -> None:
    """What is sealed under the newest key stays as it is, to the byte."""
    store = await filled()
    await reseal(store, BOTH)
    before = [await store.kept(name) for name in ("keys/000001", "keys/000002", FIRST_CONFIGURATION)]
    assert await reseal(store, NEW) == Resealed(0, signing_key=False, configuration=False, was_plain=False)
    assert [await store.kept(name) for name in ("keys/000001", "keys/000002", FIRST_CONFIGURATION)] == before


async def test_a_plain_first_configuration_is_sealed() -> None:
    """What an older version left plain does not stay so."""
    store = MemoryStore()
    await store.keep(FIRST_CONFIGURATION, b"scopes: []")
    assert await reseal(store, NEW) == Resealed(0, signing_key=False, configuration=True, was_plain=True)
    kept = await store.kept(FIRST_CONFIGURATION)
    assert kept is not None
    assert NEW.open(FIRST_CONFIGURATION, kept.decode()) == b"scopes: []"


@pytest.mark.parametrize("keys", [NEW, SecretKeys()])
async def test_without_the_old_key_nothing_changes(keys: SecretKeys) -> None:
    """What can't be opened is told, and the store still opens with the old key."""
    store = await filled()
    with pytest.raises(Unopenable):
        await reseal(store, keys)
    (pair,) = (await read_changes(store)).pairs(Holding.INPUT, "first", HOLDER.secret, OLD, START_MS + 3)
    assert pair.secret.reveal() == "secret of third"
