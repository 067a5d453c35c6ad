"""Plays single calls against records in memory, for tests that state one promise each."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision, Outcome, RecordWrite, Returned, Seeded
from knownas.core.identity.kinds import Identity, IdentityType, identities, identity
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy, Settings, Strategy, policy
from knownas.core.identity.records import Records

START_MS = 1_700_000_000_000

Change = tuple[str, str | None, str | None]


def types(names: Iterable[str]) -> list[IdentityType]:
    """Name identity types as IDSync does, in one string or a list of them."""
    return [IdentityType(name) for name in (names.split() if isinstance(names, str) else names)]


def rules(
    strategy: Strategy = Strategy.PROFILE_CONVERSION,
    priority: str = "customerid email ios_idfv",
    *,
    login: str | None = None,
    unique: str | None = None,
    immutable: str | None = None,
    version: int = 1,
    **settings: object,
) -> Policy:
    """Build a policy from names; what is left out is the strategy's preset."""
    return policy(
        strategy,
        priority=types(priority),
        login_ids=None if login is None else types(login),
        unique_ids=None if unique is None else types(unique),
        immutable_ids=None if immutable is None else types(immutable),
        settings=replace(Settings(), **settings),
        version=version,
    )


class Pool:
    """The records of one pool under one policy. Profiles are called 1, 2, 3 in the order in which they are made."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.records = Records()
        self.now_ms = START_MS
        self.last: Decision | None = None
        self.calls = 0

    def identify(self, previous: int | None = None, *, may_create: bool = True, **named: str) -> Outcome:
        """Identify, named identities by their IDSync names."""
        return self.ask(Endpoint.IDENTIFY, named, previous, may_create=may_create)

    def login(self, **named: str) -> Outcome:
        """Log in."""
        return self.ask(Endpoint.LOGIN, named)

    def logout(self, **named: str) -> Outcome:
        """Log out."""
        return self.ask(Endpoint.LOGOUT, named)

    def search(self, **named: str) -> Outcome:
        """Search."""
        return self.ask(Endpoint.SEARCH, named)

    def ask(
        self, endpoint: Endpoint, named: Mapping[str, str], previous: int | None = None, *, may_create: bool = True
    ) -> Outcome:
        """Ask for a profile, one millisecond after the last call."""
        given = identities({IdentityType(name): value for name, value in named.items()})
        request = IdentityRequest(endpoint, self._tick(), Environment.PRODUCTION, "test", given, previous)
        return self.decide(request, may_create=may_create)

    def modify(self, mpid: int, *changes: Change, may_move_unique: bool = True) -> Outcome:
        """Modify a profile: (type, old value, new value) each."""
        listed = tuple(IdentityChange(IdentityType(name), old, new) for name, old, new in changes)
        return self.decide(ModifyRequest(self._tick(), Environment.PRODUCTION, "test", mpid, listed, may_move_unique))

    def seed(self, *pairs: tuple[str, str], mpid: int | None = None) -> Outcome:
        """Bring a profile over."""
        listed = tuple(identity(IdentityType(name), value) for name, value in pairs)
        return self.decide(SeedRequest(self._tick(), Environment.PRODUCTION, "test", mpid, listed))

    def erase(self, mpid: int) -> Outcome:
        """Erase a profile."""
        return self.decide(Erasure(self._tick(), Environment.PRODUCTION, "privacy", mpid))

    def crowd(self, size: int, *pairs: tuple[str, str]) -> list[int]:
        """Bring over many profiles with the same identities, and return their MPIDs."""
        made = [self.seed(*pairs) for _ in range(size)]
        return [outcome.mpid for outcome in made if isinstance(outcome, Seeded)]

    def decide(self, observation: Observation, *, may_create: bool = True) -> Outcome:
        """Decide an observation and keep what it changes the way a store does: under a new version."""
        fresh_mpid, self.calls = len(self.records) + 1, self.calls + 1
        decision = decide(observation, self.policy, self.records, fresh_mpid, may_create=may_create)
        self.records.apply(RecordWrite(one.before, one.after._replace(version=self.calls)) for one in decision.writes)
        if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
            self.records.saw(decision.outcome.mpid, observation.at_ms)
        self.last = decision
        return decision.outcome

    @property
    def decision(self) -> Decision:
        """The last decision."""
        assert self.last is not None
        return self.last

    def held(self, mpid: int) -> dict[str, list[str]]:
        """Return the identities by which a profile can be looked up, sorted."""
        return self._sorted(mpid, carried=False)

    def carried(self, mpid: int) -> dict[str, list[str]]:
        """Return the identities that a profile merely knows, sorted."""
        return self._sorted(mpid, carried=True)

    def holders(self, name: str, value: str) -> tuple[int, ...]:
        """Return who can be looked up by an identity, as far as a lookup considers them."""
        return self.records.holders(Identity(IdentityType(name), value)).mpids

    def _sorted(self, mpid: int, *, carried: bool) -> dict[str, list[str]]:
        record = self.records.record(mpid)
        assert record is not None
        side = record.carried if carried else record.identities
        return {kind.value: sorted(values) for kind, values in sorted(side.items())}

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms
