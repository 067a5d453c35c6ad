"""The alias scenarios, through the service and over HTTP."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import pytest

from knownas.api.alias import ROUTES, AliasSurface
from knownas.api.alias_wire import alias_request
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.api.wire import Malformed
from knownas.config.values import AliasSettings
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Strategy
from knownas.core.profile.alias import AliasRefused
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.section import Section
from knownas.service.identity.aliasing import HOUR_MS
from tests.api.surface_app import app_of
from tests.conformance.scenarios import document
from tests.service.alias_stage import DAY, SHOP, AliasStage, opened

SCENARIOS: list[dict[str, Any]] = document()["alias_scenarios"]
TIME = re.compile(r"NOW(?:([+-])(\d+)\*DAY)?")
PROFILES = {
    "P1": {IdentityType.DEVICE_APPLICATION_STAMP: "phone"},
    "P2": {IdentityType.CUSTOMER_ID: "ann", IdentityType.EMAIL: "ann@example.com"},
    "P3": {IdentityType.DEVICE_APPLICATION_STAMP: "tablet"},
}
"""P2 is known, the others are anonymous."""

DAYS_WITH_EVENTS = (95, 60, 9, 6, 3, 0.5)


def moment(text: str, now_ms: int) -> int:
    """Read a time of the file."""
    found = TIME.fullmatch(text)
    assert found, text
    sign, days = found.groups()
    return now_ms + (0 if days is None else int(f"{sign}{days}") * DAY)


class AliasRun:
    """Plays a scenario's requests against a stage, and asks what has become of them."""

    def __init__(self, scenario: Mapping[str, Any], stage: AliasStage) -> None:
        self.scenario = scenario
        self.stage = stage
        self.labels: dict[str, int] = {}
        self.now_ms = stage.now_ms

    async def prepare(self) -> None:
        """Make P1, P2 and P3, all with a past; P1 was first seen before the others."""
        for label, held in PROFILES.items():
            self.labels[label] = mpid = await self.stage.profile(held=held)
            for days in DAYS_WITH_EVENTS if label == "P1" else ():
                await self.stage.visit(mpid, self.now_ms - int(days * DAY), stamp="phone", brought="ads")
            await self.stage.visit(mpid, self.now_ms - 1, brought=label)
        self.records = {label: await self.stage.store.profile(mpid) for label, mpid in self.labels.items()}
        self.before = {label: await self.section(label) for label in self.labels}
        self.events = {label: await self.stage.times(mpid) for label, mpid in self.labels.items()}

    async def section(self, label: str) -> Section:
        """Return what the workspace knows of a profile."""
        section = await self.stage.section(self.labels[label])
        assert section is not None
        return section

    def body(self, number: int, request: Mapping[str, Any]) -> bytes:
        """Write a request down as an SDK sends it; the labels of profiles are their MPIDs."""
        data: dict[str, Any] = {}
        for name in ("source_mpid", "destination_mpid"):
            if name in request:
                data[name] = str(self.labels.get(request[name], request[name]))
        for name in ("start_unixtime_ms", "end_unixtime_ms"):
            if name in request:
                data[name] = moment(request[name], self.now_ms)
        whole = {"request_id": f"r{number}", "request_type": "alias", "environment": "production", "data": data}
        return json.dumps(whole).encode()

    async def send(self, body: bytes) -> tuple[int, str | None, bytes]:
        """Send a request to the service; return the status it stands for, the vendor's code and the answer's body."""
        try:
            outcome = await self.stage.aliasing.request(self.stage.door(), alias_request(body))
        except Malformed:
            return 400, "INVALID_DATA", b"{}"
        if not isinstance(outcome, AliasRefused):
            return 202, None, b""
        return (403, None, b"{}") if outcome.reason.is_forbidden else (400, "INVALID_DATA", b"{}")

    async def play(self) -> None:
        """Make the requests, let the delay pass, and compare with what is written down."""
        await self.prepare()
        for number, request in enumerate(self.scenario["requests"]):
            expect = request["expect"]
            status, code, body = await self.send(self.body(number, request))
            assert status == expect["status"]
            if "code" in expect:
                assert code == expect["code"]
            if expect.get("body") == "empty":
                assert body == b""
            row = await self.stage.store.user_data.alias(f"r{number}")
            assert (row is not None) is (status == 202)
            if row is not None:
                assert row.due_ms == self.now_ms + expect.get("processed_after_hours", 24) * HOUR_MS
                if "effective_start" in expect:
                    assert row.start_ms == moment(expect["effective_start"], self.now_ms)
                if "effective_end" in expect:
                    assert row.end_ms == moment(expect["effective_end"], self.now_ms)
        assert await self.stage.run(DAY - 1) == 0
        await self.stage.run(1)
        for number, request in enumerate(self.scenario["requests"]):
            if "applied" in request["expect"]:
                state, reason = await self.stage.state(f"r{number}")
                assert state == ("done" if request["expect"]["applied"] else "rejected")
                assert (reason is None) is request["expect"]["applied"]
        await self.check_events()
        if "after_processing" in self.scenario:
            await self.check_sections()

    async def check_events(self) -> None:
        """Every profile has its own events and those of the aliases to it that were carried out, and no others."""
        wanted = {label: list(times) for label, times in self.events.items()}
        for number, request in enumerate(self.scenario["requests"]):
            row = await self.stage.store.user_data.alias(f"r{number}")
            if row is not None and row.state.value == "done":
                times = self.events[request["source_mpid"]]
                wanted[request["destination_mpid"]] += [at for at in times if row.start_ms <= at <= row.end_ms]
        for label, mpid in self.labels.items():
            assert await self.stage.times(mpid) == sorted(wanted[label])

    async def check_sections(self) -> None:
        """Compare with the words that the file has for what an alias does."""
        expected = self.scenario["after_processing"]
        assert expected["destination"] == {
            "first_seen": "value of P1",
            "events_of_source_in_window": "copied",
            "install_attribution": "copied",
            "identities": "unchanged",
            "user_attributes": "unchanged",
            "consent": "unchanged",
            "status_message": "names P1",
        }
        source, destination = await self.section("P1"), await self.section("P2")
        source_was, destination_was = self.before["P1"], self.before["P2"]
        assert destination.first_seen_ms == source_was.first_seen_ms != destination_was.first_seen_ms
        assert {one.publisher for one in destination.attributions} == {"ads", "P1", "P2"}
        assert destination.attributes == destination_was.attributes
        assert destination.attributes["visitor"] == Attribute(self.labels["P2"], self.now_ms)
        assert destination.consents == destination_was.consents
        for label, mpid in self.labels.items():
            profile = await self.stage.store.profile(mpid)
            assert profile is not None
            assert profile.record.identities
            assert profile == self.records[label]
        assert str(self.labels["P1"]) in destination.notes[-1]
        assert (expected["source"]["events"], expected["source"]["status_message"]) == ("unchanged", "names P2")
        assert source._replace(notes=()) == source_was._replace(notes=())
        assert str(self.labels["P2"]) in source.notes[-1]


class HttpRun(AliasRun):
    """Sends the requests over HTTP."""

    async def send(self, body: bytes) -> tuple[int, str | None, bytes]:
        """Send a request as the web SDK does."""
        surface = AliasSurface(self.stage.aliasing, self.stage.directory, Throttle(), Telemetry())
        transport = httpx.ASGITransport(app_of(surface, ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            headers = {"Accept": "text/plain;charset=UTF-8"}
            answer = await client.post(f"/v1/identity/key-{SHOP}/Alias", content=body, headers=headers)
        code = msgspec.json.decode(answer.content)["code"] if answer.content else None
        return answer.status_code, code, answer.content


async def staged(scenario: Mapping[str, Any]) -> AliasStage:
    """Open a workspace with a scenario's settings, provisioned unless the request says otherwise."""
    strategy = Strategy(scenario.get("settings", {"strategy": "profile_link"})["strategy"])
    provisioned = all(request.get("provisioned", True) for request in scenario["requests"])
    return await opened(strategy=strategy, settings=AliasSettings(provisioned=provisioned))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["id"])
async def test_scenario_through_the_service(scenario: dict[str, Any]) -> None:
    """Each alias scenario comes out of the service as it is written down."""
    await AliasRun(scenario, await staged(scenario)).play()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["id"])
async def test_scenario_over_http(scenario: dict[str, Any]) -> None:
    """Each alias scenario comes out over the wire as it is written down."""
    await HttpRun(scenario, await staged(scenario)).play()
