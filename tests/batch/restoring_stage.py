"""Sets up a database that is backed up, in which people are erased afterwards, and that is lost then."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from knownas.batch.backing_up import back_up
from knownas.batch.restoring import Restore, Restored, restore
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.record import Record
from knownas.service.security.sealing import SecretKeys
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.config.texts import read
from tests.service.erasing_stage import APP, SHOP, ErasingStage, erase, subject, text

GONE = ("canary-customer", "canary@example.com", "canary-old@example.com", "canary-twitter", "canary-event")
"""What a person was called whose profile is erased after the backup, some of it before and some after it."""

MOVED = "canary-moved@example.com"
"""What somebody else was called when the backup was made, and the erased person later."""

LATE = "canary-late@example.com"
"""What somebody was called who came after the backup, and whom a search of before the backup names."""

HALF = "canary-half"
"""The event of somebody whom one workspace erases, and another one goes on to know."""

EARLIER = "canary-earlier@example.com"
"""What somebody was called who was erased before the backup."""

CANARIES = (*GONE, MOVED, LATE, HALF, EARLIER)


@dataclass
class Loss:
    """A database that was lost, its backup and its ledger; who they were."""

    folder: Path
    at: ErasingStage
    database: str
    mpids: dict[str, int] = field(default_factory=dict[str, int])
    kept: Record | None = None

    def copied(self, folder: Path) -> "Loss":
        """Return the same loss with files of its own, in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        at = replace(self.at, further=self.at.further.replace(str(self.folder), str(folder)))
        database = self.database.replace(str(self.folder), str(folder))
        return Loss(folder, at, database, self.mpids, self.kept)

    @property
    def backup(self) -> Path:
        """The file."""
        return self.folder / "backup.db"

    @property
    def ledger(self) -> Path:
        """The file that the server wrote."""
        return self.folder / "erased.ledger"

    async def again(
        self, target: str, *ledgers: Path, has_ledger: bool = True, has_key: bool = True, keys: SecretKeys | None = None
    ) -> Restored:
        """Restore into a database, with the secret keys of before or others."""
        configuration = read(f"database: {target}\n" + text("all", "users"))
        asked = Restore(self.backup, ledgers or (self.ledger,), has_ledger=has_ledger, has_key=has_key)
        given = keys if keys is not None else self.at.keys or SecretKeys()
        return await restore(asked, configuration, given, self.at.clock)

    async def server(self, target: str, store: Store | None = None, keys: SecretKeys | None = None) -> ErasingStage:
        """Open a server over a restored database."""
        self.at.now_ms += 1000
        return await ErasingStage(
            store=store or open_store(target),
            capture="all",
            stays_out="users",
            now_ms=self.at.now_ms,
            keys=keys or self.at.keys,
        ).open()


REQUESTS = {
    name: f"{number}1111111-1111-4111-8111-111111111111"
    for number, name in enumerate(("earlier", "gone", "late", "half"), 1)
}


async def lost(
    folder: Path, database: str | None = None, *, kept_ledger: bool = True, keys: SecretKeys | None = None
) -> Loss:
    """Let people come, make a backup, let some be erased, and stop for good."""
    database = database or f"sqlite:///{folder / 'live' / 'knownas.db'}"
    (folder / "live").mkdir(exist_ok=True)
    at = ErasingStage(store=open_store(database), capture="all", stays_out="users", keys=keys)
    loss = Loss(folder, at, database)
    if kept_ledger:
        at.further = f"privacy: {{ledger: {loss.ledger}}}\n"
    await at.open()
    mpids = loss.mpids
    mpids["earlier"] = await at.login(customerid="earlier", email=EARLIER)
    mpids["gone"] = await at.login(customerid=GONE[0], email=GONE[2], twitter=GONE[3], ios_idfv="shared-device")
    mpids["other"] = await at.login(customerid="neighbour", email=MOVED, ios_idfv="shared-device")
    mpids["half"] = await at.login(customerid="half")
    mpids["kept"] = await at.login(customerid="kept", email="kept@example.com")
    await at.login(workspace=APP, customerid="half")
    await at.ask(Endpoint.SEARCH, email=LATE)
    await at.buy(mpids["gone"], f"{GONE[4]}-1", request_id="r1")
    await at.buy(mpids["half"], f"{HALF}-1", request_id="r2")
    await at.buy(mpids["half"], "app-1", request_id="r3", workspace=APP)
    await at.buy(mpids["kept"], "kept-1", request_id="r4")
    await at.service.correcting.settle()
    await erase(at, subject(mpids["earlier"]), SHOP, REQUESTS["earlier"])
    await back_up(database, loss.backup, at.now_ms)
    await after(loss)
    stored = await at.store.profile(mpids["kept"])
    assert stored is not None
    loss.kept = stored.record
    await at.service.close()
    return loss


async def after(loss: Loss) -> None:
    """Let people come and be erased after the backup."""
    at, mpids = loss.at, loss.mpids
    await at.modify(mpids["gone"], ("email", GONE[2], GONE[1]))
    await at.modify(mpids["other"], ("email", MOVED, None))
    await at.modify(mpids["gone"], ("other", None, "other-canary"))
    await at.login(customerid=GONE[0], other2="x")
    await at.modify(mpids["gone"], ("email", GONE[1], MOVED))
    await at.buy(mpids["gone"], f"{GONE[4]}-2", request_id="r5")
    mpids["late"] = await at.login(customerid="late", email=LATE)
    await at.service.correcting.settle()
    for name in ("gone", "late", "half"):
        at.now_ms += 10
        steps = await erase(at, subject(mpids[name]), SHOP, REQUESTS[name])
        assert steps[-1][0] == "completed", steps
        assert steps[2][1]["identity_record"] is (name != "half"), steps


def bytes_of(folder: Path, words: Sequence[str] = CANARIES) -> list[str]:
    """Return which words stand in any byte of a folder's files."""
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [one for one in words if one.encode() in everything]
