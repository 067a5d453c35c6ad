"""A check of a database names exactly the profile that was changed past the log, and nothing where nothing was."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import asyncpg
import pytest

from knownas.batch import folding, folding_working, verifying, verifying_judge
from knownas.batch.folding import THIS_PROCESS
from knownas.batch.verifying import How, PoolVerified, pool_document, verify
from knownas.batch.verifying_judge import Why
from knownas.service.identity import resolver
from knownas.store.postgres.whole import PostgresWhole
from knownas.store.sqlite.whole import SqliteWhole
from tests.store.histories import draw_history
from tests.store.places import PLACES, Place
from tests.store.world import World

STEPS = 60
SEEDS = {"sqlite": range(5), "postgres": range(100, 101)}
ALONE = How(processes=THIS_PROCESS)
NEW = "changed past the log"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines take several ranges, parts and shares, and write what is put off when the history says so."""
    monkeypatch.setattr(folding, "RANGE_LINES", 11)
    monkeypatch.setattr(folding, "NAMES_A_PART", 40)
    monkeypatch.setattr(folding, "SHARE_LINES", 5)
    monkeypatch.setattr(folding, "SMALL_SHARE_LINES", 1)
    monkeypatch.setattr(folding_working, "READ_LINES", 4)
    monkeypatch.setattr(folding_working, "ROWS_COMPARED", 7)
    monkeypatch.setattr(verifying, "READ_LINES", 5)
    monkeypatch.setattr(verifying_judge, "RECORDS_COMPARED", 3)
    monkeypatch.setattr(resolver, "FLUSH_AFTER_SECONDS", 3_600)


async def play(place: Place, seed: int) -> World:
    """Lead a server through a history."""
    policies, history = draw_history(seed, STEPS)
    world = World(place.open(), seed)
    await world.start(policies)
    await world.play(history)
    return world


async def filled(place: Place, seed: int) -> None:
    """Leave a database in which something has happened."""
    world = await play(place, seed)
    await world.store.close()


@contextmanager
def opened(kind: str, folder: Path, seed: int) -> Iterator[Place]:
    """Give a place where a history has been."""
    folder = folder / f"{kind}-{seed}"
    folder.mkdir()
    with PLACES[kind](folder) as place:
        asyncio.run(filled(place, seed))
        yield place


def checked(place: Place, how: How = ALONE) -> list[PoolVerified]:
    """Check a database."""
    return asyncio.run(verify(place.url, how))


def rows(place: Place, query: str, *bindings: object) -> list[tuple[object, ...]]:
    """Run a statement past the store. Tables are named without a schema, parameters as $1, $2."""
    if place.url.startswith("sqlite"):
        connection = sqlite3.connect(place.url.removeprefix("sqlite:///"))
        for number in range(len(bindings), 0, -1):
            query = query.replace(f"${number}", f"?{number}")
        try:
            found = connection.execute(query, bindings).fetchall()
            connection.commit()
        finally:
            connection.close()
        return found

    async def ask() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(place.url, timeout=10)
        try:
            await connection.execute("SET search_path TO knownas")
            return [tuple(row) for row in await connection.fetch(query, *bindings)]
        finally:
            await connection.close(timeout=10)

    return asyncio.run(ask())


def written(place: Place, value: object) -> object:
    """Write a value as JSON the way the database of a place keeps it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if place.url.startswith("sqlite") else text.encode()


def read(document: object) -> dict[str, list[str]]:
    """Read a JSON object from a row."""
    assert isinstance(document, str | bytes)
    found: dict[str, list[str]] = json.loads(document)
    return found


def other_values(place: Place, mpid: int, chance: Random) -> None:
    """Give a profile's record another value of a type, or of one that it had none of."""
    ((identities,),) = rows(place, "SELECT identities FROM profile WHERE mpid = $1", mpid)
    values = read(identities)
    values[chance.choice([*values, "other"])] = [NEW]
    rows(place, "UPDATE profile SET identities = $1 WHERE mpid = $2", written(place, values), mpid)


def carries(place: Place, mpid: int, _: Random) -> None:
    """Let a profile's record carry something."""
    document = written(place, {"google": [NEW]})
    rows(place, "UPDATE profile SET carried = $1 WHERE mpid = $2", document, mpid)


def flips(place: Place, mpid: int, _: Random) -> None:
    """Say of a known user that it is anonymous, or the other way round."""
    flips_flag = "UPDATE profile SET known = 1 - known WHERE mpid = $1"
    flips_boolean = "UPDATE profile SET known = NOT known WHERE mpid = $1"
    rows(place, flips_flag if place.url.startswith("sqlite") else flips_boolean, mpid)


def made_later(place: Place, mpid: int, _: Random) -> None:
    """Let a profile be made a millisecond later."""
    rows(place, "UPDATE profile SET created_ms = created_ms + 1 WHERE mpid = $1", mpid)


def links(place: Place, mpid: int, _: Random) -> None:
    """Let a profile be linked from another one."""
    rows(place, "UPDATE profile SET source_mpid = 4711 WHERE mpid = $1", mpid)


ALTERATIONS: tuple[Callable[[Place, int, Random], None], ...] = (other_values, carries, flips, made_later, links)


def last_line(place: Place, mpid: int) -> int:
    """Return the number of the last line about a profile."""
    # A line that changed nothing can be kept under a profile too.
    query = (
        "SELECT t.seq FROM touched AS t JOIN log AS l ON l.seq = t.seq WHERE t.mpid = $1 AND length(l.touched) > 2 "
        "UNION ALL SELECT first_seq FROM profile WHERE mpid = $1"
    )
    return max(int(str(seq)) for (seq,) in rows(place, query, mpid))


@pytest.mark.parametrize("kind", PLACES)
def test_nothing_is_named_where_nothing_was_changed(kind: str, tmp_path: Path) -> None:
    """Whatever happened: policies changed, the server restarted, a crowd shares a device, profiles came over."""
    nothing_is_named(kind, tmp_path, SEEDS[kind])


@pytest.mark.soak
@pytest.mark.parametrize("kind", PLACES)
def test_nothing_is_named_in_many_histories(kind: str, tmp_path: Path) -> None:
    """The same for many more."""
    nothing_is_named(kind, tmp_path, range(200, 400) if kind == "sqlite" else range(200, 240))


def nothing_is_named(kind: str, tmp_path: Path, seeds: range) -> None:
    """Check databases in which nothing was changed past the log."""
    for seed in seeds:
        with opened(kind, tmp_path, seed) as place:
            for pool in checked(place):
                assert pool.wrong == 0, f"history {seed}: {pool_document(pool)}"
                assert pool.components <= pool.observations


@pytest.mark.parametrize("kind", PLACES)
def test_an_altered_record_is_named_with_its_last_observation(kind: str, tmp_path: Path) -> None:
    """Any member of any record: that profile is named and no other, after the last line about it."""
    for seed in SEEDS[kind]:
        chance = Random(seed)
        with opened(kind, tmp_path, seed) as place:
            mpids = sorted(int(str(mpid)) for (mpid,) in rows(place, "SELECT mpid FROM profile"))
            for alter in ALTERATIONS if kind == "sqlite" else chance.sample(ALTERATIONS, 2):
                mpid = chance.choice(mpids)
                before = rows(
                    place,
                    "SELECT identities, carried, known, created_ms, source_mpid FROM profile WHERE mpid = $1",
                    mpid,
                )
                alter(place, mpid, chance)
                found = [one for pool in checked(place) for one in pool.differences]
                assert [one.mpid for one in found] == [mpid], f"history {seed}, {alter.__name__}"
                assert found[0].why is Why.CHANGED_PAST_LOG
                assert found[0].first is not None
                assert found[0].first.seq == last_line(place, mpid)
                back = "UPDATE profile SET identities = $1, carried = $2, known = $3, created_ms = $4, source_mpid = $5 WHERE mpid = $6"
                rows(place, back, *before[0], mpid)


def test_a_record_as_it_was_before_names_the_first_observation_it_lacks(tmp_path: Path) -> None:
    """A write that was lost: the record is what it was a line before."""
    with opened("sqlite", tmp_path, 3) as place:
        ((mpid, seq),) = rows(
            place,
            "SELECT t.mpid, t.seq FROM touched AS t JOIN profile AS p ON p.mpid = t.mpid AND t.seq = p.version LIMIT 1",
        )
        assert sum(pool.wrong for pool in checked(place)) == 0
        # What the last line gave is taken away again, by the changes that it says it made.
        ((identities, carried),) = rows(place, "SELECT identities, carried FROM profile WHERE mpid = $1", mpid)
        ((decision,),) = rows(place, "SELECT decision FROM log WHERE seq = $1", seq)
        assert isinstance(decision, bytes)
        values, carries_now = read(identities), read(carried)
        for change, (kind, value), whose, *_ in json.loads(decision)[3]:
            held = values if change == "added" else carries_now
            if whose == mpid and change in ("added", "carried"):
                held[kind].remove(value)
                if not held[kind]:
                    del held[kind]
        rows(
            place,
            "UPDATE profile SET identities = $1, carried = $2 WHERE mpid = $3",
            written(place, values),
            written(place, carries_now),
            mpid,
        )
        found = [one for pool in checked(place) for one in pool.differences]
        assert [one.mpid for one in found] == [mpid]
        assert found[0].first is not None
        assert found[0].first.seq == seq
        assert found[0].why in (Why.NOT_IN_RECORD, Why.CHANGED_PAST_LOG)


@pytest.mark.parametrize("kind", PLACES)
def test_a_profile_that_is_gone_or_that_nobody_made_is_named(kind: str, tmp_path: Path) -> None:
    """A row that is missing, and one that no line of the log made."""
    with opened(kind, tmp_path, 104) as place:
        ((mpid, first),) = rows(place, "SELECT mpid, first_seq FROM profile ORDER BY first_seq LIMIT 1")
        rows(
            place,
            "INSERT INTO profile (mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, "
            "carried) SELECT 99, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried "
            "FROM profile WHERE mpid = $1",
            mpid,
        )
        found = [one for pool in checked(place) for one in pool.differences]
        assert [(one.mpid, one.why, one.folded) for one in found] == [(99, Why.NOT_IN_LOG, None)]
        rows(place, "DELETE FROM profile WHERE mpid = 99 OR mpid = $1", mpid)
        found = [one for pool in checked(place) for one in pool.differences]
        assert [(one.mpid, one.why, one.stored) for one in found] == [(mpid, Why.NOT_IN_RECORD, None)]
        assert found[0].first is not None
        assert found[0].first.seq == first


ROWS = {
    "a value's holder": "UPDATE identity SET holder = $1 WHERE holder IS NOT NULL AND holder = $2",
    "a value's number of holders": "UPDATE identity SET holders = 0 WHERE holder = $2 AND $1 = $1",
    "a value": "UPDATE identity SET value = 'x' WHERE value = (SELECT min(value) FROM identity WHERE holder = $2) AND holder = $2 AND $1 = $1",
    "the row of a value": "DELETE FROM identity WHERE holder = $2 AND $1 = $1",
    "a place in a crowd": "DELETE FROM holding WHERE mpid = (SELECT min(mpid) FROM holding) AND $1 = $1 AND $2 = $2",
    "another place in a crowd": "UPDATE holding SET mpid = $1 WHERE mpid = (SELECT min(mpid) FROM holding) AND $2 = $2",
    "a line of a history": "DELETE FROM touched WHERE mpid IN (SELECT mpid FROM profile) AND seq = ("
    "SELECT max(t.seq) FROM touched AS t JOIN log AS l ON l.seq = t.seq JOIN profile AS p ON p.mpid = t.mpid "
    "WHERE length(l.touched) > 2) AND $1 = $1 AND $2 = $2",
}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        *(("sqlite", what) for what in ROWS),
        *(("postgres", what) for what in ("a value's holder", "a place in a crowd", "a line of a history")),
        *(pytest.param("postgres", what, marks=pytest.mark.soak) for what in ROWS),
    ],
)
def test_a_row_that_leads_elsewhere_is_found(kind: str, what: str, tmp_path: Path) -> None:
    """Any row by which a profile or a line of its history is found."""
    with opened(kind, tmp_path, 104) as place:
        ((holder,),) = rows(place, "SELECT min(holder) FROM identity WHERE holder IS NOT NULL")
        change = ROWS[what].replace("$1", "77").replace("$2", str(holder))
        if kind == "sqlite":
            _without_checks(place, change)
        else:
            rows(place, change)
        assert sum(len(pool.contradictions) for pool in checked(place)) > 0
        assert [one for pool in checked(place) for one in pool.differences] == []


def _without_checks(place: Place, statement: str) -> None:
    connection = sqlite3.connect(place.url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.execute(statement)
    connection.commit()
    connection.close()


LINES = {
    "observed": "UPDATE log SET observation = CAST('no observation' AS BLOB) WHERE seq = $1",
    "touched": "UPDATE log SET touched = '[5]' WHERE seq = $1",
    "made": "UPDATE log SET created_mpid = 5 WHERE seq = $1",
    "time": "UPDATE log SET at_ms = at_ms + 1 WHERE seq = $1",
    "policy": "UPDATE log SET policy_version = 99 WHERE seq = $1",
}


@pytest.mark.parametrize("what", LINES)
def test_an_altered_line_of_the_log_is_named(what: str, tmp_path: Path) -> None:
    """The line that is not what was logged is the first observation that is named, with the profiles it was about."""
    with opened("sqlite", tmp_path, 8) as place:
        ((seq, mpid),) = rows(
            place,
            "SELECT l.seq, p.mpid FROM log AS l JOIN profile AS p ON p.first_seq = l.seq "
            "WHERE instr(l.observation, 'identify') AND l.created_mpid IS NOT NULL ORDER BY l.seq DESC LIMIT 1",
        )
        rows(place, LINES[what], seq)
        found = [one for pool in checked(place) for one in pool.differences]
        assert mpid in [one.mpid for one in found] or what == "touched"
        first = found[0]
        assert first.first is not None
        assert first.first.seq == seq
        assert first.why in (Why.LOGGED_OTHERWISE, Why.NOT_IN_LOG)


WHOLES: dict[str, type] = {"sqlite": SqliteWhole, "postgres": PostgresWhole}


def alarms_as_of(kind: str, folder: Path, seeds: range, monkeypatch: pytest.MonkeyPatch) -> int:
    """Check databases as of earlier ends of their logs, as if everything since had come meanwhile; count what is named."""
    named = 0
    for seed in seeds:
        with opened(kind, folder, seed) as place:
            ends = sorted(int(str(seq)) for (seq,) in rows(place, "SELECT seq FROM log"))
            for end in Random(seed).sample(ends, 3):

                async def earlier(_: object, end: int = end) -> int:
                    return end

                monkeypatch.setattr(WHOLES[kind], "end_of_log", earlier)
                named += sum(pool.wrong for pool in checked(place))
    return named


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written_meanwhile_raises_no_alarm(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that come after the log was read may have changed any record: they explain what they did."""
    seeds = range(40, 43) if kind == "sqlite" else range(40, 41)
    assert alarms_as_of(kind, tmp_path, seeds, monkeypatch) == 0


def test_a_check_that_forgets_what_is_written_meanwhile_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: without a look at later lines there are false alarms."""

    async def hasty(*_: object) -> bool:
        return True

    monkeypatch.setattr(verifying_judge, "_differs", hasty)
    assert alarms_as_of("sqlite", tmp_path, range(40, 44), monkeypatch) > 0


def test_a_check_beside_a_busy_server_raises_no_alarm(tmp_path: Path) -> None:
    """On PostgreSQL, again and again, while a server goes on writing."""
    with PLACES["postgres"](tmp_path) as place:

        async def both() -> int:
            playing = asyncio.create_task(filled(place, 7))
            checks = 0
            while not playing.done():
                for pool in await verify(place.url, ALONE):
                    assert pool.wrong == 0, pool_document(pool)
                checks += 1
            await playing
            return checks

        assert asyncio.run(both()) > 0
