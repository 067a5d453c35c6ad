"""What the log keeps of observations and decisions is read back as it was, for ever."""

import pytest
from hypothesis import given

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Created,
    DecidedBy,
    Decision,
    Guard,
    LookupEffect,
    LookupStep,
    Modified,
    Receipt,
    Rejection,
    Skip,
    SkippedIdentity,
)
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
from knownas.service.identity.log_form import (
    Damaged,
    decision_bytes,
    decision_from,
    observation_bytes,
    observation_from,
)
from tests.core.identity.observations import MODIFIES, REQUESTS, SEEDS
from tests.core.identity.test_story import TOLD

EMAIL, CUSTOMER = IdentityType.EMAIL, IdentityType.CUSTOMER_ID
REQUEST = IdentityRequest(
    Endpoint.LOGIN, 5, Environment.PRODUCTION, "web", (Identity(EMAIL, 'ä"'),), -7, ((-7, 3), (8, 4))
)
CHANGING = ModifyRequest(
    6, Environment.DEVELOPMENT, "crm", 9, (IdentityChange(EMAIL, None, "e"),), may_move_unique=False
)
SEEDING = SeedRequest(7, Environment.PRODUCTION, "import", None, (Identity(CUSTOMER, "c"),))
STEP = LookupStep(
    Identity(EMAIL, "e"), (1,), (Rejection(2, Guard.LOGIN),), more=True, effect=LookupEffect.FIRST, left=(1,)
)
DECISION = Decision(
    Created(3, known=True, source_mpid=1),
    Receipt(4, (STEP,), DecidedBy.NEW_KNOWN_USER, EMAIL),
    changes=(
        Change(ChangeKind.ADDED, Identity(EMAIL, "e"), 3),
        Change(ChangeKind.MOVED, Identity(CUSTOMER, "c"), 3, 2),
    ),
    skipped=(SkippedIdentity(Identity(CUSTOMER, "d"), Skip.UNIQUE_HELD, 2),),
)
MODIFIED = Decision(Modified(3, known=False, results=((EMAIL, 3),)), Receipt(1, (), DecidedBy.NAMED))

KEPT: list[tuple[Observation, bytes]] = [
    (REQUEST, '["login",["login",5,"production","web",[["email","ä\\""]],-7,[[-7,3],[8,4]],true,[]]]'.encode()),
    (
        CHANGING,
        (
            b'["modify",{"at_ms":6,"environment":"development","input":"crm","mpid":9,'
            b'"changes":[{"type":"email","old_value":null,"new_value":"e"}],"may_move_unique":false,"set_aside":[]}]'
        ),
    ),
    (
        SEEDING,
        (
            b'["seed",{"at_ms":7,"environment":"production","input":"import","mpid":null,"identities":[["customerid","c"]],'
            b'"set_aside":[]}]'
        ),
    ),
]

OLDER: list[tuple[Observation, bytes]] = [
    (REQUEST, '["login",["login",5,"production","web",[["email","ä\\""]],-7,[[-7,3],[8,4]],true]]'.encode()),
    (
        SEEDING,
        b'["seed",{"at_ms":7,"environment":"production","input":"import","mpid":null,"identities":[["customerid","c"]]}]',
    ),
]
"""Lines from before anything could be set aside."""


@given(REQUESTS | MODIFIES | SEEDS)
def test_an_observation_is_read_back_as_it_was(observation: Observation) -> None:
    """Whatever was observed is read back the same, to the last character and the class."""
    read = observation_from(observation_bytes(observation))
    assert read == observation
    assert type(read) is type(observation)
    if isinstance(read, IdentityRequest):
        assert all(type(one) is Identity and type(one.type) is IdentityType for one in read.identities)


@pytest.mark.parametrize(("observation", "decision"), [(observation, decision) for observation, decision, _ in TOLD])
def test_every_kind_of_decision_is_read_back_as_it_was(observation: Observation, decision: Decision) -> None:
    """Outcome, receipt, changes and what was left out are read back, with the classes they had."""
    assert observation_from(observation_bytes(observation)) == observation
    read = decision_from(decision_bytes(decision))
    shown = (decision.outcome, decision.receipt, decision.changes, decision.skipped)
    assert (read.outcome, read.receipt, read.changes, read.skipped) == shown
    # Tuples of two classes can be equal; what they are called can't.
    assert repr((read.outcome, read.receipt, read.changes, read.skipped)) == repr(shown)


@pytest.mark.parametrize(("observation", "kept"), KEPT)
def test_logged_observations_stay_readable(observation: Observation, kept: bytes) -> None:
    """The bytes that are in databases already are written and read as they always were."""
    assert observation_bytes(observation) == kept
    assert observation_from(kept) == observation


@pytest.mark.parametrize(("observation", "kept"), OLDER)
def test_a_line_that_does_not_say_what_was_set_aside_is_read(observation: Observation, kept: bytes) -> None:
    """What was logged before anything could be quarantined set nothing aside."""
    assert observation_from(kept) == observation


def test_a_line_that_does_not_say_whether_a_profile_could_be_made_is_read() -> None:
    """What was logged before lines said so counts as a request that could make a profile."""
    older = '["login",["login",5,"production","web",[["email","ä\\""]],-7,[[-7,3],[8,4]]]]'.encode()
    assert observation_from(older) == REQUEST


@pytest.mark.parametrize(
    ("decision", "kept"),
    [
        (
            DECISION,
            (
                b'["created",[3,true,1],[4,[[["email","e"],[1],[[2,"login_id_required"]],true,"first_candidates",[1]]],'
                b'"first_seen_login_id_gets_a_profile","email"],[["added",["email","e"],3,null],'
                b'["moved",["customerid","c"],3,2]],[[["customerid","d"],"unique_held_by_another_profile",2]]]'
            ),
        ),
        (MODIFIED, b'["modified",[3,false,[["email",3]]],[1,[],"named_by_its_mpid",null],[],[]]'),
    ],
)
def test_logged_decisions_stay_readable(decision: Decision, kept: bytes) -> None:
    """The bytes that are in databases already are written and read as they always were."""
    assert decision_bytes(decision) == kept
    assert decision_from(kept) == decision


@pytest.mark.parametrize("kept", [b"", b"[]", b'["login"]', b'["forget",[]]', b'["login",["login"]]', b'["modify",{}]'])
def test_a_damaged_observation_is_not_read(kept: bytes) -> None:
    """What lacks a member or names no endpoint is no observation."""
    with pytest.raises(Damaged):
        observation_from(kept)


@pytest.mark.parametrize(
    "kept",
    [
        b"{}",
        b'["guessed",[],[1,[],"refused",null],[],[]]',
        b'["created",[],[1,[],"refused",null],[],[]]',
        b'["not_found",[],[1,[],"by_chance",null],[],[]]',
        b'["not_found",[],[1,[],"refused",null],[]]',
    ],
)
def test_a_damaged_decision_is_not_read(kept: bytes) -> None:
    """What lacks a member, or names an outcome or a rule that there isn't, is not told as something else."""
    with pytest.raises(Damaged):
        decision_from(kept)
