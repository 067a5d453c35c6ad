"""Whoever was erased after a backup stays erased where that backup is restored, and the evidence goes on where it was."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from knownas.batch.copying import NotCopied
from knownas.batch.restoring import WORKING_SUFFIX
from knownas.batch.verifying import How, verify
from knownas.batch.writing_ledger import write_ledger
from knownas.core.identity.decision import Refusal
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.evidence import Entry, Step, faults_of, head_of
from knownas.core.privacy.request import RequestState
from knownas.service.erasure.replaying import Replaying
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.ledger_reading import UnusableLedger
from knownas.service.security.sealing import SecretKeys
from knownas.store.errors import StoreDamaged
from knownas.store.opening import open_store
from tests.batch.restoring_stage import CANARIES, GONE, LATE, MOVED, REQUESTS, Loss, bytes_of, lost
from tests.service.erasing_stage import ErasingStage
from tests.store.places import PLACES, Place

KINDS = [kind for kind in PLACES if kind != "citus"]
EVERYTHING = 10_000


@pytest.fixture(scope="module")
def lost_once(tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """A loss with a ledger that the server kept."""
    return asyncio.run(lost(tmp_path_factory.mktemp("lost")))


@pytest.fixture
def loss(lost_once: Loss, tmp_path: Path) -> Loss:
    """The same, with files of the test's own."""
    return lost_once.copied(tmp_path)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each kind."""
    (tmp_path / "new").mkdir()
    with ExitStack() as made:
        yield made.enter_context(PLACES[request.param](tmp_path / "new"))


def new(folder: Path, name: str = "new") -> str:
    """Return the URL of a file that is not there yet, in a folder of its own."""
    (folder / name).mkdir(exist_ok=True)
    return f"sqlite:///{folder / name / 'knownas.db'}"


async def chain_of(at: ErasingStage) -> list[Entry]:
    """Return the whole chain."""
    return list(await Evidence(at.store.privacy).entries(0, EVERYTHING))


async def wrong_with(loss: Loss, at: ErasingStage) -> list[str]:
    """Say what of a restored database is not as it has to be."""
    wrong: list[str] = []
    lines = b"".join(entry.observation + entry.decision for entry in await at.log())
    wrong += [f"the log names {one}" for one in CANARIES if one.encode() in lines]
    for name in ("gone", "late"):
        if await at.service.profiles.erased_by(loss.mpids[name]) != REQUESTS[name]:
            wrong.append(f"{name} has no tombstone")
    for name in ("gone", "half"):
        if any(key.workspace == 100 for key in await at.store.user_data.sections_of(loss.mpids[name])):
            wrong.append(f"{name} has a section")
    for answer in (
        await at.ask(Endpoint.IDENTIFY, customerid=GONE[0]),
        *[await at.ask(Endpoint.IDENTIFY, email=email) for email in (GONE[1], MOVED, LATE)],
    ):
        if getattr(answer.decision.outcome, "reason", None) is not Refusal.SUPPRESSED:
            wrong.append(f"{answer.question.observation} comes in")
    return wrong


async def test_who_was_erased_stays_erased(loss: Loss, place: Place, tmp_path: Path) -> None:
    """In every database: nothing of them is there, they stay out, they have their tombstone, and everybody else is as before."""
    backup = loss.backup.read_bytes()
    done = await loss.again(place.url)
    assert (done.replayed.erasures, done.replayed.lost, done.unreadable) == (3, [], 0)
    assert loss.backup.read_bytes() == backup
    assert not [name for name in os.listdir(tmp_path) if WORKING_SUFFIX in name]  # noqa: PTH208 - nothing of it waits
    at = await loss.server(place.url, place.open())
    assert await wrong_with(loss, at) == []
    kept = await at.store.profile(loss.mpids["kept"])
    assert kept is not None
    assert loss.kept is not None
    assert kept.record._replace(version=0) == loss.kept._replace(version=0)
    assert len(await at.store.user_data.sections_of(loss.mpids["kept"])) == 1
    # Whom the one workspace erased, the other one still knows.
    assert {key.workspace for key in await at.store.user_data.sections_of(loss.mpids["half"])} == {101}
    # What had become the erased person's is not on whoever had it before, who is there otherwise.
    other = await at.store.profile(loss.mpids["other"])
    assert other is not None
    assert set(other.record.identities) == {IdentityType("customerid"), IdentityType("ios_idfv")}
    for request_id in REQUESTS.values():
        found = await at.service.privacy.requests.find(at.place(), request_id)
        assert found is not None
        assert found.request.state is RequestState.COMPLETED
    await at.service.close()
    assert [one.differences for one in await verify(place.url, How(processes=1)) if one.wrong] == []


async def test_no_byte_of_the_restored_database_names_them(loss: Loss, tmp_path: Path) -> None:
    """Neither in rows nor in free pages, nor in the log that SQLite writes ahead."""
    assert set(bytes_of(tmp_path, (*GONE[:1], MOVED, LATE))) == {GONE[0], MOVED, LATE}
    target = new(tmp_path)
    await loss.again(target)
    assert bytes_of(tmp_path / "new") == []
    assert bytes_of(tmp_path / "new", ("shared-device", "kept@example.com")) == ["shared-device", "kept@example.com"]


async def test_without_the_ledger_they_are_back(loss: Loss, tmp_path: Path) -> None:
    """The saboteur of the tests before: nothing is carried out again, each of them finds that, and the evidence says it."""
    target = new(tmp_path)
    done = await loss.again(target, has_ledger=False)
    assert done.replayed.erasures == 0
    assert set(bytes_of(tmp_path / "new")) == {GONE[0], GONE[2], GONE[3], GONE[4], MOVED, LATE, "canary-half"}
    at = await loss.server(target)
    wrong = await wrong_with(loss, at)
    assert {"gone has no tombstone", "late has no tombstone", "half has a section", f"the log names {MOVED}"} < set(
        wrong
    )
    restored = (await chain_of(at))[-1].happening
    assert (restored.step, restored.facts["ledger"]) == (Step.RESTORED, False)
    await at.service.close()


async def test_the_evidence_goes_on_where_it_was(loss: Loss, tmp_path: Path) -> None:
    """What came after the backup is taken over as it was, then one entry tells of the restore, and one of each erasure."""
    before = open_store(loss.database)
    was = await Evidence(before.privacy).entries(0, EVERYTHING)
    await before.close()
    target = new(tmp_path)
    await loss.again(target)
    at = await loss.server(target)
    chain = await chain_of(at)
    assert chain[: len(was)] == was
    assert list(faults_of(chain, [head_of(was[-1]), head_of(was[20])])) == []
    steps = [(one.happening.step, one.happening.request_id) for one in chain[len(was) :]]
    again = [REQUESTS[name] for name in ("gone", "late", "half")]
    assert steps == [(Step.RESTORED, ""), *((Step.REPLAYED, one) for one in again)]
    gone, late, _ = (one.happening.facts for one in chain[-3:])
    assert (gone["erased_events"], gone["erased_sections"], gone["erased_log"]) == (1, 1, 3)
    assert (gone["found"], gone["held"], gone["lines_left"], gone["rows_left"]) == (0, 0, 0, 0)
    # Who had not come yet is only named by a search.
    assert (late["erased_identity_record"], late["erased_log"], late["identities"]) == (0, 1, 1)
    assert not [word for word in CANARIES if word in str(chain)]
    await at.service.close()


async def test_the_ledger_names_nobody(loss: Loss, tmp_path: Path) -> None:
    """Neither the one that the server wrote nor the one that is written from the database."""
    written = tmp_path / "written.ledger"
    await write_ledger(loss.database, written, SecretKeys())
    for file in (loss.ledger, written):
        assert not [word for word in (*CANARIES, "neighbour", "kept@") if word in file.read_text()]


async def test_a_ledger_can_be_written_from_the_database(loss: Loss, tmp_path: Path) -> None:
    """Where no server kept one, and the database can still be read, what is written from it does the same."""
    loss.ledger.unlink()
    written = await write_ledger(loss.database, loss.ledger, SecretKeys())
    assert written.entries == 56
    with pytest.raises(FileExistsError):
        await write_ledger(loss.database, loss.ledger, SecretKeys())
    target = new(tmp_path)
    await loss.again(target)
    at = await loss.server(target)
    assert await wrong_with(loss, at) == []
    await at.service.close()


async def test_requests_that_are_forgotten_are_carried_out_again(loss: Loss, tmp_path: Path) -> None:
    """Of an erasure whose request is forgotten the ledger still says whose it was; all that its profile had goes."""
    loss.ledger.unlink()
    store = open_store(loss.database)
    assert await store.privacy.forget_requests(loss.at.now_ms + 1, 100) == 4
    await store.close()
    await write_ledger(loss.database, loss.ledger, SecretKeys())
    target = new(tmp_path)
    assert (await loss.again(target)).replayed.erasures == 3
    # No digest is known any more: what was on others, or on nobody, when the backup was made stays there.
    assert bytes_of(tmp_path / "new") == [MOVED, LATE]


async def test_a_restore_can_be_restored_again(loss: Loss, tmp_path: Path) -> None:
    """The ledger goes on over the restored database; lost too, the same backup is brought to the same state from it."""
    await loss.again(new(tmp_path))
    loss.at = ErasingStage(
        store=open_store(new(tmp_path)),
        capture="all",
        stays_out="users",
        now_ms=loss.at.now_ms + 1000,
        further=loss.at.further,
    )
    await loss.at.open()
    ledger = loss.at.service.ledger
    assert ledger is not None
    await ledger.bring_up()
    before = await chain_of(loss.at)
    await loss.at.service.close()
    await loss.again(new(tmp_path, "third"))
    at = await loss.server(new(tmp_path, "third"))
    assert (await chain_of(at))[: len(before)] == before
    assert await wrong_with(loss, at) == []
    await at.service.close()


async def test_nothing_is_served_before_it_is_done(loss: Loss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the copy and the end of the erasures no server opens the database; the same restore goes on there, no other."""
    target = new(tmp_path)

    async def dies(*_: object, **__: object) -> Any:
        raise StoreDamaged("died")

    with monkeypatch.context() as patched:
        patched.setattr(Replaying, "replay", dies)
        with pytest.raises(StoreDamaged, match="died"):
            await loss.again(target)
    store = open_store(target)
    with pytest.raises(StoreDamaged, match="run the same `knownas restore` again"):
        await loss.server(target, store)
    await store.close()
    await loss.again(target)
    at = await loss.server(target)
    assert await wrong_with(loss, at) == []
    await at.service.close()
    with pytest.raises(NotCopied, match="not empty"):
        await loss.again(target)


async def test_a_ledger_that_does_not_continue_the_backup_is_refused(loss: Loss, tmp_path: Path) -> None:
    """One that begins too late, ends too early, lacks a line, or is of another database; nothing is written then."""
    lines = loss.ledger.read_text().splitlines(keepends=True)
    entries = [number for number, line in enumerate(lines) if '"what":"entry"' in line]
    begun = [number for number, line in enumerate(lines) if '"what":"request"' in line and REQUESTS["late"] in line]
    (tmp_path / "other").mkdir()
    other = await lost(tmp_path / "other")
    wrong = {
        "in between is not in it": lines[: entries[2]] + lines[entries[17] :],
        "who was erased later is not in it": lines[: entries[5]],
        "not that of the backup": other.ledger.read_text().splitlines(keepends=True),
        "missing": lines[: entries[30]] + lines[entries[31] :],
        "and not whose it is": [line for number, line in enumerate(lines) if number not in begun],
    }
    for reason, left in wrong.items():
        file = tmp_path / "wrong.ledger"
        file.write_text("".join(left))
        with pytest.raises(UnusableLedger, match=reason):
            await loss.again(new(tmp_path), file)
    assert list((tmp_path / "new").iterdir()) == []


async def test_several_ledgers_are_taken_together(loss: Loss, tmp_path: Path) -> None:
    """Two parts of it do what the whole does; a line that is torn or altered is not counted, and told."""
    lines = loss.ledger.read_bytes().splitlines(keepends=True)
    first, second = tmp_path / "first.ledger", tmp_path / "second.ledger"
    first.write_bytes(b"".join(lines[:40]) + lines[40][:50])
    second.write_bytes(b"\n" + lines[3].replace(b"1", b"2") + b"".join(lines[35:]))
    done = await loss.again(new(tmp_path), first, second)
    assert done.unreadable == 2
    assert bytes_of(tmp_path / "new") == []
