"""Requests that were under way when the backup was made, or when the database was lost, end as they have to."""

from pathlib import Path
from typing import Any

import pytest

from knownas.batch.backing_up import back_up
from knownas.batch.restoring import Restored
from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import RequestState
from knownas.service.erasure.erasing import Erasing
from knownas.service.erasure.replaying import CantReplay
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import kept_request
from knownas.store.opening import open_store
from tests.batch.restoring_stage import Loss, bytes_of
from tests.service.erasing_stage import SHOP, ErasingStage, asked, erase, subject, text

REQUEST = "11111111-1111-4111-8111-111111111111"
WORDS = ("canary-customer", "canary@example.com")


class Interrupted(Exception):
    """The server is gone."""


async def opened(folder: Path, stays_out: str = "users") -> Loss:
    """Open a server over a new file, with a person."""
    (folder / "live").mkdir()
    (folder / "new").mkdir()
    database = f"sqlite:///{folder / 'live' / 'knownas.db'}"
    at = ErasingStage(store=open_store(database), capture="all", stays_out=stays_out)
    loss = Loss(folder, at, database)
    at.further = f"privacy: {{ledger: {loss.ledger}}}\n"
    await at.open()
    loss.mpids["gone"] = await at.login(customerid=WORDS[0], email=WORDS[1])
    await at.buy(loss.mpids["gone"], "m", request_id="r1")
    await at.service.correcting.settle()
    return loss


async def interrupted(loss: Loss, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the erasure, and stop before a step of it."""

    async def stops(*_: Any) -> Any:
        raise Interrupted

    stops.__name__ = step
    with monkeypatch.context() as patched:
        patched.setattr(Erasing, step, stops)
        row = await loss.at.store.privacy.request(REQUEST)
        assert row is not None
        with pytest.raises(Interrupted):
            await loss.at.service.erasing.carry_out(row)


async def state_after(loss: Loss) -> tuple[Restored, RequestState | None, list[Step]]:
    """Restore, and say what has become of the request, and what the evidence says since the restore."""
    ledger = loss.at.service.ledger
    assert ledger is not None
    ledger.start()
    await loss.at.service.close()
    target = f"sqlite:///{loss.folder / 'new' / 'knownas.db'}"
    done = await loss.again(target)
    store = open_store(target)
    row = await store.privacy.request(REQUEST)
    entries = [one.happening.step for one in await Evidence(store.privacy).entries(0, 1000)]
    await store.close()
    state = None if row is None else kept_request(row).request.state
    return done, state, entries[entries.index(Step.RESTORED) :]


@pytest.mark.parametrize("step", ["_empty", "_log", "_scrub"])
async def test_one_that_was_under_way_at_the_backup_is_completed(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step it was at: what the backup has done of it counts, and nothing of the person is left."""
    loss = await opened(tmp_path)
    await asked(loss.at, subject(customerid=WORDS[0], email=WORDS[1]))
    await interrupted(loss, step, monkeypatch)
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    row = await loss.at.store.privacy.request(REQUEST)
    assert row is not None
    await loss.at.service.erasing.carry_out(row)
    done, state, told = await state_after(loss)
    assert (done.replayed.erasures, state, told) == (1, RequestState.COMPLETED, [Step.RESTORED, Step.REPLAYED])
    assert bytes_of(tmp_path / "new", WORDS) == []


@pytest.mark.parametrize("is_asked_first", [False, True])
async def test_one_that_was_under_way_at_the_loss_is_completed(
    is_asked_first: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger says whose it was as soon as anything could have been erased; what it was to keep out stays out."""
    loss = await opened(tmp_path)
    if is_asked_first:
        await asked(loss.at, subject(customerid=WORDS[0], email=WORDS[1]))
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    if not is_asked_first:
        await asked(loss.at, subject(customerid=WORDS[0], email=WORDS[1]))
    await interrupted(loss, "_log", monkeypatch)
    done, state, told = await state_after(loss)
    assert (done.replayed.erasures, done.replayed.lost, state) == (1, [], RequestState.COMPLETED)
    assert told == [Step.RESTORED, Step.REPLAYED]
    assert bytes_of(tmp_path / "new", WORDS) == []
    store = open_store(f"sqlite:///{tmp_path}/new/knownas.db")
    assert len(await store.privacy.suppressions_after(b"", 10)) == 2
    await store.close()


async def test_one_that_waits_in_the_backup_waits_on(tmp_path: Path) -> None:
    """It still says whom it names, and a server carries it out."""
    loss = await opened(tmp_path)
    await asked(loss.at, subject(customerid=WORDS[0]))
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    done, state, told = await state_after(loss)
    assert (done.replayed.erasures, state, told) == (0, RequestState.PENDING, [Step.RESTORED])
    at = await loss.server(f"sqlite:///{tmp_path}/new/knownas.db")
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    await at.service.erasing.carry_out(row)
    await at.service.close()
    assert bytes_of(tmp_path / "new", WORDS) == []


async def test_one_that_came_later_and_was_not_begun_is_told_as_lost(tmp_path: Path) -> None:
    """Nothing says whom it named, so it is to be sent again."""
    loss = await opened(tmp_path)
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    await asked(loss.at, subject(customerid=WORDS[0]))
    done, state, told = await state_after(loss)
    assert (done.replayed.lost, state, told) == ([REQUEST], None, [Step.RESTORED])


async def test_one_that_had_come_before_is_not_carried_out_twice(tmp_path: Path) -> None:
    """An erasure that the backup has is left as it is; who came back since then is somebody else."""
    loss = await opened(tmp_path, stays_out="nobody")
    await erase(loss.at, subject(loss.mpids["gone"]))
    loss.at.now_ms += 1
    back = await loss.at.login(customerid=WORDS[0])
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    done, _, told = await state_after(loss)
    assert (done.replayed.erasures, told) == (0, [Step.RESTORED])
    store = open_store(f"sqlite:///{tmp_path}/new/knownas.db")
    stored = await store.profile(back)
    assert stored is not None
    assert stored.record.size
    await store.close()


async def test_a_workspace_that_is_not_configured_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has of a person can't be found without it; with it, the same restore goes on."""
    loss = await opened(tmp_path)
    await back_up(loss.database, loss.backup, loss.at.now_ms)
    await erase(loss.at, subject(loss.mpids["gone"]), SHOP)
    await loss.at.service.close()
    target = f"sqlite:///{tmp_path}/new/knownas.db"
    with monkeypatch.context() as patched:
        without = text("all").replace("id: 100", "id: 109")
        patched.setattr("tests.batch.restoring_stage.text", lambda *_: without)
        with pytest.raises(CantReplay, match="workspace 100, which is not configured"):
            await loss.again(target)
    assert (await loss.again(target)).replayed.erasures == 1
    assert bytes_of(tmp_path / "new", WORDS) == []
