"""Sets a service up over which data subjects ask: two workspaces of one scope, and what a person has left there."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectRequest
from knownas.core.profile.consent import Consent, Purpose
from knownas.core.profile.consent import Regulation as ConsentRegulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Channel, Event, EventBatch
from knownas.service.access.archive import Results
from knownas.service.privacy.subject_request_form import KeptRequest, Progress
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.config.texts import read as configured
from tests.service.stage import mpid_of
from tests.store.world import START_MS, RepeatingChance

SHOP, APP, OTHER = 100, 101, 200
REQUEST_ID = "a7551968-d5d6-44b2-9831-815ac9017798"

_RESIDENCY = {SHOP: ", privacy: {residency: Iceland}"}
_WORKSPACES = "".join(
    f"    - id: {number}\n      name: {name}\n      scope: {scope}\n      key: ws-{number}\n      secret: secret-{number}\n"
    f"      inputs:\n      - {{name: {name}-web, platform: web, key: key-{number}, secret: secret-{number}}}\n"
    f"      settings: {{alias: {{provisioned: true, delay_hours: 0}}{_RESIDENCY.get(number, '')}}}\n"
    "      calculated_attributes:\n"
    "      - {name: Visits, calculation_type: count, data_point: {type: session_start}}\n"
    for number, name, scope in ((SHOP, "shop", "people"), (APP, "app", "people"), (OTHER, "other", "elsewhere"))
)
_SCOPES = "".join(
    f"- name: {scope}\n  strategy: profile_conversion\n  priority: [customerid, email, device_application_stamp]\n"
    "  login_ids: [customerid]\n  unique_ids: [customerid, email]\n  immutable_ids: [customerid]\n"
    "  settings: {capture: all}\n"
    for scope in ("people", "elsewhere")
)
_CREDENTIALS = (
    "credentials:\n"
    "- {client_id: personalisation, client_secret: a-secret, role: read_only, workspaces: [100]}\n"
    "- {client_id: app-reader, client_secret: b-secret, role: read_only, workspaces: [101]}\n"
)
CONFIGURATION = (
    f"scopes:\n{_SCOPES}organization:\n  accounts:\n  - id: 10\n    workspaces:\n{_WORKSPACES}{_CREDENTIALS}"
)


class SubjectStage:
    """A service, and what is asked of it. Each step is at a time of its own."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.now_ms = START_MS

    async def open(self) -> "SubjectStage":
        self.service: Service = await open_service(
            configured(CONFIGURATION), self.store, clock=lambda: self.now_ms, chance=RepeatingChance(5)
        )
        service = self.service
        credentials = service.configuration.credentials
        self.results = Results(service.store, service.directory, service.calculations, service.clock, credentials)
        return self

    async def close(self) -> None:
        await self.service.close()

    async def ask(
        self, endpoint: Endpoint, workspace: int = SHOP, environment: Environment = Environment.PRODUCTION, **named: str
    ) -> int:
        """Ask who somebody is, and return the MPID."""
        self.now_ms += 10
        given = identities({IdentityType(name): value for name, value in named.items()})
        door = self._door(workspace)
        request = IdentityRequest(endpoint, self.now_ms, environment, door.input.name, given)
        return mpid_of(await self.service.resolver.answer(door.rules.ask(request)))

    async def modify(self, mpid: int, kind: str, old: str | None, new: str | None) -> None:
        """Change an identity of a profile."""
        self.now_ms += 10
        door = self._door(SHOP)
        change = IdentityChange(IdentityType(kind), old, new)
        request = ModifyRequest(self.now_ms, Environment.PRODUCTION, door.input.name, mpid, (change,))
        mpid_of(await self.service.resolver.answer(door.rules.ask(request)))

    async def send(
        self,
        mpid: int | None,
        workspace: int = SHOP,
        *events: Event,
        environment: Environment = Environment.PRODUCTION,
        attributes: Mapping[str, Any] | None = None,
        device: Device | None = None,
        consent: str | None = None,
        consented: bool = True,
        **named: str,
    ) -> int:
        """Send a batch of events, and return whose it was."""
        self.now_ms += 10
        purpose = Purpose(ConsentRegulation.GDPR, consent or "")
        batch = EventBatch(
            environment,
            self.now_ms,
            self._door(workspace).input.name,
            Channel.SERVER,
            mpid=mpid,
            identities=identities({IdentityType(name): value for name, value in named.items()}),
            attributes=attributes or {},
            consents=((purpose, Consent(consented=consented, at_ms=self.now_ms, document="v4")),) if consent else (),
            device=device,
            attribution=Attribution("an-agency", "spring", self.now_ms) if device else None,
            events=events or (Event("session_start", self.now_ms, None, {}),),
        )
        receipt = await self.service.ingest.submit(Arrival(self._door(workspace), batch))
        assert isinstance(receipt.outcome, Kept), receipt
        return receipt.outcome.mpid

    def _door(self, workspace: int) -> Any:
        door = self.service.directory.door(f"key-{workspace}")
        assert door is not None
        return door

    def asked(
        self,
        mpid: int | None,
        workspace: int = SHOP,
        kind: RequestType = RequestType.ACCESS,
        further: Sequence[int] = (),
    ) -> KeptRequest:
        """Return a completed request about a profile, or about several of one person."""
        request = SubjectRequest(
            REQUEST_ID,
            workspace,
            Regulation.GDPR,
            kind,
            Subject(mpid=mpid or 1),
            self.now_ms,
            self.now_ms,
            self.now_ms,
            begun_ms=self.now_ms,
            ended_ms=self.now_ms,
        )
        others = tuple(Progress(is_sought=True, mpid=one) for one in further)
        return KeptRequest(request, Progress(is_sought=True, mpid=mpid), others)

    async def archive(self, mpid: int | None, workspace: int = SHOP, further: Sequence[int] = ()) -> "Archive":
        """Fetch the results of a request about a profile, or about several of one person."""
        pieces = await self.results.open(self.asked(mpid, workspace, further=further))
        assert pieces is not None
        return Archive(b"".join([piece async for piece in pieces]))


class Archive:
    """Results, unpacked."""

    def __init__(self, data: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            assert packed.testzip() is None
            self.files = {name: packed.read(name) for name in packed.namelist()}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a file."""
        return [json.loads(line) for line in self.files[name].splitlines()]

    @property
    def batches(self) -> list[dict[str, Any]]:
        """All batches of events."""
        return [line for name in sorted(self.files) if name.startswith("events-") for line in self.lines(name)]

    @property
    def everything(self) -> bytes:
        """All that stands in the files, and their names."""
        return b"\n".join(part for name, data in self.files.items() for part in (name.encode(), data))
