"""Of two servers that judge over one store, neither writes what it has made of somebody who was erased meanwhile, or by an earlier definition."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from knownas.store.audiences import AudienceCommit, AudienceStore
from knownas.store.errors import StoreBusy
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import Holding
from knownas.store.user_data import SectionKey
from tests.service.audience.test_audiences import PLAN
from tests.service.audience.test_sweeping import DEFINITION, define
from tests.service.audience_stage import WORKSPACE, Json, Stage, customer, email, open_stage

SILVER: Json = {**PLAN, "right": "silver"}
AT_ONCE = 1_000

Alters = Callable[[AudienceCommit], AudienceCommit]


class Late:
    """A store that lets something else happen before it is asked to keep the first commit of somebody."""

    def __init__(self, store: AudienceStore, then: Callable[[], Awaitable[None]], alters: Alters) -> None:
        self._store = store
        self._then: Callable[[], Awaitable[None]] | None = then
        self._alters = alters

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def commit(self, commit: AudienceCommit) -> bool:
        then = self._then
        if then is not None and (commit.standings or commit.places):
            self._then = None
            await then()
        return await self._store.commit(self._alters(commit))


def delay(stage: Stage, then: Callable[[], Awaitable[None]], alters: Alters = lambda commit: commit) -> None:
    """Let something happen between what a server reads and what it writes of it."""
    work: Any = stage.service.activation.work
    for part in (work._judging, work._sweeping):
        part._store = Late(part._store, then, alters)


async def two_servers() -> tuple[Stage, Stage]:
    """Open two servers over one store."""
    store = MemoryStore()
    return await open_stage(store), await open_stage(store)


async def settle(stage: Stage) -> None:
    """Judge whoever has to be, also when somebody else was faster."""
    try:
        await stage.settle()
    except StoreBusy:
        await stage.settle()


async def erase(stage: Stage, mpid: int) -> None:
    """Erase somebody in the workspace as a server does it: nothing is known of them, everybody is judged, and they are forgotten."""
    store = stage.service.store
    while (await store.privacy.erase(Holding(WORKSPACE, mpid, [], b""), AT_ONCE)).total:
        pass
    await stage.settle()
    await stage.service.activation.forgetting.forget(WORKSPACE, mpid)


async def what_is_there(stage: Stage, mpid: int) -> Mapping[str, int]:
    """Count what is kept of somebody because of audiences, kind by kind."""
    store, key = stage.service.store, SectionKey(WORKSPACE, "production", mpid)
    catalogue = await stage.service.activation.catalogues.refresh()
    held = await store.audiences.held_of(list(catalogue.connections), [mpid])
    members = [
        one
        for audience in catalogue.audiences
        for one in await store.audiences.members(WORKSPACE, "production", audience, None, AT_ONCE)
        if one.mpid == mpid
    ]
    told = [one for one in await store.deliveries.deliveries_about(WORKSPACE, mpid, None, AT_ONCE) if one.document]
    found = {
        "standings": 0 if (await store.audiences.subjects([key]))[key].standing is None else 1,
        "members": len(members),
        "changes": len(await store.audiences.changes_of(key, None, AT_ONCE)),
        "held": len(held),
        "told": len(told),
        "places": len((await store.groups.places([key])).get(key, ())),
        "marks": len([one for one in await store.audiences.marks(0, AT_ONCE) if one.mpid == mpid]),
    }
    return {kind: count for kind, count in found.items() if count}


async def erased_while_judged(alters: Alters = lambda commit: commit) -> Mapping[str, int]:
    """Have one server judge somebody, whom another erases before what came of it is written; return what is there of them."""
    first, second = await two_servers()
    audience = await first.audience(PLAN)
    await first.connect(audience, await first.output(), identities=["email"])
    await first.group(has_dog="boolean_or")
    mpid = await first.happen(
        customer("c"), email("a@example.com"), attributes={"plan": "gold", "$address": "1 Main St", "has_dog": True}
    )
    delay(first, lambda: erase(second, mpid), alters)
    await settle(first)
    return await what_is_there(first, mpid)


async def erased_while_swept(alters: Alters = lambda commit: commit) -> Mapping[str, int]:
    """The same where the server goes over everybody because of a new audience."""
    first, second = await two_servers()
    await first.audience(SILVER)
    mpid = await first.happen(customer("c"), attributes={"plan": "gold"})
    await first.settle()
    await define(first, PLAN, "new")
    delay(first, lambda: erase(second, mpid), alters)
    await settle(first)
    return await what_is_there(first, mpid)


def careless(commit: AudienceCommit) -> AudienceCommit:
    """Rest on nothing."""
    return replace(commit, rests_on={})


async def test_nothing_is_kept_of_who_is_erased_while_they_are_judged() -> None:
    """Whatever was to be written: it is judged again, and there is nobody."""
    assert await erased_while_judged() == {}


async def test_nothing_is_kept_of_who_is_erased_while_a_new_audience_is_filled() -> None:
    """They are looked at again, and there is nobody."""
    assert await erased_while_swept() == {}


async def test_judging_that_rests_on_nothing_would_be_noticed() -> None:
    """All that is kept of a member would be there after their erasure, and would be told."""
    left = await erased_while_judged(careless)
    assert {"standings", "members", "changes", "held", "told", "places"} <= left.keys()
    assert {"standings", "members", "changes"} <= (await erased_while_swept(careless)).keys()


async def late_by_an_earlier_definition(alters: Alters = lambda commit: commit) -> tuple[list[int], list[int]]:
    """Have one server judge somebody by a definition that another one changes and applies meanwhile; return the members, and who belongs there."""
    first, second = await two_servers()
    audience = await first.audience(PLAN)
    gold = await first.happen(customer("gold"), attributes={"plan": "gold"})
    silver = await first.happen(customer("silver"), attributes={"plan": "silver"})

    async def define_anew() -> None:
        definition = {**DEFINITION, "audience": SILVER}
        assert await second.service.activation.audiences.change(audience, "audience", None, definition) is None
        await second.settle()

    delay(first, define_anew, alters)
    await settle(first)
    assert gold != silver
    return await first.members(audience), [silver]


async def test_an_earlier_definition_writes_nothing_after_a_later_one() -> None:
    """Two servers may judge at once, when one was slow: the later definition has the last word."""
    members, belong = await late_by_an_earlier_definition()
    assert members == belong


async def test_an_earlier_definition_that_wrote_would_be_noticed() -> None:
    """Whoever belonged to the audience as it was would be in it, and nobody would look again."""
    members, belong = await late_by_an_earlier_definition(lambda commit: replace(commit, watches={}))
    assert len(members) == len(belong) + 1
