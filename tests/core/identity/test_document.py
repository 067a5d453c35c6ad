"""The written form of observations and decisions: what the log keeps can be read back as it was (design §2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.decision import (
    Created,
    Modified,
    NotFound,
    Outcome,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.document import (
    decision_document,
    observation_document,
    observation_from,
    outcome_document,
    record_document,
)
from knownas.core.identity.kinds import Identity, IdentityType, identities, value_fault
from knownas.core.identity.observation import (
    RESOLVING,
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from tests.core.pool import Pool, rules

T = IdentityType

TIMES = st.integers(0, 4_102_444_800_000)
VALUES = st.text(min_size=1, max_size=20).filter(lambda value: value_fault(value) is None)
MPIDS = st.integers(MPID_MIN, MPID_MAX).filter(bool)
INPUTS = st.text(max_size=20)

REQUESTS = st.builds(
    IdentityRequest,
    st.sampled_from(sorted(RESOLVING)),
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    st.dictionaries(st.sampled_from(T), VALUES, max_size=5).map(identities),
    st.none() | MPIDS,
    st.lists(st.tuples(MPIDS, TIMES), max_size=4).map(tuple),
)
CHANGES = st.builds(IdentityChange, st.sampled_from(T), st.none() | VALUES, st.none() | VALUES)
MODIFIES = st.builds(
    ModifyRequest,
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    MPIDS,
    st.lists(CHANGES, max_size=5).map(tuple),
    st.booleans(),
)
SEEDS = st.builds(
    SeedRequest,
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    st.none() | MPIDS,
    st.lists(st.builds(Identity, st.sampled_from(T), VALUES), max_size=6).map(tuple),
)


@given(REQUESTS | MODIFIES | SEEDS)
def test_an_observation_is_read_back_as_it_was(observation: Observation) -> None:
    """Whatever was observed survives being written as JSON and read again, to the last character."""
    document = observation_document(observation)
    assert observation_from(document) == observation
    assert observation_from(json.loads(json.dumps(document))) == observation
    assert type(observation_from(document)) is type(observation)


@given(REQUESTS)
def test_the_order_of_members_in_a_log_does_not_matter(observation: IdentityRequest) -> None:
    """A store that orders the members of an object in its own way still gives the same observation back."""
    document = json.loads(json.dumps(observation_document(observation)))
    document["identities"] = dict(sorted(document["identities"].items(), key=lambda pair: (len(pair[0]), pair[0])))
    assert observation_from(dict(reversed(document.items()))) == observation


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_damaged_document_is_not_read(endpoint: Endpoint) -> None:
    """A document without what an observation needs is refused, whatever it says it is."""
    with pytest.raises(KeyError):
        observation_from({"endpoint": endpoint.value})


def test_a_document_of_no_endpoint_is_not_read() -> None:
    """What names no known endpoint is no observation."""
    with pytest.raises(ValueError, match="forget"):
        observation_from({"endpoint": "forget"})


@pytest.mark.parametrize(
    ("outcome", "document"),
    [
        (Returned(-5, known=True), {"kind": "returned", "mpid": "-5", "known": True, "became_known": False}),
        (Created(5, known=False), {"kind": "created", "mpid": "5", "known": False, "source_mpid": None}),
        (
            Created(MPID_MAX, known=True, source_mpid=MPID_MIN),
            {"kind": "created", "mpid": str(MPID_MAX), "known": True, "source_mpid": str(MPID_MIN)},
        ),
        (NotFound(), {"kind": "not_found"}),
        (
            Refused(Refusal.MPID_TAKEN, "There is one."),
            {"kind": "refused", "reason": "mpid_taken", "message": "There is one."},
        ),
        (
            Modified(1, known=True, results=((T.EMAIL, 2),)),
            {
                "kind": "modified",
                "mpid": "1",
                "known": True,
                "results": [{"identity_type": "email", "modified_mpid": "2"}],
            },
        ),
        (Seeded(1, known=False), {"kind": "seeded", "mpid": "1", "known": False}),
    ],
)
def test_each_outcome_has_its_written_form(outcome: Outcome, document: dict[str, object]) -> None:
    """Every outcome is told apart by its kind, and MPIDs are strings (design §7)."""
    assert outcome_document(outcome) == document


def test_a_decision_shows_its_work() -> None:
    """The written decision names each step, who was rejected and why, what was added and what was left out."""
    pool = Pool(rules(login="customerid", unique="customerid email"))
    pool.login(customerid="c", email="e", ios_idfv="d")
    pool.identify(email="e", ios_idfv="d", twitter="t")
    assert json.loads(json.dumps(decision_document(pool.decision))) == {
        "outcome": {"kind": "created", "mpid": "2", "known": False, "source_mpid": None},
        "receipt": {
            "policy_version": 1,
            "steps": [
                {
                    "type": "email",
                    "value": "e",
                    "candidates": [],
                    "rejected": [{"mpid": "1", "guard": "login_id_required"}],
                    "more": False,
                    "effect": "no_profile",
                    "left": [],
                },
                {
                    "type": "ios_idfv",
                    "value": "d",
                    "candidates": [],
                    "rejected": [{"mpid": "1", "guard": "login_id_required"}],
                    "more": False,
                    "effect": "no_profile",
                    "left": [],
                },
            ],
            "decided_by": "no_profile_can_be_returned",
            "decided_at": None,
        },
        "changes": [
            {"change": "added", "type": "ios_idfv", "value": "d", "mpid": "2", "from_mpid": None},
            {"change": "carried", "type": "twitter", "value": "t", "mpid": "2", "from_mpid": None},
        ],
        "skipped": [{"type": "email", "value": "e", "why": "unique_held_by_another_profile", "holder": "1"}],
    }


def test_a_record_is_written_with_its_types_in_order() -> None:
    """Two records that hold the same are written the same, values in the order in which they were set."""
    one = Record(
        -1, {T.EMAIL: ("b", "a"), T.CUSTOMER_ID: ("c",)}, {T.TWITTER: ("t",)}, known=True, created_ms=0, active_ms=0
    )
    assert json.dumps(record_document(one)) == (
        '{"mpid": "-1", "identities": {"customerid": ["c"], "email": ["b", "a"]}, "carried": {"twitter": ["t"]}}'
    )
