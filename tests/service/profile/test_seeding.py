"""Seeding over real stores: whole or not at all, on the right profile, and beside events (platform §8)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.profile.attributes import shown
from knownas.core.profile.tallies import Seed
from knownas.service.limits import COMMIT_ATTEMPTS_MAX
from knownas.service.profile.sections import Sections
from knownas.service.profile.seeding import AttributeSeed, SeedFault
from knownas.store.errors import StoreBusy
from knownas.store.memory.store import MemoryStore
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import SectionKey, UserDataCommit
from tests.service.seeding_stage import APP, CUTOFF, CUTOFF_MS, OTHER, SHOP, Stage, bought, customer, ltv, stage, user
from tests.store.world import START_MS


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """A service over each store."""
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "knownas.db")
    opened = await stage(store)
    yield opened
    await opened.service.close()


async def known(world: Stage, number: int = 1, *, create: bool = False, workspace: int = SHOP) -> int | None:
    """Return the profile of a customer, if there is one."""
    who = identities(dict([customer(number)]))
    endpoint = Endpoint.IDENTIFY if create else Endpoint.SEARCH
    request = IdentityRequest(endpoint, START_MS, Environment.PRODUCTION, "test", who)
    answer = await world.service.resolver.answer(world.place(workspace).rules.ask(request))
    outcome = answer.decision.outcome
    if create and answer.decision.record is not None:
        return answer.decision.record.mpid
    return outcome.mpid if isinstance(outcome, Returned) else None


async def test_a_seed_and_the_events_since_are_one_value(world: Stage) -> None:
    """By MPID; what happened before the cutoff is replaced, what happens after it is added."""
    mpid = await known(world, create=True)
    assert mpid is not None
    await world.arrive(mpid, bought(CUTOFF_MS - 1, 7), bought(CUTOFF_MS, 1))
    assert await world.values(mpid) == {"Favourite": "tea", "LTV": "8"}
    favourite = AttributeSeed("Favourite", "most_frequent", CUTOFF, Seed(key_value_pairs={"cake": 3}))
    assert await world.seeding.seed(world.place(), [user(ltv(), favourite, mpid=mpid)]) == ()
    assert await world.values(mpid) == {"Favourite": "cake", "LTV": "101.5"}
    await world.arrive(mpid, bought(CUTOFF_MS + 1, 0.5), bought(3, 99))
    assert await world.values(mpid) == {"Favourite": "cake", "LTV": "102"}


async def test_identities_are_resolved_as_identify_does(world: Stage) -> None:
    """A customer nobody knows gets a profile; one who is known is found, and attributes come along."""
    assert await world.seeding.seed(world.place(), [user(ltv(), tier="Free")]) == ()
    mpid = await known(world)
    assert mpid is not None
    assert await world.values(mpid) == {"LTV": "100.5"}
    assert await world.seeding.seed(world.place(), [user(tier="Gold", tags=("a", "b"))]) == ()
    assert await known(world) == mpid
    section = await Sections(world.data).find(SectionKey(SHOP, "production", mpid))
    assert section is not None
    assert shown(section.attributes) == {"tags": ["a", "b"], "tier": "Gold"}
    assert (section.first_seen_ms, section.last_seen_ms) == (START_MS, START_MS)


async def test_a_workspace_seeds_itself_only(world: Stage) -> None:
    """The profile is shared by the scope, what is known of it is not."""
    assert await world.seeding.seed(world.place(APP), [user(ltv(5))]) == ()
    mpid = await known(world)
    assert mpid is not None
    assert await world.values(mpid, APP) == {"LTV": "5"}
    assert await world.values(mpid, SHOP) == {}


async def test_a_profile_of_another_scope_is_nobody(world: Stage) -> None:
    """Whether its MPID exists there can't be told from the answer."""
    mpid = await known(world, create=True, workspace=OTHER)
    assert mpid is not None
    (fault,) = await world.seeding.seed(world.place(), [user(ltv(), mpid=mpid)])
    (nobody,) = await world.seeding.seed(world.place(), [user(ltv(), mpid=1234)])
    assert (fault.code, fault.reason) == (nobody.code, nobody.reason) == ("unknown_mpid", nobody.reason)


@pytest.mark.parametrize(
    ("seed", "fault"),
    [
        (
            ltv()._replace(name="test sum"),
            SeedFault("unknown_calculated_attribute", "test sum", "No matching calculated attribute definition found"),
        ),
        (
            ltv(kind="count"),
            SeedFault(
                "other_calculation_type",
                "LTV",
                "No matching calculated attribute definition found; the one of this name is sum",
            ),
        ),
        (ltv("many"), SeedFault("invalid_seed", "LTV", "Seed value must be numeric")),
        (
            ltv(cutoff="2020-01-01"),
            SeedFault(
                "other_cutoff_date", "LTV", "cutoff_date is not the one of the calculated attribute's definition"
            ),
        ),
        (
            AttributeSeed("Visits", "count", CUTOFF, Seed(value=1)),
            SeedFault(
                "invalid_seed", "Visits", "The calculated attribute has no seeding cutoff date, so it can't be seeded"
            ),
        ),
    ],
)
async def test_one_fault_refuses_everything(world: Stage, seed: AttributeSeed, fault: SeedFault) -> None:
    """Nothing is kept of the others, and nobody gets a profile."""
    users = [user(ltv(), number=1), user(seed, number=2)]
    assert await world.seeding.seed(world.place(), users) == (fault,)
    assert await known(world, 1) is None
    assert await known(world, 2) is None


async def test_every_fault_is_told(world: Stage) -> None:
    """Not only the first one."""
    users = [user(ltv("x"), ltv(1), mpid=77), user(ltv(cutoff="never"), number=2, **{"n" * 300: "v"})]
    codes = [fault.code for fault in await world.seeding.seed(world.place(), users)]
    assert codes == ["invalid_seed", "seeded_twice", "other_cutoff_date", "invalid_attribute", "unknown_mpid"]


async def test_several_entries_of_one_user_are_kept_in_order(world: Stage) -> None:
    """The last one of an attribute counts, the others stay."""
    assert await world.seeding.seed(world.place(), [user(ltv(1), a="1"), user(ltv(2), b="2")]) == ()
    mpid = await known(world)
    assert mpid is not None
    assert await world.values(mpid) == {"LTV": "2"}


class _Contested:
    """A store in which somebody else changes the section just before the first commits."""

    def __init__(self, world: Stage, mpid: int, times: int) -> None:
        self.world, self.mpid, self.left = world, mpid, times
        self.load = world.data.load
        self.attempts = 0

    async def commit(self, commit: UserDataCommit) -> bool:
        self.attempts += 1
        if self.left:
            self.left -= 1
            await self.world.arrive(self.mpid, bought(CUTOFF_MS + self.left, 1))
        return await self.world.data.commit(commit)


async def test_events_that_arrive_meanwhile_are_not_lost(world: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost race is decided again on what is there then."""
    mpid = await known(world, create=True)
    assert mpid is not None
    monkeypatch.setattr(world.seeding, "_data", _Contested(world, mpid, times=3))
    assert await world.seeding.seed(world.place(), [user(ltv(10), mpid=mpid)]) == ()
    assert (await world.values(mpid))["LTV"] == "13"


async def test_races_end_with_a_reason(world: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many attempts as there may be, the caller is told to come back, and nothing was kept."""
    mpid = await known(world, create=True)
    assert mpid is not None
    contested = _Contested(world, mpid, times=1_000_000)
    monkeypatch.setattr(world.seeding, "_data", contested)
    monkeypatch.setattr("knownas.service.retrying.RETRY_PAUSE_SECONDS_MAX", 0.0)
    with pytest.raises(StoreBusy):
        await world.seeding.seed(world.place(), [user(ltv(10), mpid=mpid)])
    assert contested.attempts == COMMIT_ATTEMPTS_MAX
    assert (await world.values(mpid))["LTV"] == str(COMMIT_ATTEMPTS_MAX)
