"""A bulk deletion takes what one workspace has of a profile, and nothing else."""

from collections.abc import Sequence

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.privacy.evidence import Step
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.erasure.bulk_deletion import Deletion
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door
from knownas.store.privacy import Counts, Holding
from knownas.store.user_data import SectionKey
from tests.served import FEED_KEY, KEY
from tests.service.privacy_stage import Stage, stage

PRODUCTION = Environment.PRODUCTION


def door(world: Stage, key: str = KEY) -> Door:
    """Return an input by its key."""
    found = world.service.directory.door(key)
    assert found is not None
    return found


async def arrive(world: Stage, key: str, who: str, number: int) -> int:
    """Keep a batch with one event of somebody; returns the profile."""
    here = door(world, key)
    identities = (Identity(IdentityType.CUSTOMER_ID, who),)
    event = Event("custom_event", world.clock(), f"{who}-{key}-{number}", {"event_name": "x"})
    batch = EventBatch(
        PRODUCTION, world.clock(), here.input.name, Channel.SERVER, identities=identities, events=(event,)
    )
    receipt = await world.service.ingest.submit(Arrival(here, batch))
    assert isinstance(receipt.outcome, Kept)
    return receipt.outcome.mpid


async def left(world: Stage, workspace: int, mpid: int, keys: Sequence[str]) -> Counts:
    """Count what a workspace has of a profile."""
    return await world.store.count(Holding(workspace, mpid, keys, b'"mpid":"%d"' % mpid))


async def test_what_the_workspace_has_goes_and_the_rest_stays() -> None:
    """Another workspace of the scope keeps what it has, another person too, and the identities lead to the same MPID."""
    world = await stage()
    mpid, other = await arrive(world, KEY, "ann", 1), await arrive(world, KEY, "bob", 1)
    for number in range(450):
        world.clock.now_ms += 1
        await arrive(world, KEY, "ann", number + 2)
    assert await arrive(world, FEED_KEY, "ann", 1) == mpid
    assert await arrive(world, "other-key", "ann", 1) == mpid
    gone = await world.privacy.deletion.delete(door(world), [Deletion(PRODUCTION, mpid)])
    assert gone == Counts(sections=1, events=452, messages=452, aliases=0, receipts=452)
    assert (await left(world, 100, mpid, [KEY, FEED_KEY])).total == 0
    assert (await left(world, 101, mpid, ["other-key"])).events == 1
    assert (await left(world, 100, other, [KEY, FEED_KEY])).events == 1
    search = IdentityRequest(
        Endpoint.SEARCH, world.clock(), PRODUCTION, "app", (Identity(IdentityType.CUSTOMER_ID, "ann"),)
    )
    found = await world.service.resolver.answer(door(world).rules.ask(search))
    assert getattr(found.decision.outcome, "mpid", None) == mpid
    assert await world.service.sections.find(SectionKey(100, "production", mpid)) is None


async def test_somebody_is_named_by_identities_too() -> None:
    """Whoever a search finds by them."""
    world = await stage()
    mpid = await arrive(world, KEY, "ann", 1)
    named = Deletion(PRODUCTION, None, (Identity(IdentityType.CUSTOMER_ID, "ann"),))
    assert (await world.privacy.deletion.delete(door(world), [named])).events == 1
    assert (await left(world, 100, mpid, [KEY])).total == 0


async def test_who_is_not_there_is_fine() -> None:
    """An unknown MPID, one of the other environment, and identities of nobody."""
    world = await stage()
    mpid = await arrive(world, KEY, "ann", 1)
    asked = [
        Deletion(PRODUCTION, 12345),
        Deletion(Environment.DEVELOPMENT, mpid),
        Deletion(PRODUCTION, None, (Identity(IdentityType.CUSTOMER_ID, "nobody"),)),
    ]
    assert (await world.privacy.deletion.delete(door(world), asked)).total == 0
    assert (await left(world, 100, mpid, [KEY])).events == 1


async def test_the_evidence_counts_each_call() -> None:
    """How many were asked for and found, and how much there was, before it goes and when it is gone; nobody's name or number."""
    world = await stage()
    mpid = await arrive(world, KEY, "ann", 1)
    await world.privacy.deletion.delete(door(world), [Deletion(PRODUCTION, mpid), Deletion(PRODUCTION, 7)])
    entries = await world.privacy.evidence.entries(0, 10)
    assert [one.happening.step for one in entries] == [Step.STARTED, Step.ERASED]
    for facts in (one.happening.facts for one in entries):
        assert (facts["how"], facts["items"], facts["profiles"], facts["events"]) == ("bulk_deletion", 2, 1, 1)
        assert str(mpid) not in str(dict(facts))


async def test_where_nobody_is_there_that_is_told() -> None:
    """One entry: nothing was to go."""
    world = await stage()
    await world.privacy.deletion.delete(door(world), [Deletion(PRODUCTION, 7)])
    (entry,) = await world.privacy.evidence.entries(0, 10)
    assert (entry.happening.step, entry.happening.facts["profiles"]) == (Step.ERASED, 0)


async def test_a_deletion_is_no_request_of_a_data_subject() -> None:
    """It stands among them in the database, and in no list of them; when it has ended it says no longer whose data it was."""
    world = await stage()
    mpid = await arrive(world, KEY, "ann", 1)
    await world.privacy.deletion.delete(door(world), [Deletion(PRODUCTION, mpid)])
    (row,) = await world.store.requests_after(-1, "", 10)
    assert (row.due_ms, row.open_key, str(mpid).encode() in row.document) == (None, None, False)
    assert await world.privacy.requests.group(world.place(), "") == []
    world.clock.now_ms += 366 * 86_400_000
    assert await world.privacy.work.forget_old() == 1
