"""The scenarios over HTTP, against started servers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.scenarios import Scenario, scenarios, values
from tests.served import FEED_KEY, FEED_SECRET, Served, configuration, served
from tests.store.places import PLACES

ALL = list(scenarios())


@pytest.fixture(scope="module", params=PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server over each kind of store, with a scope, a workspace and an input for each scenario."""
    folder = tmp_path_factory.mktemp("scenarios")
    with PLACES[request.param](folder) as place, served(folder, scenario_configuration(place.url)) as running:
        yield running


def scenario_configuration(database: str) -> dict[str, Any]:
    """Return a configuration with a scope, a workspace and an input for each scenario."""
    document = configuration(database=database)
    workspaces = document["organization"]["accounts"][0]["workspaces"]
    template = workspaces[0]
    for number, scenario in enumerate(ALL):
        name = f"scope-{number}"
        document["scopes"].append({"name": name, **scenario.settings})
        inputs = [{**one, "key": f"{one['key']}-{number}"} for one in template["inputs"]]
        workspaces.append({**template, "id": 1000 + number, "scope": name, "key": f"ws-{number}", "inputs": inputs})
    return document


class HttpRun:
    """Plays a scenario's steps against a scope of a server."""

    def __init__(self, scenario: Scenario, server: Served) -> None:
        number = ALL.index(scenario)
        self.scenario = scenario
        self.url = server.url
        self.scope = f"scope-{number}"
        self.auth = (f"example-api-key-{number}", "example-api-secret")
        self.feed_auth = (f"{FEED_KEY}-{number}", FEED_SECRET)
        self.api = server.api
        self.labels: dict[str, str] = {}
        self.made: set[str] = set()

    def play(self) -> None:
        with self.api:
            for label, held in self.scenario.given.items():
                body = {"environment": "production", "identities": values(held)}
                answer = self.api.post(f"/api/scopes/{self.scope}/profiles", json=body)
                assert answer.status_code == 201, answer.text
                self.labels[label] = answer.json()["mpid"]
                self.made.add(answer.json()["mpid"])
            for step in self.scenario.steps:
                self.step(step)

    def step(self, step: Any) -> None:
        expect = step["expect"]
        answer = self.ask(step)
        assert answer.status_code == expect.get("status", 200), answer.text
        body = answer.json()
        if answer.status_code != 200:
            if "error_code" in expect:
                assert body["errors"][0]["code"] == body["Errors"][0]["code"] == expect["error_code"]
        elif step["call"] == "modify":
            self.check_modify(body, expect)
        else:
            self.check_answer(body, expect)
        if "records" in expect:
            found = {mpid: values(self.api.get(f"/api/profiles/{mpid}").json()["identities"]) for mpid in self.made}
            assert found == {self.labels[label]: values(held) for label, held in expect["records"].items()}

    def ask(self, step: Any) -> httpx.Response:
        call = step["call"]
        auth = self.auth
        if call == "modify":
            mpid = self.labels.get(step["mpid"], step["mpid"])
            body: dict[str, Any] = {"environment": "production", "identity_changes": step["identity_changes"]}
            path = f"/v1/{mpid}/modify"
        else:
            body = {"environment": "production", "known_identities": step["identities"]}
            if "previous_mpid" in step:
                body["previous_mpid"] = self.labels[step["previous_mpid"]]
            if call == "feed":
                call, auth = "identify", self.feed_auth
            path = f"/v1/{call}"
        return httpx.post(self.url + path, json=body, auth=auth, timeout=30)

    def check_modify(self, body: Any, expect: Any) -> None:
        if "change_results" in expect:
            wanted = {(one["identity_type"], self.labels[one["modified_mpid"]]) for one in expect["change_results"]}
            assert {(one["identity_type"], one["modified_mpid"]) for one in body["change_results"]} == wanted

    def check_answer(self, body: Any, expect: Any) -> None:
        mpid = body["mpid"]
        assert isinstance(mpid, str)
        is_new = mpid not in self.made
        self.made.add(mpid)
        assert self.labels.setdefault(expect["mpid"], mpid) == mpid
        if "is_new" in expect:
            assert is_new is expect["is_new"]
        for member in ("is_logged_in", "is_ephemeral", "matched_identities"):
            if member in expect:
                assert body[member] == expect[member]
        if "source" in expect:
            assert self.api.get(f"/api/profiles/{mpid}").json()["source_mpid"] == self.labels[expect["source"]]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.id)
def test_scenario_over_http(scenario: Scenario, server: Served) -> None:
    """Each worked example and derived case comes out over the wire as it is written down."""
    HttpRun(scenario, server).play()
