"""Folding the log gives the records (design §2, §8-6): minimal histories, one promise each.

Random histories are folded in `tests/properties`; what was found there once stands here in its smallest form.
"""

import pytest

from knownas.core.history.fold import FoldDiverged, Logged, fold, fold_line
from knownas.core.identity.decision import Created, Outcome, Seeded
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, ModifyRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from tests.core.pool import START_MS, Pool, rules

T = IdentityType

_REQUEST = (Endpoint.IDENTIFY, START_MS, Environment.PRODUCTION, "test")


class Server(Pool):
    """A pool with a log: what changes something is logged, a visit is not."""

    def __init__(self, *policies: Policy) -> None:
        super().__init__(policies[0])
        self.policies = {policy.version: policy for policy in policies}
        self.log: list[Logged] = []

    def decide(self, observation: Observation, *, may_create: bool = True) -> Outcome:
        """Decide, and log the observation if anything changed."""
        outcome = super().decide(observation, may_create=may_create)
        if self.decision.writes:
            self.note(observation)
        return outcome

    def note(self, observation: Observation) -> None:
        """Log an observation with what the decision knew of the candidates' activity."""
        outcome, recency = self.decision.outcome, self.decision.recency
        made = outcome.mpid if isinstance(outcome, Created | Seeded) else None
        if isinstance(observation, IdentityRequest):
            observation = observation._replace(recency=recency)
        self.log.append(Logged(observation, self.policy.version, made, bool(self.decision.writes)))

    def restart(self) -> None:
        """Come back with what is durable; visits that changed nothing are forgotten."""
        durable, self.records = list(self.records), Records()
        self.records.load(durable)

    def folds(self) -> bool:
        """Whether the fold of the log holds what the server holds."""
        folded = fold(self.log, self.policies)
        return state(folded) == state(self.records)


def state(records: Records) -> dict[int, object]:
    """Return what a fold must give again."""
    return {one.mpid: (one.identities, one.carried, one.known, one.source_mpid, one.created_ms) for one in records}


def test_an_empty_log_folds_to_nothing() -> None:
    """Where nothing was observed there is nobody."""
    assert len(fold([], {})) == 0


def test_every_kind_of_change_folds() -> None:
    """What is made, learnt, moved and brought over comes out of the log again, MPIDs included."""
    server = Server(rules(login="customerid", unique="customerid email"))
    server.seed(("email", "brought"), ("email", "over"), mpid=-77)
    server.identify(ios_idfv="d", twitter="t")
    server.login(customerid="c", ios_idfv="d")
    server.logout(ios_idfv="d")
    server.modify(-77, ("email", "brought", None))
    server.modify(2, ("email", None, "over"))
    assert len(server.log) == 6
    assert server.folds()
    assert state(server.records) == {
        -77: ({}, {}, False, None, START_MS + 1),
        2: (
            {T.IOS_IDFV: ("d",), T.CUSTOMER_ID: ("c",), T.EMAIL: ("over",)},
            {T.TWITTER: ("t",)},
            True,
            None,
            START_MS + 2,
        ),
        3: ({T.IOS_IDFV: ("d",)}, {}, False, None, START_MS + 4),
    }


def test_a_prefix_of_the_log_is_the_past() -> None:
    """Folding the first lines gives the records as they were then (design §2)."""
    server = Server(rules())
    server.identify(ios_idfv="d")
    then = state(server.records)
    server.login(customerid="c", ios_idfv="d")
    assert state(fold(server.log[:1], server.policies)) == then


def test_a_line_is_decided_under_the_policy_of_its_time() -> None:
    """A change of policy changes what comes after it, and nothing before."""
    server = Server(rules(unique="customerid"), rules(unique="customerid email", version=2))
    server.login(customerid="a", email="shared")
    server.login(customerid="b", email="shared")
    server.policy = server.policies[2]
    server.login(customerid="c", email="shared")
    assert server.folds()
    assert server.holders("email", "shared") == (1, 2)
    with pytest.raises(KeyError):
        fold(server.log, {1: server.policies[1]})


def test_a_visit_that_decided_a_tie_is_not_missed() -> None:
    """A visit is not logged; where it decided who answers, the line that it decided tells of it."""
    server = Server(rules(priority="email other", login="", unique=""))
    server.crowd(2, ("email", "e"))
    server.identify(previous=1, email="e")
    assert len(server.log) == 2
    server.identify(email="e", other="x")
    assert server.held(1)["other"] == ["x"]
    assert server.folds()


def test_a_visit_that_decided_between_known_profiles_is_not_missed() -> None:
    """The same where a login ID that two known profiles share beats an anonymous device."""
    server = Server(rules(priority="ios_idfv email", login="email", unique=""))
    server.crowd(2, ("email", "e"))
    server.identify(ios_idfv="d")
    server.identify(previous=1, email="e")
    server.identify(email="e", ios_idfv="d")
    assert server.held(1) == {"email": ["e"], "ios_idfv": ["d"]}
    assert server.folds()


def test_a_visit_that_decided_among_a_crowd_is_not_missed() -> None:
    """The same where a device is on more profiles than a lookup considers."""
    server = Server(rules(priority="ios_idfv other", login="", unique=""))
    server.crowd(40, ("ios_idfv", "d"))
    server.identify(previous=3, ios_idfv="d")
    server.identify(ios_idfv="d", other="x")
    assert server.held(3)["other"] == ["x"]
    assert server.folds()


def test_a_visit_that_a_restart_forgot_is_not_remembered() -> None:
    """What an earlier line knew of activity must not decide a later one, made when the server knew no more of it."""
    server = Server(rules(priority="email other", login="", unique=""))
    server.crowd(3, ("email", "e"))
    server.identify(previous=1, email="e")  # a visit of 1, which only memory keeps
    server.identify(previous=2, email="e", other="x")  # logged, with what is known of 1, 2 and 3
    server.modify(2, ("email", "e", None))
    server.restart()
    server.identify(email="e", other="y")
    assert server.held(3) == {"email": ["e"], "other": ["y"]}
    assert server.folds()


def test_a_crowd_that_hid_everybody_who_may_answer_folds() -> None:
    """Where a crowd was considered and nobody of it may answer, the fold considers the same crowd."""
    stamp = "device_application_stamp"
    before = rules(priority=f"customerid email {stamp}", login="customerid", unique="customerid")
    after = rules(priority=f"customerid {stamp} email", login="customerid email", unique="customerid", version=2)
    server = Server(before, after)
    for number in range(17):
        server.seed((stamp, "d"), ("email", f"e{number}"))
    server.seed((stamp, "d"))
    for mpid in range(1, 18):
        server.identify(mpid, **{stamp: "d"})
    server.policy = after
    server.identify(**{stamp: "d"})
    assert server.folds()


def test_a_move_away_from_a_crowd_folds() -> None:
    """Where a type became unique after a crowd shared a value, the fold takes it from the same profiles."""
    server = Server(
        rules(priority="email", login="", unique=""), rules(priority="email", login="", unique="email", version=2)
    )
    server.crowd(20, ("email", "e"))
    server.seed(("email", "own"))
    server.identify(previous=1, email="e")
    server.policy = server.policies[2]
    server.modify(21, ("email", None, "e"))
    assert server.folds()


def test_a_captured_line_that_found_nobody_makes_nobody() -> None:
    """With `capture: all`, a request of an input that may not create is logged, and its fold creates nothing."""
    server = Server(rules())
    server.identify(may_create=False, email="e")
    server.note(IdentityRequest(*_REQUEST, identities=(Identity(T.EMAIL, "e"),)))
    assert server.folds()


def test_a_captured_visit_changes_nothing() -> None:
    """With `capture: all`, a visit that changed nothing when it was made changes nothing in a fold."""
    server = Server(rules())
    server.identify(email="e", ios_idfv="d")
    visit = IdentityRequest(*_REQUEST, identities=(Identity(T.EMAIL, "e"), Identity(T.IOS_IDFV, "d")))
    server.decide(visit)
    assert server.decision.writes == ()
    # Another server's change came into the log between the visit and its line, which is written later.
    decision = server.decision
    server.modify(1, ("ios_idfv", "d", None))
    server.last = decision
    server.note(visit)
    assert server.folds()


def test_a_line_that_made_nobody_diverges_if_it_would_make_somebody() -> None:
    """A log that the rules contradict is not folded in silence."""
    request = IdentityRequest(*_REQUEST, identities=(Identity(T.EMAIL, "e"),))
    with pytest.raises(FoldDiverged):
        fold([Logged(request, 1, 5), Logged(request, 1, 6)], {1: rules()})
    modify = ModifyRequest(START_MS, Environment.PRODUCTION, "test", 9, ())
    with pytest.raises(FoldDiverged):
        fold([Logged(modify, 1, 9)], {1: rules()})


def test_folding_a_line_returns_its_decision() -> None:
    """The fold of one line is its decision again, receipt and all."""
    server = Server(rules())
    server.identify(ios_idfv="d")
    records = Records()
    folded = fold_line(server.log[0], server.policy, records)
    assert folded.receipt == server.decision.receipt
    assert folded.outcome == server.decision.outcome
    assert state(records) == state(server.records)
