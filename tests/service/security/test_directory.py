"""The directory knows every input by its key, with its workspace and the rules of its scope."""

from typing import Any

import pytest

from knownas.config.values import (
    Account,
    Configuration,
    Input,
    InputPlatform,
    Organization,
    ProtectionLevel,
    RateLimits,
    Scope,
    Secret,
    Workspace,
)
from knownas.core.identity.policy import Strategy, policy
from knownas.service.security.directory import Directory, open_directory
from knownas.store.memory.store import MemoryStore
from tests.store.world import START_MS

WEB = Input("web", InputPlatform.WEB, None, "web-key", Secret("s"))
CRM = Input("crm", None, "custom", "crm-key", Secret("s"), protection_level=ProtectionLevel.ONLY_UPDATE_PROFILES)
TV = Input("tv", InputPlatform.ROKU, None, "tv-key", Secret("s"), limits=RateLimits(requests_per_second=5.0))
TAP = Input("tap", InputPlatform.IOS, None, "tap-key", Secret("s"), limits=RateLimits(per_identity_per_second=1.0))


def configuration(shop: Strategy = Strategy.DEFAULT) -> Configuration:
    """Return two workspaces over two scopes, with a third scope that nobody uses."""
    workspaces = (
        Workspace(100, "Shop", "shop", "ws-1", Secret("s"), (WEB, CRM)),
        Workspace(200, "TV", "tv", "ws-2", Secret("s"), (TV, TAP)),
    )
    scopes = (
        Scope("shop", policy(shop)),
        Scope("tv", policy(Strategy.PROFILE_LINK)),
        Scope("spare", policy(Strategy.BEST_MATCH)),
    )
    return Configuration(scopes=scopes, organization=Organization(accounts=(Account(10, "Retail", workspaces),)))


async def opened() -> Directory:
    """Open the directory over an empty store."""
    return await open_directory(configuration(), MemoryStore(), START_MS)


async def test_each_key_opens_its_door() -> None:
    """A key leads to its input, that input's workspace, and the rules of the workspace's scope."""
    directory = await opened()

    for one, workspace, scope in ((WEB, 100, "shop"), (CRM, 100, "shop"), (TV, 200, "tv"), (TAP, 200, "tv")):
        door = directory.door(one.key)
        assert door is not None
        assert (door.input, door.workspace.id, door.rules.scope) == (one, workspace, scope)
        assert door.rules is directory.rules(scope)


@pytest.mark.parametrize("key", ["", "web", "WEB-KEY", "web-key ", "ws-1"])
async def test_no_other_key_opens_a_door(key: str) -> None:
    """A key that is not an input's, to the letter, opens nothing, be it a workspace's."""
    assert (await opened()).door(key) is None


async def test_every_scope_has_its_rules() -> None:
    """Every configured scope has its rules, used or not, and no other has any."""
    directory = await opened()

    assert list(directory.scopes) == ["shop", "tv", "spare"]
    assert directory.scopes["spare"].policy.strategy is Strategy.BEST_MATCH
    assert directory.rules("nowhere") is None


async def test_only_some_inputs_may_create() -> None:
    """An input that only updates makes no profiles, the others do."""
    directory = await opened()
    doors = {key: directory.door(key) for key in ("web-key", "crm-key", "tv-key")}

    may = {key: door.may_create for key, door in doors.items() if door is not None}

    assert may == {"web-key": True, "crm-key": False, "tv-key": True}


async def test_only_some_inputs_are_limited() -> None:
    """An input has a rate limit if it has one of the two kinds."""
    directory = await opened()
    doors = {key: directory.door(key) for key in ("web-key", "tv-key", "tap-key")}

    limited = {key: door.limited for key, door in doors.items() if door is not None}

    assert limited == {"web-key": False, "tv-key": True, "tap-key": True}


async def test_opening_gives_each_policy_its_version() -> None:
    """Opening again over the same store keeps the version of equal rules and counts on where they changed."""
    store = MemoryStore()
    versions = []
    for strategy in (Strategy.DEFAULT, Strategy.DEFAULT, Strategy.PROFILE_ISOLATION):
        directory = await open_directory(configuration(strategy), store, START_MS)
        versions.append([rules.policy.version for rules in directory.scopes.values()])

    assert versions == [[1, 1, 1], [1, 1, 1], [2, 1, 1]]


async def test_the_directory_does_not_change() -> None:
    """Nobody can add a scope to a directory that is at work."""
    scopes: Any = (await opened()).scopes

    with pytest.raises(TypeError):
        scopes["new"] = scopes["shop"]
