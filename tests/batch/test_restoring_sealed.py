"""Where the key by which erased people are recognised is sealed, a restore needs the secret key, and then is as any other."""

import asyncio
from pathlib import Path

import pytest

from knownas.batch.writing_ledger import write_ledger
from knownas.service.erasure.keeping_out import KEPT_AS
from knownas.service.security.resealing import reseal
from knownas.service.security.sealing import SecretKeys, Unopenable, is_sealed
from knownas.store.errors import StoreDamaged
from knownas.store.opening import open_store
from tests.batch.restoring_stage import Loss, bytes_of, lost
from tests.batch.test_restoring import new, wrong_with

KEYS = SecretKeys([b"k" * 32])
NEWER = SecretKeys([b"n" * 32])
BOTH = SecretKeys([b"n" * 32, b"k" * 32])


@pytest.fixture(scope="module")
def lost_once(tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """A loss of a database whose server had a secret key."""
    return asyncio.run(lost(tmp_path_factory.mktemp("sealed"), keys=KEYS))


@pytest.fixture
def loss(lost_once: Loss, tmp_path: Path) -> Loss:
    """The same, with files of the test's own."""
    return lost_once.copied(tmp_path)


async def kept_key(database: str) -> str:
    """Return the key as it is kept."""
    store = open_store(database)
    kept = await store.kept(KEPT_AS)
    await store.close()
    assert kept is not None
    return kept.decode()


async def test_with_the_secret_key_everybody_stays_erased(loss: Loss, tmp_path: Path) -> None:
    """The key is sealed in the backup and in what is restored; nobody who was erased is there, and who is to stay out does."""
    target = new(tmp_path)
    assert (await loss.again(target)).replayed.erasures == 3
    assert is_sealed(await kept_key(target))
    assert bytes_of(tmp_path / "new") == []
    at = await loss.server(target)
    assert await wrong_with(loss, at) == []
    await at.service.close()


@pytest.mark.parametrize("keys", [SecretKeys(), NEWER], ids=["none", "another"])
async def test_without_it_nothing_is_served_and_the_same_restore_goes_on(
    loss: Loss, tmp_path: Path, keys: SecretKeys
) -> None:
    """It is said what is missing, before anybody is erased or served; given the key, the restore comes to its end."""
    target = new(tmp_path)
    with pytest.raises(Unopenable, match="secret key"):
        await loss.again(target, keys=keys)
    with pytest.raises(StoreDamaged, match="run the same `knownas restore` again"):
        await loss.server(target)
    assert (await loss.again(target)).replayed.erasures == 3
    at = await loss.server(target)
    assert await wrong_with(loss, at) == []
    await at.service.close()


async def test_a_backup_from_before_a_change_of_the_secret_key_needs_both(loss: Loss, tmp_path: Path) -> None:
    """What is restored is sealed under the old one, until it is sealed anew; then the new one alone opens all of it."""
    target = new(tmp_path)
    await loss.again(target, keys=BOTH)
    store = open_store(target)
    assert (await reseal(store, BOTH)).suppression_key
    await store.close()
    at = await loss.server(target, keys=NEWER)
    assert await wrong_with(loss, at) == []
    assert (await at.service.privacy.signing.processor()).domain == "localhost"
    await at.service.close()


async def test_a_key_that_was_sealed_after_the_backup_is_the_same_one(tmp_path: Path) -> None:
    """A backup from before there was a secret key has it plain: the ledger's digests are recognised."""
    loss = await lost(tmp_path)
    target = new(tmp_path)
    await loss.again(target, keys=KEYS)
    assert not is_sealed(await kept_key(target))
    at = await loss.server(target, keys=KEYS)
    assert await wrong_with(loss, at) == []
    await at.service.close()


async def test_a_ledger_can_be_written_with_the_secret_key_alone(loss: Loss, tmp_path: Path) -> None:
    """Without it, it is said what is missing, and no file is left."""
    loss.ledger.unlink()
    with pytest.raises(Unopenable):
        await write_ledger(loss.database, loss.ledger, NEWER)
    assert not loss.ledger.exists()
    await write_ledger(loss.database, loss.ledger, KEYS)
    target = new(tmp_path)
    assert (await loss.again(target)).replayed.erasures == 3
    at = await loss.server(target)
    assert await wrong_with(loss, at) == []
    await at.service.close()
