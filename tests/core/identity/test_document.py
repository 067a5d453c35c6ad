"""The form in which observations and decisions are shown: whole, with MPIDs as text (design §7)."""

import json

import pytest

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
    outcome_document,
    values_document,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from tests.core.pool import Pool, rules

T = IdentityType


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


def test_identities_are_written_with_their_types_in_order() -> None:
    """Two records that hold the same are written the same, values in the order in which they were set."""
    values = {T.EMAIL: ("b", "a"), T.CUSTOMER_ID: ("c",)}
    assert json.dumps(values_document(values)) == '{"customerid": ["c"], "email": ["b", "a"]}'
