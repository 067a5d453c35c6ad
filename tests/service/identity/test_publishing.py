"""A policy that somebody publishes is in force on every server, stays so, and is followed by nobody who has not seen it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from knownas.config.values import Configuration
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Capture, EnvironmentPools, Policy, Settings, Strategy, policy, with_version
from knownas.core.identity.toxic_limits import ToxicMode, ToxicSettings
from knownas.service.identity.policies import publications_name
from knownas.service.identity.publishing import NeedsRestart, NothingNew, Outdated, Published
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore
from tests.service.audience_stage import email, open_stage
from tests.service.profile.test_ingest import CONFIGURATION
from tests.store.world import START_MS

(CONFIGURED,) = CONFIGURATION.scopes
SCOPE = CONFIGURED.name
BY_EMAIL = policy(
    Strategy.PROFILE_LINK,
    priority=[IdentityType.EMAIL, IdentityType.CUSTOMER_ID],
    login_ids=[IdentityType.EMAIL],
    unique_ids=[IdentityType.EMAIL],
    settings=CONFIGURED.policy.settings,
)
AGAIN = replace(BY_EMAIL, strategy=Strategy.PROFILE_ISOLATION)


@asynccontextmanager
async def served(store: Store, configuration: Configuration = CONFIGURATION) -> AsyncGenerator[Service]:
    """Serve a configuration over a store that somebody else closes, too."""
    service = await open_service(configuration, store, clock=lambda: START_MS)
    try:
        yield service
    finally:
        await service.close()


def in_force(service: Service) -> Policy:
    """Return the policy that a server decides by."""
    return service.directory.scopes[SCOPE].policy


async def publish(service: Service, what: Policy, after: int) -> Any:
    """Publish a policy."""
    return await service.publishing.publish(service.directory.scopes[SCOPE], what, after, "ann", "since e-mail counts")


async def asked(service: Service) -> Any:
    """Log in by an e-mail address."""
    request = IdentityRequest(
        Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "web", (Identity(IdentityType.EMAIL, "a@example.com"),)
    )
    return await service.resolver.answer(service.directory.scopes[SCOPE].ask(request))


async def test_what_is_published_decides_at_once() -> None:
    """The next question is decided by it, and its receipt names its version."""
    async with served(MemoryStore()) as service:
        before = await asked(service)
        assert await publish(service, BY_EMAIL, 1) == Published(2)
        after = await asked(service)
        assert [one.decision.receipt.policy_version for one in (before, after)] == [1, 2]
        assert in_force(service) == with_version(BY_EMAIL, 2)


async def test_a_question_keeps_the_rules_that_it_was_asked_under() -> None:
    """One that waits while a policy is published is decided, and says so, under the one of before."""
    async with served(MemoryStore()) as service:
        rules = service.directory.scopes[SCOPE]
        request = IdentityRequest(
            Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "web", (Identity(IdentityType.EMAIL, "a@b.c"),)
        )
        question = rules.ask(request)
        await publish(service, BY_EMAIL, 1)
        answer = await service.resolver.answer(question)
        assert answer.decision.receipt.policy_version == 1


async def test_other_servers_take_it_up(tmp_path: Path) -> None:
    """At their next look, and not before; one that finds nothing new leaves its rules alone."""
    place = tmp_path / "knownas.db"
    async with served(SqliteStore(place)) as here, served(SqliteStore(place)) as there:
        await publish(here, BY_EMAIL, 1)
        assert in_force(there).version == 1
        await there.publishing.look()
        assert in_force(there) == with_version(BY_EMAIL, 2)
        await there.publishing.look()
        assert await publish(there, AGAIN, 2) == Published(3)
        await here.publishing.look()
        assert in_force(here) == with_version(AGAIN, 3)


async def test_nobody_overwrites_what_they_have_not_seen() -> None:
    """Whoever follows an older version, or none that there is, changes nothing."""
    async with served(MemoryStore()) as service:
        await publish(service, BY_EMAIL, 1)
        for after in (1, 3):
            assert await publish(service, AGAIN, after) == Outdated(2)
        assert await publish(service, BY_EMAIL, 2) == NothingNew(2)
        assert in_force(service).version == 2


class Faster(MemoryStore):
    """A store in which somebody else adds a version just before one does."""

    instead: Policy | None = None

    async def add_policy(self, policy: Any) -> bool:
        if self.instead is not None:
            other, self.instead = self.instead, None
            await publish(self.service, other, policy.version - 1)
        return await super().add_policy(policy)

    service: Service


async def test_of_two_who_publish_at_once_one_does() -> None:
    """And what the other had written down does not make the version theirs."""
    store = Faster()
    async with served(store) as service:
        store.service, store.instead = service, BY_EMAIL
        assert await publish(service, AGAIN, 1) == Outdated(2)
        assert in_force(service) == with_version(BY_EMAIL, 2)
        newest, first = await service.publishing.versions(SCOPE)
        assert newest.publication is not None
        assert first.publication is None
        async with served(store) as later:
            assert in_force(later) == with_version(BY_EMAIL, 2)


async def test_it_stays_in_force_over_a_restart(tmp_path: Path) -> None:
    """As long as the configuration says what it said; each version tells who published it, and why."""
    place = tmp_path / "knownas.db"
    async with served(SqliteStore(place)) as service:
        await publish(service, BY_EMAIL, 1)
    async with served(SqliteStore(place)) as again:
        assert in_force(again) == with_version(BY_EMAIL, 2)
        newest, first = await again.publishing.versions(SCOPE)
        assert newest.publication is not None
        assert (newest.publication.by, newest.publication.note) == ("ann", "since e-mail counts")
        assert (first.policy.version, first.publication) == (1, None)


async def test_a_configuration_that_is_changed_takes_its_place(tmp_path: Path) -> None:
    """Its rules are in force again, as another version."""
    place = tmp_path / "knownas.db"
    async with served(SqliteStore(place)) as service:
        await publish(service, BY_EMAIL, 1)
    changed = replace(CONFIGURATION, scopes=(replace(CONFIGURED, policy=policy(Strategy.DEFAULT)),))
    async with served(SqliteStore(place), changed) as service:
        assert in_force(service) == policy(Strategy.DEFAULT, version=3)


async def test_what_was_killed_before_the_version_was_there_has_published_nothing(tmp_path: Path) -> None:
    """Neither this server nor another one takes it up."""
    place = tmp_path / "knownas.db"
    store = SqliteStore(place)
    async with served(store) as service:
        add = store.add_policy
        store.add_policy = killed  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            await publish(service, BY_EMAIL, 1)
        store.add_policy = add  # type: ignore[method-assign]
        assert await store.kept(publications_name(SCOPE)) is not None
        await service.publishing.look()
        assert in_force(service).version == 1
    async with served(SqliteStore(place)) as again:
        assert in_force(again) == CONFIGURED.policy
        # The version may be there a moment later.
        assert await publish(again, BY_EMAIL, 1) == Published(2)


async def killed(_: Any) -> bool:
    """Die before anything is kept."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("settings", "member"),
    [
        (Settings(environment_pools=EnvironmentPools.SHARED), "settings.environment_pools"),
        (Settings(toxic=ToxicSettings(mode=ToxicMode.QUARANTINE)), "settings.toxic"),
    ],
)
async def test_what_a_server_is_started_with_can_not_be_published(settings: Settings, member: str) -> None:
    """It is said which members these are."""
    async with served(MemoryStore()) as service:
        assert await publish(service, replace(BY_EMAIL, settings=settings), 1) == NeedsRestart((member,))
        capture = replace(CONFIGURED.policy.settings, capture=Capture.ALL)
        assert await publish(service, replace(BY_EMAIL, settings=capture), 1) == Published(2)


async def test_audiences_hear_who_is_known_now() -> None:
    """Where other types log in, everybody is judged anew."""
    stage = await open_stage(MemoryStore())
    try:
        is_known = {"operator": "equals", "left": {"model": "user", "path": "is_known"}, "right": True}
        known = await stage.audience(is_known)
        ann = await stage.happen(email("a@example.com"))
        await stage.settle()
        assert await stage.members(known) == []
        assert isinstance(await publish(stage.service, BY_EMAIL, 1), Published)
        await stage.settle()
        assert await stage.members(known) == [ann]
    finally:
        await stage.service.close()
