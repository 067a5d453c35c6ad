"""Knows who may ask what: the inputs by their keys, each with its workspace and the rules of its scope."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from knownas.config.values import Configuration, Input, ProtectionLevel, Workspace
from knownas.core.identity.policy import Policy
from knownas.service.erasure.keep_out import KeepOut
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Rules, screened_rules
from knownas.service.security.keys import Holding, KeyChain, Pair
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.port import Store


@dataclass(frozen=True, slots=True)
class Door:
    """An input at work: what a request that came with its key may do, and under which rules.

    While an input has two pairs of key and secret, it has two doors, which differ in nothing but that.
    """

    input: Input
    workspace: Workspace
    rules: Rules
    lasting_key: str = ""
    """The same for all keys that the input ever had: for what is remembered longer than a key lives."""
    limited: bool = field(init=False)
    """Whether it has a rate limit at all."""
    may_create: bool = field(init=False)
    """Whether its requests may make profiles; idsync §5.4."""

    def __post_init__(self) -> None:
        if not self.lasting_key:
            object.__setattr__(self, "lasting_key", self.input.key)
        limits = self.input.limits
        limited = limits.requests_per_second is not None or limits.per_identity_per_second is not None
        object.__setattr__(self, "limited", limited)
        may_create = self.input.protection_level is not ProtectionLevel.ONLY_UPDATE_PROFILES
        object.__setattr__(self, "may_create", may_create)


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace at work: where it stands in the organization, and the rules of its scope; platform §1.1."""

    organization: int
    account: int
    workspace: Workspace
    rules: Rules


class Directory:
    """The doors by key, the places by their ids, the rules by scope.

    Rules and places don't change while the server runs. Doors do, all at once, when a key was changed or has ended.
    `workspaces` are the places by the workspaces' own keys.
    """

    def __init__(
        self,
        rules: Iterable[Rules],
        doors: Iterable[Door],
        places: Iterable[Place] = (),
        workspaces: Iterable[Place] = (),
    ) -> None:
        self._rules = MappingProxyType({one.scope: one for one in rules})
        self._places = MappingProxyType({(one.organization, one.account, one.workspace.id): one for one in places})
        self.replace_doors(doors, workspaces)

    def replace_doors(self, doors: Iterable[Door], workspaces: Iterable[Place]) -> None:
        """Open these doors from now on, and no others. Requests that came in by another one are finished."""
        self._doors = {door.input.key: door for door in doors}
        self._workspaces = {place.workspace.key: place for place in workspaces}

    def place(self, organization: int, account: int, workspace: int) -> Place | None:
        """Return the workspace with this id, if it is in this account of this organization."""
        return self._places.get((organization, account, workspace))

    def door(self, key: str) -> Door | None:
        """Return the input with this key."""
        return self._doors.get(key)

    @property
    def doors(self) -> Iterable[Door]:
        """All doors that are open now, in the configuration's order."""
        return self._doors.values()

    @property
    def places(self) -> Iterable[Place]:
        """The workspaces of all accounts, in the configuration's order."""
        return self._places.values()

    def workspace(self, key: str) -> Place | None:
        """Return the workspace whose own key this is; its `workspace.secret` goes with the key."""
        return self._workspaces.get(key)

    def rules(self, scope: str) -> Rules | None:
        """Return the rules of a scope."""
        return self._rules.get(scope)

    @property
    def keep_outs(self) -> Mapping[str, KeepOut]:
        """What turns away, in every scope by its name, whoever is to stay out."""
        return {scope: rules.keep_out for scope, rules in self._rules.items()}

    @property
    def scopes(self) -> Mapping[str, Rules]:
        """The rules of every scope, by its name."""
        return self._rules


async def open_directory(
    configuration: Configuration,
    store: Store,
    now_ms: int,
    *,
    publish: bool = True,
    chain: KeyChain | None = None,
    keys: SecretKeys | None = None,
) -> Directory:
    """Build the directory of a configuration, giving each scope's policy its version; kept if `publish`.

    `chain` holds the changes of keys, whose secrets are opened with `keys`. Those who answer no requests need
    neither.

    Raises:
        Unopenable: the secret of a valid pair can't be opened.
        StoreError: the store does not answer.
    """
    rules: dict[str, Rules] = {}
    for scope in configuration.scopes:
        policy: Policy = await policy_in_force(store, scope.name, scope.policy, now_ms, publish=publish)
        rules[scope.name] = screened_rules(scope.name, policy)
    pairs = Pairs(chain or KeyChain(), keys or SecretKeys(), now_ms)
    directory = Directory(rules.values(), (), _places(configuration, rules))
    directory.replace_doors(pairs.doors(configuration, rules), pairs.workspaces(configuration, rules))
    return directory


def _places(configuration: Configuration, rules: Mapping[str, Rules]) -> Iterator[Place]:
    organization = configuration.organization
    for account in organization.accounts:
        for workspace in account.workspaces:
            yield Place(organization.id, account.id, workspace, rules[workspace.scope])


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of key and secret that are valid at a time, and so which doors there are.

    A pair whose secret can't be opened is told to `passed_over` and left out; without that, it raises Unopenable.
    """

    chain: KeyChain
    keys: SecretKeys
    now_ms: int
    passed_over: Callable[[Unopenable], None] | None = None

    def doors(self, configuration: Configuration, rules: Mapping[str, Rules]) -> Iterator[Door]:
        """Yield a door for every valid pair of every input."""
        for workspace, one in configuration.inputs():
            for pair in self._valid(Holding.INPUT, one):
                here = one if pair.key == one.key else replace(one, key=pair.key, secret=pair.secret)
                yield Door(here, workspace, rules[workspace.scope], pair.lasting_key)

    def workspaces(self, configuration: Configuration, rules: Mapping[str, Rules]) -> Iterator[Place]:
        """Yield a place for every valid pair of every workspace's own."""
        for place in _places(configuration, rules):
            for pair in self._valid(Holding.WORKSPACE, place.workspace):
                yield replace(place, workspace=replace(place.workspace, key=pair.key, secret=pair.secret))

    def try_all(self, configuration: Configuration) -> None:
        """Open the secret of every valid pair.

        Raises:
            Unopenable: one can't be opened.
        """
        for workspace in configuration.workspaces():
            self._valid(Holding.WORKSPACE, workspace)
            for one in workspace.inputs:
                self._valid(Holding.INPUT, one)

    def _valid(self, holding: Holding, holder: Input | Workspace) -> tuple[Pair, ...]:
        return self.chain.pairs(holding, holder.key, holder.secret, self.keys, self.now_ms, self.passed_over)
