"""An erasure of several profiles is carried out again on restored data for each of them, whatever the ledger still knows of it."""

from pathlib import Path

import pytest

from knownas.batch.backing_up import back_up
from knownas.batch.writing_ledger import write_ledger
from knownas.core.privacy.request import Subject
from knownas.service.evidence.ledger_form import LEDGER_VERSION, LedgerRequest, line_from
from knownas.service.security.sealing import SecretKeys
from knownas.store.opening import open_store
from tests.batch.restoring_stage import Loss, bytes_of
from tests.service.erasing_stage import ErasingStage, erase, raw, subject, told

REQUEST = "11111111-1111-4111-8111-111111111111"
ALONE = "21111111-1111-4111-8111-111111111111"
FIRST, SECOND, LATE, DEVICE = "canary-first", "canary-second@example.com", "canary-late", "canary-device"


@pytest.fixture
async def loss(tmp_path: Path) -> Loss:
    """A database that is backed up, in which a person with three profiles is erased, one of which came after the backup."""
    database = f"sqlite:///{tmp_path / 'live' / 'knownas.db'}"
    (tmp_path / "live").mkdir()
    at = ErasingStage(store=open_store(database), capture="all", stays_out="users")
    made = Loss(tmp_path, at, database)
    at.further = f"privacy: {{ledger: {made.ledger}}}\n"
    await at.open()
    mpids = made.mpids
    mpids["first"] = await at.login(customerid=FIRST, ios_idfv=DEVICE)
    mpids["second"] = await at.login(customerid="second", email=SECOND, ios_idfv=DEVICE)
    mpids["alone"] = await at.login(customerid="alone")
    await at.buy(mpids["second"], "event-canary", request_id="r1")
    await at.service.correcting.settle()
    await back_up(database, made.backup, at.now_ms)
    mpids["late"] = await at.login(customerid=LATE)
    whom = Subject((raw("customerid", FIRST),), mpids=(mpids["second"], mpids["late"]))
    at.now_ms += 10
    await erase(at, whom, request_id=REQUEST)
    await erase(at, subject(mpids["alone"]), request_id=ALONE)
    await at.service.close()
    return made


async def wrong_with(loss: Loss, tmp_path: Path) -> list[str]:
    """Restore, and say what is wrong then."""
    target = f"sqlite:///{tmp_path / 'new' / 'knownas.db'}"
    (tmp_path / "new").mkdir()
    done = await loss.again(target)
    wrong = [] if done.replayed.erasures == 2 else [f"{done.replayed.erasures} erasures"]
    at = await loss.server(target)
    erased = {name: await at.service.profiles.erased_by(loss.mpids[name]) for name in ("first", "second", "late")}
    wrong += [f"{name} has no tombstone" for name, request_id in erased.items() if request_id != REQUEST]
    again = [facts.get("profile") for step, facts in await told(at, REQUEST) if step == "replayed"]
    if again != [1, 2, 3]:
        wrong.append(f"told of {again}")
    await at.service.close()
    return wrong + bytes_of(tmp_path / "new", (FIRST, SECOND, LATE, DEVICE, "event-canary"))


async def test_each_profile_is_erased_again(loss: Loss, tmp_path: Path) -> None:
    """Each has its tombstone, nothing of any is left, and the evidence tells of each."""
    assert await wrong_with(loss, tmp_path) == []


async def test_a_request_that_is_forgotten_is_carried_out_for_each(loss: Loss, tmp_path: Path) -> None:
    """Of a request of which nothing is kept any more, the tombstones say which profiles it was about."""
    loss.ledger.unlink()
    store = open_store(loss.database)
    assert await store.privacy.forget_requests(loss.at.now_ms + 1, 100) == 2
    await store.close()
    await write_ledger(loss.database, loss.ledger, SecretKeys())
    assert await wrong_with(loss, tmp_path) == []


async def test_a_release_that_knows_of_one_profile_refuses_the_line(loss: Loss) -> None:
    """It would erase the first and leave the others: so the line is of a later version, and only such lines are."""
    lines = [line_from(line) for line in loss.ledger.read_bytes().splitlines()]
    versions = {(isinstance(one, LedgerRequest) and bool(one.kept.further), one.v) for one in lines}
    assert versions == {(True, LEDGER_VERSION), (False, 1)}


async def test_who_takes_one_erasure_a_request_is_noticed(
    loss: Loss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The saboteur: the first profile alone is read from the ledger, and the others are back."""
    monkeypatch.setattr(
        "knownas.service.privacy.subject_request_form.KeptRequest.each", property(lambda self: (self.progress,))
    )
    wrong = await wrong_with(loss, tmp_path)
    assert {"second has no tombstone", "late has no tombstone", SECOND} <= set(wrong)
