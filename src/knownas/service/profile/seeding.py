"""Takes over values of calculated attributes that were computed elsewhere, and user attributes with them (platform §8).

A request is kept whole or not at all. Everything that could refuse it is looked at before anybody is resolved, so a
refused request makes no profile.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, assert_never

from knownas.core.identity.decision import Corrected, Created, Erased, Modified, NotFound, Refused, Returned, Seeded
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.profile.attributes import AttributeValue, fault_of, with_attribute
from knownas.core.profile.calculated import WorkspaceCalculations, seeded
from knownas.core.profile.definition import Definition
from knownas.core.profile.moments import span_of
from knownas.core.profile.section import Section
from knownas.core.profile.tallies import Seed, SeedRefused
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import COMMIT_ATTEMPTS_MAX
from knownas.service.profile.sections import read, section_write
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Place
from knownas.store.errors import StoreBusy
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, UserDataCommit

SEEDING_INPUT: Final = "seeding"
"""The input name under which observations of seeding are logged."""

_SPELLINGS: Final[Mapping[str, str]] = {"minimum": "min", "maximum": "max"}
_NO_CALCULATIONS: Final = WorkspaceCalculations(())


class AttributeSeed(NamedTuple):
    """A seed for one calculated attribute, as sent."""

    name: str
    calculation_type: str
    cutoff_date: str
    seed: Seed


class UserSeeds(NamedTuple):
    """What is known of one user elsewhere. With an `mpid`, the identities are not looked at; platform §8."""

    environment: Environment
    mpid: int | None
    identities: tuple[Identity, ...]
    seeds: tuple[AttributeSeed, ...]
    attributes: tuple[tuple[str, AttributeValue], ...]


class SeedFault(NamedTuple):
    """Why nothing of a request was taken: a stable code, whose fault it is, and a sentence without a full stop."""

    code: str
    name: str
    reason: str


class Seeding:
    """Seeds users of workspaces over one store."""

    def __init__(
        self,
        store: Store,
        resolver: Resolver,
        calculations: Mapping[int, WorkspaceCalculations],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._data = store.user_data
        self._resolver = resolver
        self._calculations = calculations
        self._clock = clock

    async def seed(self, place: Place, users: Sequence[UserSeeds]) -> tuple[SeedFault, ...]:
        """Keep the seeds and attributes of all users, durably; or keep nothing, and return every fault.

        Raises:
            Overloaded: too many questions wait.
            StoreError: the store could not keep it; nothing was kept.
        """
        at_ms = self._clock()
        definitions = self._calculations.get(place.workspace.id, _NO_CALCULATIONS).definitions
        faults = [fault for user in users for fault in _faults(definitions, user)]
        for user in users:
            if user.mpid is not None and not await self._is_here(place, user):
                reason = "No profile of the workspace's identity scope and environment has this MPID"
                faults.append(SeedFault("unknown_mpid", str(user.mpid), reason))
        if faults:
            return tuple(faults)
        named: list[tuple[SectionKey, UserSeeds]] = []
        for user in users:
            mpid = user.mpid if user.mpid is not None else await self._resolved(place, user, at_ms)
            if isinstance(mpid, SeedFault):
                return (mpid,)
            named.append((SectionKey(place.workspace.id, user.environment, mpid), user))
        await self._keep(named, definitions, at_ms)
        return ()

    async def _is_here(self, place: Place, user: UserSeeds) -> bool:
        if user.mpid is None:
            return False
        profile = await self._store.profile(user.mpid)
        return profile is not None and profile.pool == place.rules.pool(user.environment)

    async def _resolved(self, place: Place, user: UserSeeds, at_ms: int) -> int | SeedFault:
        """Resolve a user as identify does; a user nobody knows gets a profile."""
        request = IdentityRequest(Endpoint.IDENTIFY, at_ms, user.environment, SEEDING_INPUT, user.identities)
        outcome = (await self._resolver.answer(place.rules.ask(request))).decision.outcome
        match outcome:
            case Returned(mpid) | Created(mpid):
                return mpid
            case Refused(reason, message):
                return SeedFault(reason.value, "identities", message.removesuffix("."))
            case NotFound() | Modified() | Seeded() | Corrected() | Erased():
                raise AssertionError(f"an identify that may create never answers {outcome}")
            case _:
                assert_never(outcome)

    async def _keep(
        self, named: Sequence[tuple[SectionKey, UserSeeds]], definitions: Mapping[str, Definition], at_ms: int
    ) -> None:
        """Write all sections in one commit, again and again while others are faster."""
        keys = list(dict.fromkeys(key for key, _ in named))
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            stored = (await self._data.load(keys)).sections
            sections = {key: read(one) for key, one in stored.items()}
            for key, user in named:
                sections[key] = _with_seeds(sections.get(key), definitions, user, at_ms)
            writes = [section_write(key, stored.get(key), one) for key, one in sections.items()]
            if await self._data.commit(UserDataCommit(sections=writes)):
                return
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")


def _with_seeds(before: Section | None, definitions: Mapping[str, Definition], user: UserSeeds, at_ms: int) -> Section:
    section = before or Section(at_ms, at_ms)
    states = section.calculated
    for one in user.seeds:
        match seeded(definitions[one.name], states, one.seed):
            case SeedRefused(reason):
                raise AssertionError(f"a seed that is refused was found before: {reason}")
            case after:
                states = after
    attributes = section.attributes
    for name, value in user.attributes:
        attributes = with_attribute(attributes, name, value, at_ms)
    last_seen_ms = max(section.last_seen_ms, at_ms)
    return section._replace(calculated=states, attributes=attributes, last_seen_ms=last_seen_ms)


def _faults(definitions: Mapping[str, Definition], user: UserSeeds) -> list[SeedFault]:
    faults = [fault for one in user.seeds if (fault := _seed_fault(definitions, one)) is not None]
    names = [one.name for one in user.seeds]
    repeated = {name for name in names if names.count(name) > 1}
    faults += [SeedFault("seeded_twice", name, "The attribute is seeded twice") for name in sorted(repeated)]
    for name, value in user.attributes:
        fault = fault_of(name, value)
        if fault is not None:
            faults.append(SeedFault("invalid_attribute", name, fault))
    return faults


def _seed_fault(definitions: Mapping[str, Definition], one: AttributeSeed) -> SeedFault | None:
    definition = definitions.get(one.name)
    if definition is None:
        return SeedFault("unknown_calculated_attribute", one.name, "No matching calculated attribute definition found")
    wanted = definition.calculation_type
    if _SPELLINGS.get(one.calculation_type, one.calculation_type) != wanted:
        reason = f"No matching calculated attribute definition found; the one of this name is {wanted}"
        return SeedFault("other_calculation_type", one.name, reason)
    tried = seeded(definition, {}, one.seed)
    if isinstance(tried, SeedRefused):
        return SeedFault("invalid_seed", one.name, tried.reason)
    cutoff = span_of(one.cutoff_date)
    if cutoff is None or cutoff.from_ms != definition.cutoff_ms:
        reason = "cutoff_date is not the one of the calculated attribute's definition"
        return SeedFault("other_cutoff_date", one.name, reason)
    return None
