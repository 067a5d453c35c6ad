"""Who is around a person: what is shown, what is counted, and how many reads it takes."""

from knownas.core.identity.observation import Endpoint
from knownas.service.identity.neighbourhood import LinkKind, Neighbourhoods, ProfileState
from knownas.service.limits import NEIGHBOURS_MAX, NEIGHBOURS_OF_VALUE_MAX
from knownas.store.memory.store import MemoryStore
from tests.console.people import ask, seed
from tests.console.stage import Stage, running


class Counting:
    """Counts the reads of a store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        self.reads += 1
        return getattr(self._store, name)


def around(stage: Stage) -> tuple[Neighbourhoods, Counting]:
    """Return neighbourhoods over a store whose reads are counted."""
    assert isinstance(stage.service.store, MemoryStore)
    store = Counting(stage.service.store)
    return Neighbourhoods(store, stage.service.directory), store  # type: ignore[arg-type]


async def test_three_steps_are_gone_from_a_person() -> None:
    """Their values, who shares one, what those hold; not further, and nobody of another scope."""
    async with running() as stage:
        ann, _ = await ask(stage, Endpoint.LOGIN, device_application_stamp="d-1", customerid="ann")
        bob, _ = await ask(stage, Endpoint.LOGIN, device_application_stamp="d-1", customerid="bob")
        await ask(stage, Endpoint.IDENTIFY, customerid="bob", email="far@example.com")
        await seed(stage, {"customerid": ["cal"], "email": ["far@example.com"]})
        found = await stage.service.neighbourhoods.around(ann)
        assert found is not None
        assert [(one.mpid, one.state, one.step) for one in found.profiles] == [
            (ann, ProfileState.KNOWN, 0),
            (bob, ProfileState.KNOWN, 2),
        ]
        assert {(one.identity.value, one.step) for one in found.values} == {
            ("ann", 1), ("d-1", 1), ("bob", 3), ("far@example.com", 3),
        }  # fmt: skip
        assert found.is_whole
        assert {one.kind for one in found.holdings} == {LinkKind.HOLDS}
        assert await stage.service.neighbourhoods.around(5) is None


async def test_a_crowd_takes_bounded_reads_and_is_counted() -> None:
    """Of thousands that share values with somebody at most so many nodes are shown, and of the others how many there are."""
    async with running() as stage:
        devices = [f"d-{one}" for one in range(12)]
        hub = await seed(stage, {"customerid": ["hub"], "device_application_stamp": devices})
        for one in range(600):
            held = {"customerid": [f"c-{one}"], "email": [f"{one}@example.com"]}
            await seed(stage, {**held, "device_application_stamp": [devices[one % 12]]})
        neighbourhoods, store = around(stage)
        found = await neighbourhoods.around(hub)
        assert found is not None
        assert len(found.profiles) + len(found.values) == NEIGHBOURS_MAX
        assert store.reads <= 2 * NEIGHBOURS_MAX
        assert not found.is_whole
        shared = [one for one in found.values if one.identity.value in devices]
        shown = {one.identity: 0 for one in shared}
        for holding in found.holdings:
            if holding.identity in shown and holding.mpid != hub:
                shown[holding.identity] += 1
        assert {shown[one.identity] + one.more_holders for one in shared} == {50}
        assert max(shown.values()) <= NEIGHBOURS_OF_VALUE_MAX


async def test_a_person_with_very_many_values_leaves_room_for_others() -> None:
    """Half of the nodes; the others of their values are counted."""
    async with running() as stage:
        values = [f"v-{one}" for one in range(400)]
        ann = await seed(stage, {"customerid": ["ann"], "other": values})
        found = await stage.service.neighbourhoods.around(ann)
        assert found is not None
        assert len(found.values) == NEIGHBOURS_MAX // 2 - 1
        assert found.profiles[0].more_values == 401 - len(found.values)
