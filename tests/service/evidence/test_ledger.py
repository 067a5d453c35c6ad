"""The ledger has what is erased before anything is, names nobody, and outlives whatever happens to its file or its writers."""

from pathlib import Path

import pytest

from knownas.core.privacy.evidence import Head
from knownas.core.privacy.request import RequestState
from knownas.service.evidence.ledger import Ledger
from knownas.service.evidence.ledger_file import LedgerUnwritable
from knownas.service.evidence.ledger_form import LedgerStart, LedgerTooNew, NoLine, line_bytes, line_from
from knownas.service.evidence.ledger_reading import LedgerAfter, UnusableLedger, ledger_after
from knownas.service.privacy.subject_request_form import kept_request
from tests.service.erasing_stage import SHOP, ErasingStage, asked, erase, subject, told

REQUEST = "11111111-1111-4111-8111-111111111111"
START = Head()


async def stage(folder: Path, **given: str) -> ErasingStage:
    """Open a service that keeps a ledger."""
    return await ErasingStage(further=f"privacy: {{ledger: {folder}/ledger}}\n", **given).open()  # type: ignore[arg-type]


def read(folder: Path) -> LedgerAfter:
    """Read the ledger of a stage from its beginning."""
    return ledger_after([folder / "ledger"], START)


async def test_it_is_written_before_anything_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first thing goes, the ledger says whose erasure was begun; when the last has gone, that it has ended."""
    at = await stage(tmp_path)
    mpid = await at.login(customerid="c", email="canary@example.com")
    seen: list[LedgerAfter] = []
    empty = at.service.erasing._emptied

    async def looked(*given: object) -> object:
        seen.append(read(tmp_path))
        return await empty(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(at.service.erasing, "_emptied", looked)
    await erase(at, subject(customerid="c"))
    begun = seen[0].requests[REQUEST]
    assert (begun.progress.mpid, begun.progress.is_whole, begun.request.state) == (mpid, True, RequestState.IN_PROGRESS)
    ended = read(tmp_path)
    assert ended.requests[REQUEST].request.state is RequestState.COMPLETED
    assert len(ended.requests[REQUEST].progress.digests) == 2
    assert [one.number for one in ended.entries] == list(range(1, len(ended.entries) + 1))
    assert "canary" not in (tmp_path / "ledger").read_text()


async def test_nothing_is_erased_while_it_can_not_be_written(tmp_path: Path) -> None:
    """The erasure fails, is counted, and goes on when the ledger can be written; so does what has happened meanwhile."""
    at = await stage(tmp_path / "missing")
    mpid = await at.login(customerid="c")
    row = await asked(at, subject(mpid))
    with pytest.raises(LedgerUnwritable, match="No such file"):
        await at.service.erasing.carry_out(row)
    stored = await at.store.profile(mpid)
    assert stored is not None
    assert stored.record.size
    assert at.service.ledger is not None
    assert at.service.ledger.failures == 1
    (tmp_path / "missing").mkdir()
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    await at.service.erasing.carry_out(row)
    assert (await told(at, REQUEST))[-1][0] == "completed"
    assert read(tmp_path / "missing").requests[REQUEST].request.ended_ms is not None


async def test_several_processes_append_to_one_file(tmp_path: Path) -> None:
    """Each appends what it has kept, and what it sees of others is not written again by it."""
    at = await stage(tmp_path)
    other = await ErasingStage(store=at.store, now_ms=at.now_ms, further=at.further).open()
    people = [await at.login(customerid=f"c{number}") for number in range(4)]
    for number, mpid in enumerate(people):
        await erase((at, other)[number % 2], subject(mpid), SHOP, f"{number}1111111-1111-4111-8111-111111111111")
    ledger = read(tmp_path)
    assert len(ledger.requests) == 4
    assert (tmp_path / "ledger").read_text().count('"what":"entry"') == len(ledger.entries)
    assert (tmp_path / "ledger").read_text().count('"what":"start"') == 1


@pytest.mark.parametrize("left", [0, 1, 700])
async def test_what_was_torn_or_taken_away_is_written_again(left: int, tmp_path: Path) -> None:
    """A last line without its end, an empty file, or none: the next time the ledger is whole."""
    at = await stage(tmp_path)
    await erase(at, subject(await at.login(customerid="c")))
    file = tmp_path / "ledger"
    whole = read(tmp_path)
    if left:
        file.write_bytes(file.read_bytes()[:-left])
    else:
        file.unlink()
    again = Ledger(at.store.privacy, file, None)
    await again.bring_up()
    await again.close()
    assert read(tmp_path).entries == whole.entries
    assert read(tmp_path).requests == whole.requests
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_of_another_database_is_left_alone(tmp_path: Path) -> None:
    """A server that is started over an empty database does not spoil what is left of the one that was lost; it erases nothing."""
    first = await stage(tmp_path)
    await erase(first, subject(await first.login(customerid="c")))
    kept = (tmp_path / "ledger").read_bytes()
    second = await stage(tmp_path)
    mpid = await second.login(customerid="d")
    with pytest.raises(LedgerUnwritable, match="of another database"):
        await erase(second, subject(mpid))
    assert (tmp_path / "ledger").read_bytes() == kept
    stored = await second.store.profile(mpid)
    assert stored is not None
    assert stored.record.size


async def test_what_is_let_in_again_is_noted(tmp_path: Path) -> None:
    """Of a digest the last thing that is said counts."""
    at = await stage(tmp_path, stays_out="users")
    await erase(at, subject(await at.login(customerid="c", email="e")))
    first, second = read(tmp_path).suppressions
    assert at.service.ledger is not None
    at.now_ms += 1
    await at.service.ledger.let_in([first.digest], at.now_ms)
    assert read(tmp_path).let_in == [first.digest]
    assert read(tmp_path).suppressions == [second]


async def test_a_request_that_ends_otherwise_is_noted_too(tmp_path: Path) -> None:
    """Also of one that reaches nobody the ledger has how it ended."""
    at = await stage(tmp_path)
    await erase(at, subject(email="nobody@example.com"))
    kept = read(tmp_path).requests[REQUEST]
    assert (kept.request.state, kept.progress.mpid) == (RequestState.COMPLETED, None)
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    assert kept == kept_request(row)


def test_lines_that_are_damaged_or_of_later_versions_are_known() -> None:
    """Any other byte makes it no line; a later version is refused by name."""
    line = line_bytes(LedgerStart("k"))
    assert line_from(line) == LedgerStart("k")
    for place in range(len(line) - 1):
        with pytest.raises(NoLine):
            line_from(line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :])
    with pytest.raises(LedgerTooNew, match="a ledger of version 3"):
        line_from(line_bytes(LedgerStart("k", v=3)))


def test_what_can_not_be_read_is_no_ledger(tmp_path: Path) -> None:
    """A file that is not there, or of a later version, is refused with its name."""
    with pytest.raises(UnusableLedger, match="missing"):
        ledger_after([tmp_path / "missing"], START)
    (tmp_path / "later").write_bytes(line_bytes(LedgerStart("k", v=3)))
    with pytest.raises(UnusableLedger, match="later: a ledger of version 3"):
        ledger_after([tmp_path / "later"], START)
