"""Opens a service with calculated attributes in two workspaces of one scope, and one in another scope."""

from typing import Any

from knownas.config.values import Configuration
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.section import fold
from knownas.core.profile.tallies import Seed
from knownas.service.profile.calculations import calculated_values, calculations_of
from knownas.service.profile.sections import Sections, written
from knownas.service.profile.seeding import AttributeSeed, Seeding, UserSeeds
from knownas.service.security.directory import Place
from knownas.service.server import Service, open_service
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, SectionWrite, UserDataCommit, UserDataStore
from tests.config.texts import read
from tests.store.world import START_MS

CUTOFF = "2019-12-01"
CUTOFF_MS = 1_575_158_400_000
SHOP, APP, OTHER = 100, 101, 200

_ATTRIBUTES = """\
      calculated_attributes:
      - name: LTV
        calculation_type: sum
        data_point: {type: custom_event, event_name: buy, attribute_name: amount}
        seeding: {cutoff_date: 2019-12-01}
      - name: Favourite
        calculation_type: most_frequent
        data_point: {type: custom_event, event_name: buy, attribute_name: thing}
        seeding: {cutoff_date: 2019-12-01}
      - name: Visits
        calculation_type: count
        data_point: {type: session_start}
"""


def _workspace(number: int, scope: str, more: str = "") -> str:
    return f"    - id: {number}\n      scope: {scope}\n      key: ws-{number}\n      secret: secret-{number}\n{more}"


TEXT = (
    "scopes:\n- {name: shop, strategy: profile_conversion}\n- {name: other}\n"
    "organization:\n  accounts:\n  - id: 10\n    workspaces:\n"
    + _workspace(SHOP, "shop", _ATTRIBUTES)
    + _workspace(APP, "shop", "      limits: {requests_per_second: 0.001, burst_seconds: 2000}\n" + _ATTRIBUTES)
    + _workspace(OTHER, "other")
)


class Stage:
    """A service over a store, with its seeding."""

    def __init__(self, service: Service, configuration: Configuration, data: UserDataStore | None = None) -> None:
        self.service = service
        self.data = data or service.store.user_data
        self.calculations = calculations_of(configuration)
        self.seeding = Seeding(service.store, service.resolver, self.calculations, lambda: START_MS)

    def place(self, workspace: int = SHOP) -> Place:
        place = self.service.directory.workspace(f"ws-{workspace}")
        assert place is not None
        return place

    async def values(self, mpid: int, workspace: int = SHOP) -> Any:
        """Return the calculated attributes of a profile in a workspace."""
        section = await Sections(self.data).find(SectionKey(workspace, "production", mpid))
        return calculated_values(self.calculations, workspace, section, START_MS)

    async def arrive(self, mpid: int, *events: Event, workspace: int = SHOP) -> None:
        """Keep events of a profile, the way they are folded."""
        key = SectionKey(workspace, "production", mpid)
        stored = (await self.data.load([key])).sections.get(key)
        before = await Sections(self.data).find(key)
        batch = EventBatch(Environment.PRODUCTION, START_MS, "app", Channel.SERVER, events=events)
        after = written(fold(before, batch, self.calculations[workspace]).section)
        write = SectionWrite(key, None if stored is None else stored.version, after, START_MS)
        assert await self.data.commit(UserDataCommit(sections=[write]))


async def stage(store: Store) -> Stage:
    """Open the service over a store."""
    configuration = read(TEXT)
    return Stage(await open_service(configuration, store, clock=lambda: START_MS), configuration)


def bought(at_ms: int, amount: float, thing: str = "tea") -> Event:
    return Event(
        "custom_event", at_ms, None, {"event_name": "buy", "custom_attributes": {"amount": amount, "thing": thing}}
    )


def customer(number: int = 1) -> Identity:
    return Identity(IdentityType.CUSTOMER_ID, f"c{number}")


def ltv(value: object = 100.5, cutoff: str = CUTOFF, kind: str = "sum") -> AttributeSeed:
    return AttributeSeed("LTV", kind, cutoff, Seed(value=value))


def user(*seeds: AttributeSeed, mpid: int | None = None, number: int = 1, **attributes: Any) -> UserSeeds:
    identities = () if mpid is not None else (customer(number),)
    return UserSeeds(Environment.PRODUCTION, mpid, identities, seeds, tuple(attributes.items()))
