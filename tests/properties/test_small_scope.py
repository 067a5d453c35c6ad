"""Tries everything within a small scope: three types of two values, every call, three calls deep, each strategy.

Most faults show in small examples. States that are the same are tried once, and of two states that differ only in
which value of a type came first, one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from knownas.core.identity import decide as deciding
from knownas.core.identity import lookup
from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy, Strategy
from knownas.core.identity.records import Records
from tests.properties.comparison import answer_of, ask, core_state, keep, model_state, policy_of
from tests.properties.reference import Model, Rules

CUSTOMER, EMAIL, STAMP = IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.DEVICE_APPLICATION_STAMP
TYPES = (CUSTOMER, EMAIL, STAMP)
VALUES = ("1", "2")
DEPTH = 3
BOTH = {CUSTOMER, EMAIL}

SCOPES = {
    "default": Rules(Strategy.DEFAULT, [CUSTOMER, EMAIL, STAMP], {CUSTOMER}, {CUSTOMER}, {CUSTOMER}),
    "conversion": Rules(Strategy.PROFILE_CONVERSION, [CUSTOMER, EMAIL, STAMP], {CUSTOMER}, {CUSTOMER}, set()),
    "conversion-device-first": Rules(Strategy.PROFILE_CONVERSION, [STAMP, EMAIL, CUSTOMER], BOTH, {CUSTOMER}, set()),
    "link": Rules(Strategy.PROFILE_LINK, [CUSTOMER, EMAIL, STAMP], BOTH, BOTH, set()),
    "isolation": Rules(Strategy.PROFILE_ISOLATION, [CUSTOMER, EMAIL, STAMP], BOTH, BOTH, set()),
    "best_match": Rules(Strategy.BEST_MATCH, [CUSTOMER, EMAIL, STAMP], set(), set(), set()),
}


@dataclass
class State:
    """One state of a pool, on both sides."""

    records: Records
    model: Model


def combinations() -> Iterator[tuple[Identity, ...]]:
    """Yield every non-empty choice of at most one value a type."""
    for values in product((None, *VALUES), repeat=len(TYPES)):
        chosen = tuple(Identity(kind, value) for kind, value in zip(TYPES, values, strict=True) if value is not None)
        if chosen:
            yield tuple(sorted(chosen))


COMBINATIONS = tuple(combinations())
CHANGES = tuple(
    IdentityChange(kind, old, new)
    for kind, old, new in product(TYPES, (None, *VALUES), (None, *VALUES))
    if old is not None or new is not None
)


def calls(state: State, depth: int) -> Iterator[Observation]:
    """Yield every call that could come next, but for those that merely swap two values nobody has seen."""
    place = (depth, Environment.PRODUCTION, "test")
    mpids = sorted(state.model.profiles)
    seen = {
        Identity(kind, value)
        for profile in state.model.profiles.values()
        for side in (profile.held, profile.carried)
        for kind, values in side.items()
        for value in values
    }

    def first(used: Iterable[Identity]) -> bool:
        """Whether an unseen type's first value is the first value."""
        by_type: dict[IdentityType, str] = {}
        for one in used:
            by_type.setdefault(one.type, one.value)
        return all(
            value == VALUES[0] or any(Identity(kind, other) in seen for other in VALUES)
            for kind, value in by_type.items()
        )

    for chosen in filter(first, COMBINATIONS):
        for endpoint in (Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH):
            yield IdentityRequest(endpoint, *place, chosen)
        for previous in mpids:
            yield IdentityRequest(Endpoint.IDENTIFY, *place, chosen, previous)
        yield SeedRequest(*place, None, chosen)
    for mpid in mpids:
        for change in CHANGES:
            used = [Identity(change.type, v) for v in (change.old_value, change.new_value) if v is not None]
            if first(used):
                yield ModifyRequest(*place, mpid, (change,))


def after(state: State, observation: Observation, policy: Policy, fresh: int) -> State:
    """Make one call on both sides, from the same state, and compare."""
    decision = deciding.decide(observation, policy, state.records, fresh)
    model = state.model.copy()
    wanted = ask(model, observation, fresh, may_create=True)
    assert answer_of(decision.outcome) == wanted, f"{observation} in {core_state(state.records)}"
    records = Records()
    records.load(state.records)
    for record in state.records:
        records.saw(record.mpid, state.records.active_ms(record))
    keep(decision.writes, records, fresh)
    if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
        records.saw(decision.outcome.mpid, observation.at_ms)
    assert core_state(records) == model_state(model), f"{observation} in {core_state(state.records)}"
    return State(records, model)


def explore(rules: Rules) -> int:
    """Make every call in every state, and return how many that were."""
    policy = policy_of(rules)
    states = [State(Records(), Model(rules))]
    made = 0
    for depth in range(1, DEPTH + 1):
        reached: dict[str, State] = {}
        for state in states:
            for observation in calls(state, depth):
                made += 1
                new = after(state, observation, policy, depth)
                if depth < DEPTH:
                    reached.setdefault(repr(sorted(model_state(new.model).items())), new)
        states = list(reached.values())
    return made


@pytest.mark.parametrize("scope", SCOPES)
def test_every_call_in_every_small_state_does_what_the_specification_says(scope: str) -> None:
    """Three calls deep, with three types of two values, nothing answers or changes otherwise than the model says."""
    assert explore(SCOPES[scope]) > 1_000


def test_a_broken_guard_does_not_survive_the_small_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: if the guards let everybody through, the exhaustive comparison fails."""
    monkeypatch.setattr(lookup, "guard_against", lambda *_args, **_named: None)
    with pytest.raises(AssertionError):
        explore(SCOPES["default"])
