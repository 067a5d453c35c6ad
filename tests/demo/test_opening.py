"""The demo's shop once it is open: every place of the console has something to show."""

from importlib.resources import files
from pathlib import Path

from knownas.cli.configured import parse
from knownas.core.identity.observation import Environment
from knownas.demo.hour import play_hour
from knownas.demo.opening import AUDIENCES, OUTPUT, open_shop
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.live.wanted import Wanted
from knownas.service.server import open_service
from knownas.store.memory.store import MemoryStore
from tests.waiting import until

SEED, PEOPLE = 12, 60
WITHIN_SECONDS = 30.0


async def test_every_place_has_something_to_show(tmp_path: Path) -> None:
    """Audiences have members, the output has written files, somebody has asked, the stream has lines, and profiles were counted."""
    configuration = parse((files("knownas.demo") / "demo.yaml").read_text(), "the demo")
    service = await open_service(configuration, MemoryStore(), destinations=DESTINATIONS)
    folder = tmp_path / "newsletter"
    try:
        hour = await open_shop(service, "shop", SEED, PEOPLE, folder)
        service.start()
        audiences = service.activation.audiences
        known = audiences.known(100)
        assert {one.name.name for one in known.values()} == set(AUDIENCES)

        async def are_judged() -> bool:
            return all([await audiences.share_of(one) == 1 for one in known.values()])

        await until(are_judged, WITHIN_SECONDS)
        counts = [await audiences.count(one, Environment.PRODUCTION.value) for one in known.values()]
        assert all(0 < one < PEOPLE for one in counts), counts

        async def is_written() -> bool:
            return any(folder.rglob("*.csv"))

        await until(is_written, WITHIN_SECONDS)
        catalogue = await service.activation.catalogues.refresh()
        assert [one.document.name for one in catalogue.outputs.values()] == [OUTPUT]
        assert len(service.live.newest(Wanted(), 500).lines) == 500
        assert (await service.health.census.last()) is not None
        assert sum(hour.outcomes.values()) > PEOPLE
    finally:
        await service.close()


async def test_what_apps_send_decides_nothing(tmp_path: Path) -> None:
    """The hour's decisions are the same as without it, so that what the documentation quotes of them holds."""
    outcomes = []
    for opened in (True, False):
        configuration = parse((files("knownas.demo") / "demo.yaml").read_text(), "the demo")
        service = await open_service(configuration, MemoryStore(), destinations=DESTINATIONS)
        try:
            if opened:
                hour = await open_shop(service, "shop", SEED, PEOPLE, tmp_path / "out")
            else:
                hour = await play_hour(service, "shop", SEED, PEOPLE)
            outcomes.append(hour.outcomes)
        finally:
            await service.close()
    assert outcomes[0] == outcomes[1]
