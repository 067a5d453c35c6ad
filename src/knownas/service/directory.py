"""Knows who may ask what: the inputs by their keys, each with its workspace and the rules of its scope."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from knownas.config.values import Configuration, Input, ProtectionLevel, Workspace
from knownas.core.identity.policy import Policy
from knownas.service.policies import policy_in_force
from knownas.service.question import Rules
from knownas.store.port import Store


@dataclass(frozen=True, slots=True)
class Door:
    """An input at work: what a request that came with its key may do, and under which rules."""

    input: Input
    workspace: Workspace
    rules: Rules
    limited: bool = field(init=False)
    """Whether it has a rate limit at all."""
    may_create: bool = field(init=False)
    """Whether its requests may make profiles; idsync §5.4."""

    def __post_init__(self) -> None:
        limits = self.input.limits
        limited = limits.requests_per_second is not None or limits.per_identity_per_second is not None
        object.__setattr__(self, "limited", limited)
        may_create = self.input.protection_level is not ProtectionLevel.ONLY_UPDATE_PROFILES
        object.__setattr__(self, "may_create", may_create)


class Directory:
    """The doors by key, and the rules by scope. Does not change while the server runs."""

    def __init__(self, rules: Iterable[Rules], doors: Iterable[Door]) -> None:
        self._rules = MappingProxyType({one.scope: one for one in rules})
        self._doors = MappingProxyType({door.input.key: door for door in doors})

    def door(self, key: str) -> Door | None:
        """Return the input with this key."""
        return self._doors.get(key)

    def rules(self, scope: str) -> Rules | None:
        """Return the rules of a scope."""
        return self._rules.get(scope)

    @property
    def scopes(self) -> Mapping[str, Rules]:
        """The rules of every scope, by its name."""
        return self._rules


async def open_directory(configuration: Configuration, store: Store, now_ms: int, *, publish: bool = True) -> Directory:
    """Build the directory of a configuration, giving each scope's policy its version; kept if `publish`."""
    rules: dict[str, Rules] = {}
    for scope in configuration.scopes:
        policy: Policy = await policy_in_force(store, scope.name, scope.policy, now_ms, publish=publish)
        rules[scope.name] = Rules(scope.name, policy)
    doors = [Door(one, workspace, rules[workspace.scope]) for workspace, one in configuration.inputs()]
    return Directory(rules.values(), doors)
