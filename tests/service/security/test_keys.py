"""Keys that change while the server runs: two pairs at once, never three, and each for as long as was said."""

import asyncio
from dataclasses import replace

import pytest

from knownas.config.values import Configuration, Secret
from knownas.service.security.directory import Directory, Pairs, open_directory
from knownas.service.security.key_watch import KeyWatch
from knownas.service.security.keys import (
    TAKEN_UP_WITHIN_SECONDS,
    Holder,
    Holding,
    KeyChain,
    KeyChangeRefused,
    read_changes,
    revoke,
    rotate,
)
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreDamaged, StoreUnavailable
from knownas.store.memory.store import MemoryStore
from tests.service.security.test_directory import CRM, WEB, configuration
from tests.store.world import START_MS
from tests.waiting import until

KEYS = SecretKeys([b"k" * 32])
DAY_MS = 86_400_000
WEB_HOLDER = Holder(Holding.INPUT, 100, WEB.key, WEB.secret)
SHOP = Holder(Holding.WORKSPACE, 100, "ws-1", Secret("s"))


class World:
    """A store with a configuration, its directory and watch, and a clock that stands still."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.configuration = configuration()
        self.now_ms = START_MS
        self.directory: Directory
        self.watch: KeyWatch

    async def open(self, keys: SecretKeys = KEYS, given: Configuration | None = None) -> "World":
        """Open, or open again, what a server has."""
        here = given or self.configuration
        chain = await read_changes(self.store)
        self.directory = await open_directory(here, self.store, self.now_ms, chain=chain, keys=keys)
        self.watch = KeyWatch(here, self.store, self.directory, keys, chain, lambda: self.now_ms)
        return self

    async def rotate(
        self, key: str, holder: Holder = WEB_HOLDER, *, valid_for: int = DAY_MS, now: bool = False
    ) -> None:
        """Rotate, and let the server look."""
        await rotate(self.store, KEYS, holder, (key, Secret(f"{key}-secret")), self.now_ms, valid_for, now=now)
        await self.watch.look()

    async def later(self, ms: int) -> None:
        """Let time pass, and let the server look."""
        self.now_ms += ms
        await self.watch.look()

    @property
    def open_doors(self) -> list[str]:
        """The keys among those of these tests that open the web input."""
        doors = {key: self.directory.door(key) for key in (WEB.key, "k1", "k2", "k3")}
        return [key for key, door in doors.items() if door is not None and door.input.name == "web"]


async def test_old_and_new_pair_open_side_by_side_until_the_old_one_ends() -> None:
    """After a rotation both keys lead to the same input, each with its own secret; at its time the old one ends."""
    world = await World().open()
    await world.rotate("k1")
    old, new = world.directory.door(WEB.key), world.directory.door("k1")
    assert old is not None
    assert new is not None
    assert (old.input.secret, new.input.secret) == (WEB.secret, Secret("k1-secret"))
    assert replace(new.input, key=old.input.key, secret=old.input.secret) == old.input == WEB
    assert (old.workspace, old.rules) == (new.workspace, new.rules)
    await world.later(DAY_MS - 1)
    assert world.open_doors == [WEB.key, "k1"]
    await world.later(1)
    assert world.open_doors == ["k1"]


async def test_a_restart_changes_nothing() -> None:
    """What a running server took up, a started one reads."""
    world = await World().open()
    await world.rotate("k1")
    assert (await world.open()).open_doors == [WEB.key, "k1"]
    world.now_ms += DAY_MS
    assert (await world.open()).open_doors == ["k1"]


async def test_never_three() -> None:
    """A second rotation waits for the first old pair's end, or ends it; the third pair before is never valid."""
    world = await World().open()
    await world.rotate("k1")
    with pytest.raises(KeyChangeRefused, match=f"older key {WEB.key} .* --now"):
        await world.rotate("k2")
    assert world.open_doors == [WEB.key, "k1"]
    await world.rotate("k2", now=True)
    assert world.open_doors == ["k1", "k2"]
    await world.later(DAY_MS)
    await world.rotate("k3")
    assert world.open_doors == ["k2", "k3"]


async def test_an_old_pair_can_end_at_once() -> None:
    """Valid for no time, or revoked, an old pair ends; the newest can't be revoked, nor what has ended."""
    world = await World().open()
    await world.rotate("k1", valid_for=0)
    assert world.open_doors == ["k1"]
    await world.rotate("k2")
    with pytest.raises(KeyChangeRefused, match="newest key"):
        await revoke(world.store, WEB_HOLDER, "k2", world.now_ms)
    await revoke(world.store, WEB_HOLDER, "k1", world.now_ms)
    await world.later(1)
    assert world.open_doors == ["k2"]
    for ended in ("k1", WEB.key, "unheard-of"):
        with pytest.raises(KeyChangeRefused, match="has ended"):
            await revoke(world.store, WEB_HOLDER, ended, world.now_ms)
    await world.rotate("k3")
    assert world.open_doors == ["k2", "k3"]


async def test_other_holders_keep_their_keys() -> None:
    """A rotation touches one input: not another one, and not a workspace, be its key the same text."""
    world = await World().open()
    await world.rotate("k1", valid_for=0)
    await world.rotate("k1", SHOP)
    assert world.directory.door(CRM.key) is not None
    shop = [world.directory.workspace(key) for key in ("ws-1", "k1")]
    assert [None if one is None else one.workspace.id for one in shop] == [100, 100]
    assert shop[1] is not None
    assert shop[1].workspace.secret.matches("k1-secret")
    assert world.directory.workspace(WEB.key) is None
    await world.later(DAY_MS)
    assert world.directory.workspace("ws-1") is None
    assert world.directory.door("ws-1") is None


async def test_a_configuration_may_adopt_the_new_pair() -> None:
    """A configuration that names the new pair goes on from it: the old key is out, and rotations go on."""
    world = await World().open()
    await world.rotate("k1")
    shop, tv = world.configuration.workspaces()
    adopted = replace(WEB, key="k1", secret=Secret("k1-secret"))
    (account,) = world.configuration.organization.accounts
    workspaces = (replace(shop, inputs=(adopted, CRM)), tv)
    organization = replace(world.configuration.organization, accounts=(replace(account, workspaces=workspaces),))
    await world.open(given=replace(world.configuration, organization=organization))
    assert world.open_doors == ["k1"]
    await world.rotate("k2", Holder(Holding.INPUT, 100, "k1", adopted.secret))
    assert world.open_doors == ["k1", "k2"]


async def test_what_is_remembered_by_key_outlives_it() -> None:
    """All doors that an input ever had share a lasting key, adopted or not."""
    world = await World().open()
    await world.rotate("k1")
    await world.rotate("k2", now=True)
    doors = [world.directory.door(key) for key in ("k1", "k2")]
    assert [None if door is None else door.lasting_key for door in doors] == [WEB.key, WEB.key]
    untouched = world.directory.door(CRM.key)
    assert untouched is not None
    assert untouched.lasting_key == CRM.key
    chain = await read_changes(world.store)
    assert chain.lasting_key(Holding.INPUT, "k2") == WEB.key


async def test_the_store_never_sees_a_secret() -> None:
    """Neither the change nor anything else in the store holds the secret's text."""
    world = await World().open()
    await world.rotate("k1")
    kept = await world.store.kept("keys/000001")
    assert kept is not None
    assert b"k1" in kept
    assert b"k1-secret" not in kept


@pytest.mark.parametrize("keys", [SecretKeys(), SecretKeys([b"x" * 32])], ids=["missing", "wrong"])
async def test_start_stops_at_a_missing_or_wrong_secret_key(keys: SecretKeys) -> None:
    """A server that can't open a valid pair does not start, and says which secret key it needs."""
    world = await World().open()
    await world.rotate("k1")
    with pytest.raises(Unopenable, match=r"input key k1 was sealed .* KNOWNAS_SECRET_KEY"):
        await world.open(keys)
    with pytest.raises(Unopenable):
        Pairs(await read_changes(world.store), keys, world.now_ms).try_all(world.configuration)


async def test_nobody_rotates_with_another_secret_key_than_the_servers() -> None:
    """Whoever has no key, or another one than the last rotation, is refused and changes nothing."""
    world = await World().open()
    fresh = ("k1", Secret("k1-secret"))
    with pytest.raises(Unopenable, match="KNOWNAS_SECRET_KEY"):
        await rotate(world.store, SecretKeys(), WEB_HOLDER, fresh, world.now_ms, DAY_MS)
    await world.rotate("k1", valid_for=0)
    with pytest.raises(Unopenable, match="not among those given"):
        await rotate(world.store, SecretKeys([b"x" * 32]), WEB_HOLDER, ("k2", fresh[1]), world.now_ms, DAY_MS)
    assert len((await read_changes(world.store)).changes) == 1


async def test_a_running_server_goes_on_without_a_pair_it_can_not_open() -> None:
    """A pair sealed with a key that came later is left out until the restart; the others work, and still end."""
    world = await World().open(SecretKeys([b"x" * 32]))
    await world.rotate("k1")
    assert world.open_doors == [WEB.key]
    await world.later(DAY_MS)
    assert world.open_doors == []
    assert world.directory.door(CRM.key) is not None


async def test_an_old_pair_ends_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer keeps no ended pair alive, and closes no door that is open."""
    world = await World().open()
    await world.rotate("k1")

    async def away(_name: str) -> bytes | None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "kept", away)
    await world.later(1)
    assert world.open_doors == [WEB.key, "k1"]
    await world.later(DAY_MS)
    assert world.open_doors == ["k1"]


async def test_two_rotations_at_once_are_one() -> None:
    """Of two that rotate at the same moment, the second sees the first and is refused; no change is lost."""
    world = await World().open()
    both = await asyncio.gather(world.rotate("k1"), world.rotate("k2"), return_exceptions=True)
    assert sorted(type(one) for one in both if one is not None) == [KeyChangeRefused]
    assert len((await read_changes(world.store)).changes) == 1


async def test_a_key_is_given_once() -> None:
    """A fresh key that is or was in use is refused."""
    world = await World().open()
    await world.rotate("k1", valid_for=0)
    for taken in (WEB.key, "k1"):
        with pytest.raises(KeyChangeRefused, match="in use"):
            await world.rotate(taken)


async def test_a_damaged_change_is_told() -> None:
    """What is no change of keys stops whoever reads it, rather than letting an ended key in."""
    store = MemoryStore()
    await store.keep("keys/000001", b'{"change":"rotation"}')
    with pytest.raises(StoreDamaged, match="keys/000001"):
        await read_changes(store)


async def test_known_changes_are_not_read_again() -> None:
    """A look at a store without news reads one name and makes nothing new."""
    world = await World().open()
    await world.rotate("k1")
    chain = await read_changes(world.store)
    assert await read_changes(world.store, chain) is chain
    assert KeyChain().keys(Holding.INPUT, "any") == ("any",)


async def test_the_watch_looks_by_itself() -> None:
    """A running watch takes a rotation up within its named time, and ends when it is closed."""
    world = await World().open()
    world.watch.start()
    await rotate(world.store, KEYS, WEB_HOLDER, ("k1", Secret("k1-secret")), world.now_ms, DAY_MS)

    async def is_open() -> bool:
        return world.open_doors == [WEB.key, "k1"]

    await until(is_open, TAKEN_UP_WITHIN_SECONDS)
    await world.watch.close()
    await world.watch.close()
