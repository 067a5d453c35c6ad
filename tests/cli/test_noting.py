"""Whoever reads or changes what is known of people on the command line stands in the audit, whichever verb it is."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from knownas.cli import noted_lines
from knownas.cli.main import main
from knownas.cli.noted_lines import who_runs
from knownas.cli.noting import NOT_NOTED, VERBS, noted
from knownas.core.identity.observation import Endpoint
from knownas.service.copy_mark import CopyMark, set_copy_mark
from knownas.service.security.auditing import ON_COMMAND_LINE, Access, Auditing
from knownas.service.server import system_clock
from knownas.store.copying import Counters, Part
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from tests.service.erasing_stage import ErasingStage, text

EMAIL = "canary@example.com"


class Shop:
    """A folder with a configuration, a database of one person, and what verbs take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = f"sqlite:///{folder / 'knownas.db'}"
        self.config = folder / "knownas.yaml"
        self.config.write_text(f"database: {self.database}\n{text('all')}")
        (folder / "policy.yaml").write_text("strategy: profile_conversion\n")
        (folder / "people.csv").write_text("customerid,email\nbob,bob@example.com\n")
        (folder / "history.csv").write_text("customerid,timestamp\nbob,2026-05-03T12:00:00Z\n")
        self.mpid, self.decision = asyncio.run(self._somebody())

    async def _somebody(self) -> tuple[int, str]:
        at = await ErasingStage(store=open_store(self.database), capture="all").open()
        answer = await at.ask(Endpoint.LOGIN, customerid="ann", email=EMAIL)
        await at.service.correcting.settle()
        await at.service.close()
        mpid = answer.decision.answered
        assert mpid is not None
        return mpid, answer.decision_id

    def run(self, *arguments: str | Path) -> Result:
        """Run a verb."""
        return CliRunner().invoke(main, [str(one) for one in arguments])

    def lines(self, database: str | None = None) -> Sequence[Access]:
        """Return the audit."""

        async def read() -> Sequence[Access]:
            store = open_store(database or self.database)
            found, _ = await Auditing(store.privacy, system_clock).page(None, None, 0, 1_000)
            await store.close()
            return found

        return asyncio.run(read())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop of which nothing was read yet."""
    made = Shop(tmp_path)
    assert made.lines() == []
    return made


def arguments_of(verb: str, shop: Shop) -> list[str | Path]:
    """Return a way to run a verb over a shop."""
    folder, mine = shop.folder, ["--config", shop.config]
    ways: dict[str, list[str | Path]] = {
        "backfill": [
            folder / "history.csv",
            "--input",
            "web",
            "--work",
            folder / "work",
            "--report",
            folder / "r.json",
        ],
        "backup": ["--output", folder / "backup.db"],
        "explain": [shop.decision],
        "import": [folder / "people.csv", "--input", "web"],
        "ledger": ["--output", folder / "ledger"],
        "rehearse": ["--scope", "shop", "--policy", folder / "policy.yaml", "--processes", "1"],
        "resolve": ["--scope", "shop", "--preview", "--processes", "1"],
        "retention": ["--dry-run"],
        "toxic list": ["--scope", "shop"],
        "toxic block": ["--scope", "shop", "--preview", "email", EMAIL],
        "toxic release": ["--scope", "shop", "--preview", "email", EMAIL],
        "undo": [shop.decision, "--preview"],
        "verify": ["--processes", "1"],
    }
    if verb == "copy":
        return ["copy", "--from", shop.database, "--to", f"sqlite:///{folder / 'copy.db'}"]
    return [*verb.split(), *ways[verb], *mine]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"restore"}))
def test_each_verb_that_opens_the_database_is_noted(verb: str, shop: Shop) -> None:
    """Who and which verb, once, and once more for each person whom its answer is about; with no value of anybody."""
    done = shop.run(*arguments_of(verb, shop))
    assert done.exit_code == 0 or verb in {"backfill", "toxic block", "toxic release"}, done.output
    lines = shop.lines()
    about = [shop.mpid] if verb in {"explain", "undo"} else []
    assert [(one.mpid, one.who, one.what, one.status) for one in lines] == [
        (mpid, who_runs(), f"knownas {verb}", 0) for mpid in (0, *about)
    ]
    assert EMAIL not in str(lines)
    if verb == "copy":
        assert shop.lines(f"sqlite:///{shop.folder / 'copy.db'}") == lines


def test_a_restore_is_noted_in_what_it_restored(shop: Shop) -> None:
    """When it has come to its end: the database is empty before that. The backup has who made it."""
    assert shop.run("backup", "--config", shop.config, "--output", shop.folder / "backup.db").exit_code == 0
    target = f"sqlite:///{shop.folder / 'restored.db'}"
    shop.config.write_text(f"database: {target}\n{text('all')}")
    done = shop.run("restore", shop.folder / "backup.db", "--config", shop.config, "--without-ledger")
    assert done.exit_code == 0, done.output
    assert [one.what for one in shop.lines(target)] == ["knownas backup", "knownas restore"]


def test_a_database_that_an_import_makes_has_it_as_well(tmp_path: Path) -> None:
    """There is none before: so it is noted afterwards."""
    shop = Shop(tmp_path)
    (tmp_path / "knownas.db").unlink()
    assert shop.run(*arguments_of("import", shop)).exit_code == 0
    assert [one.what for one in shop.lines()] == ["knownas import"]


def test_the_list_shows_it(shop: Shop) -> None:
    """`knownas audit` says who, and that it was about no single person, or about whom; and is not noted itself."""
    shop.run(*arguments_of("verify", shop))
    shop.run(*arguments_of("explain", shop))
    for _ in range(2):
        printed = shop.run("audit", "--config", shop.config).output
        assert printed.count(ON_COMMAND_LINE) == 3
        assert "no single one" in printed
        assert f"{shop.mpid:>20}  {who_runs()}  knownas explain" in printed
    of_one = shop.run("audit", "--config", shop.config, "--mpid", str(shop.mpid)).output
    assert (of_one.count("knownas explain"), of_one.count("knownas verify")) == (1, 0)


def test_who_asks_a_server_is_noted_by_that(shop: Shop) -> None:
    """Nothing is opened here, and so nothing noted."""
    assert shop.run("explain", shop.decision, "--server", "http://127.0.0.1:9", "--config", shop.config).exit_code
    assert shop.lines() == []


def test_what_can_not_be_noted_is_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby can't be written: the verb goes on, and warns."""

    async def fails(*_: object) -> None:
        raise StoreUnavailable("it is read-only")

    monkeypatch.setattr(noted_lines, "_kept", fails)
    done = shop.run(*arguments_of("verify", shop))
    assert done.exit_code == 0
    assert "warning: the audit could not be written: it is read-only" in done.output


def verbs_of(command: click.Command, words: str = "") -> Iterator[str]:
    """Yield all verbs by their words."""
    if not isinstance(command, click.Group):
        yield words
        return
    for name in command.list_commands(click.Context(command)):
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        yield from verbs_of(inner, f"{words} {name}".strip())


def test_a_copy_that_is_under_way_is_left_as_it_is(shop: Shop) -> None:
    """Its rows are compared with the source's: what is read of it meanwhile is said to be not noted."""

    async def begin() -> None:
        store = open_store(shop.database)
        await set_copy_mark(store, None, CopyMark("unfinished", Counters(0, 0, 0, 0), Part.POOLS))
        await store.close()

    asyncio.run(begin())
    assert "warning: the audit could not be written" in shop.run(*arguments_of("verify", shop)).output
    assert shop.lines() == []


def test_the_environment_does_not_say_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """But the operating system."""
    before = who_runs()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert who_runs() == before


def test_of_each_verb_it_is_said_whether_it_is_noted() -> None:
    """A verb that nobody has thought of can't be run, and stops this test."""
    assert sorted(verbs_of(main)) == sorted([*VERBS, *NOT_NOTED])
    with pytest.raises(KeyError, match="knownas peek"):
        noted(click.Command("peek"))


def test_a_verb_that_is_not_noted_is_caught(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur: where nothing is written, the test above finds no line."""

    def forgets(*_: object) -> None:
        return None

    monkeypatch.setattr(noted_lines, "_write", forgets)
    shop.run(*arguments_of("verify", shop))
    assert shop.lines() == []
