"""Permutes the identities of a request: the order of the members of a JSON object never matters."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import strategies as st

from knownas.core.identity import decide as deciding
from knownas.core.identity import kinds
from knownas.core.identity.document import decision_document, observation_document
from knownas.core.identity.kinds import Identity, IdentityType, identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from tests.properties.comparison import START_MS, Pair
from tests.properties.programs import TYPES, VALUES, Case, cases
from tests.properties.trials import first_failing, seed_of_this_run

EXAMPLES = 300
FRESH_MPID = 77

Question = tuple[Case, Endpoint, dict[IdentityType, str], list[IdentityType]]

QUESTIONS = st.tuples(
    cases(steps=20),
    st.sampled_from((Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH)),
    st.fixed_dictionaries({kind: st.sampled_from(VALUES) for kind in TYPES}),
    st.permutations(TYPES),
)


def fault_of(question: Question) -> str | None:
    """Ask one question twice, its identities once in each order, and say what differs."""
    case, endpoint, identities, order = question
    pair = Pair(case.rules)
    pair.play(case.program)
    permuted = {kind: identities[kind] for kind in order}
    written = [_written(pair, endpoint, one) for one in (identities, permuted)]
    return None if written[0] == written[1] else f"{written[0]} became {written[1]}"


def _written(pair: Pair, endpoint: Endpoint, identities: Mapping[IdentityType, str]) -> tuple[str, str]:
    """Return the bytes of an observation and of its decision, members in the order in which they were written."""
    observation = IdentityRequest(
        endpoint, START_MS + 1_000_000, Environment.PRODUCTION, "test", kinds.identities(identities)
    )
    decision = deciding.decide(observation, pair.policy, pair.records, FRESH_MPID)
    return json.dumps(observation_document(observation)), json.dumps(decision_document(decision))


def test_the_order_of_identities_never_matters() -> None:
    """The same identities in another order are the same observation and get the same decision, to the byte."""
    seeded = seed_of_this_run()
    failing = first_failing(QUESTIONS, fault_of, examples=EXAMPLES, seeded=seeded)
    if failing is not None:
        pytest.fail(f"{fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}", pytrace=False)


def test_identities_left_in_the_order_of_the_wire_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: if identities kept the order of the wire, the comparison would notice."""

    def unsorted(given: Mapping[IdentityType, str]) -> tuple[Identity, ...]:
        return tuple(identity(kind, value) for kind, value in given.items())

    monkeypatch.setattr(kinds, "identities", unsorted)
    assert first_failing(QUESTIONS, fault_of, examples=20, seeded=1) is not None
