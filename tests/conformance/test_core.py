"""The scenarios through the core alone."""

from itertools import count
from typing import Any

import pytest

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, Modified, NotFound, Refusal, Refused, Returned, Seeded
from knownas.core.identity.document import values_document
from knownas.core.identity.kinds import IdentityType, identities, identity
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.core.identity.records import Records
from tests.conformance.scenarios import Scenario, scenarios, values

ERROR_CODES = {
    Refusal.NO_IDENTITIES: "LOOKUP_ERROR",
    Refusal.LOGIN_WITHOUT_LOGIN_ID: "LOOKUP_ERROR",
    Refusal.UNKNOWN_MPID: "LOOKUP_ERROR",
    Refusal.IMMUTABLE_CHANGE: "VALIDATION_ERROR",
    Refusal.IMMUTABLE_REMOVAL: "VALIDATION_ERROR",
    Refusal.IMMUTABLE_TAKEN: "VALIDATION_ERROR",
}


def policy_of(settings: Any) -> Policy:
    """Build the policy that a scenario's settings describe."""
    lists = {name: [IdentityType(kind) for kind in settings[name]] for name in settings if name != "strategy"}
    return policy(Strategy(settings["strategy"]), **lists)


class CoreRun:
    """Plays a scenario's steps against records in memory."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.policy = policy_of(scenario.settings)
        self.records = Records()
        self.labels: dict[str, int] = {}
        self.clock = count(1_700_000_000_000)
        self.mpids = count(1)

    def play(self) -> None:
        for label, held in self.scenario.given.items():
            pairs = [(IdentityType(kind), value) for kind, some in values(held).items() for value in some]
            request = SeedRequest(
                next(self.clock), Environment.PRODUCTION, "test", None, tuple(identity(*pair) for pair in pairs)
            )
            decision = decide(request, self.policy, self.records, next(self.mpids))
            assert isinstance(decision.outcome, Seeded)
            self.records.apply(decision.writes)
            self.labels[label] = decision.outcome.mpid
        for step in self.scenario.steps:
            self.step(step)

    def step(self, step: Any) -> None:
        decision = decide(self.observation(step), self.policy, self.records, next(self.mpids))
        self.records.apply(decision.writes)
        expect = step["expect"]
        outcome = decision.outcome
        match outcome:
            case Refused():
                assert expect["status"] == 400
                assert ERROR_CODES[outcome.reason] == expect["error_code"]
            case NotFound():
                assert expect["status"] == 404
            case Modified():
                assert expect.get("status", 200) == 200
                if "change_results" in expect:
                    wanted = {
                        (one["identity_type"], self.labels[one["modified_mpid"]]) for one in expect["change_results"]
                    }
                    assert set(outcome.results) == wanted
            case Returned() | Created():
                assert expect.get("status", 200) == 200
                self.records.saw(outcome.mpid, next(self.clock))
                assert self.labels.setdefault(expect["mpid"], outcome.mpid) == outcome.mpid
                if "is_new" in expect:
                    assert isinstance(outcome, Created) is expect["is_new"]
                if "is_logged_in" in expect:
                    assert outcome.known is expect["is_logged_in"]
                if "source" in expect:
                    assert isinstance(outcome, Created)
                    assert outcome.source_mpid == self.labels[expect["source"]]
            case Seeded():
                pytest.fail("a step never seeds")
        if "records" in expect:
            found = {record.mpid: values(values_document(record.identities)) for record in self.records}
            assert found == {self.labels[label]: values(held) for label, held in expect["records"].items()}

    def observation(self, step: Any) -> IdentityRequest | ModifyRequest:
        at_ms = next(self.clock)
        if step["call"] == "modify":
            mpid = self.labels.get(step["mpid"]) or int(step["mpid"])
            changes = tuple(
                IdentityChange(IdentityType(one["identity_type"]), one["old_value"], one["new_value"])
                for one in step["identity_changes"]
            )
            return ModifyRequest(at_ms, Environment.PRODUCTION, "test", mpid, changes)
        endpoint = Endpoint.IDENTIFY if step["call"] == "feed" else Endpoint(step["call"])
        given = {IdentityType(kind): value for kind, value in step["identities"].items() if value}
        previous = self.labels.get(step.get("previous_mpid", ""))
        return IdentityRequest(endpoint, at_ms, Environment.PRODUCTION, "test", identities(given), previous)


@pytest.mark.parametrize("scenario", list(scenarios()), ids=lambda scenario: scenario.id)
def test_scenario_in_core(scenario: Scenario) -> None:
    """Each worked example and derived case comes out as it is written down."""
    CoreRun(scenario).play()
