"""What a modify does: replaces, removes and moves the identities of one profile (idsync §3.6)."""

import pytest

from knownas.core.identity.decision import ChangeKind, Modified, Outcome, Refusal, Refused
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment, IdentityChange, ModifyRequest
from knownas.core.identity.policy import Strategy
from knownas.core.limits import MODIFY_CHANGES_MAX, RECORD_IDENTITIES_MAX
from tests.core.pool import Pool, rules

T = IdentityType


def changed(outcome: Outcome) -> set[tuple[str, int]]:
    """Return the (type, MPID) pairs that a modify says it changed."""
    assert isinstance(outcome, Modified)
    assert len(set(outcome.results)) == len(outcome.results)
    return {(kind.value, mpid) for kind, mpid in outcome.results}


def refusal(outcome: Outcome) -> Refusal:
    """Return why a modify was refused."""
    assert isinstance(outcome, Refused)
    return outcome.reason


@pytest.fixture
def pool() -> Pool:
    """One known user, 1, and an anonymous visitor, 2, where e-mails are unique."""
    pool = Pool(rules(login="customerid", unique="customerid email"))
    pool.login(customerid="c", email="e", ios_idfv="d")
    pool.identify(ios_idfv="visitor", email="v")
    return pool


def test_an_email_changes_and_the_old_one_no_longer_leads_here(pool: Pool) -> None:
    """The old value goes, the new one comes, and the type is named once for the profile."""
    assert changed(pool.modify(1, ("email", "e", "new"))) == {("email", 1)}
    assert pool.held(1)["email"] == ["new"]
    assert pool.holders("email", "e") == ()
    kinds = [(change.kind, change.identity.value) for change in pool.decision.changes]
    assert kinds == [(ChangeKind.REMOVED, "e"), (ChangeKind.ADDED, "new")]


def test_null_adds_and_null_removes(pool: Pool) -> None:
    """A null old value adds, a null new value removes, two nulls change nothing."""
    assert changed(pool.modify(1, ("email", None, "second"))) == {("email", 1)}
    assert pool.held(1)["email"] == ["e", "second"]
    assert changed(pool.modify(1, ("email", "e", None))) == {("email", 1)}
    assert pool.held(1)["email"] == ["second"]
    assert changed(pool.modify(1, ("email", None, None))) == set()
    assert pool.decision.writes == ()


def test_a_stale_old_value_is_ignored(pool: Pool) -> None:
    """Clients work from local state: what the profile does not hold is not missed (§7-26)."""
    assert changed(pool.modify(1, ("email", "long gone", "new"))) == {("email", 1)}
    assert pool.held(1)["email"] == ["e", "new"]
    assert changed(pool.modify(1, ("email", "long gone", None))) == set()


def test_setting_what_is_set_changes_nothing(pool: Pool) -> None:
    """A value that the profile has already is no change; replacing another by it only removes that one."""
    assert changed(pool.modify(1, ("email", None, "e"))) == set()
    assert changed(pool.modify(1, ("email", "e", "e"))) == set()
    assert pool.decision.writes == ()
    pool.modify(1, ("email", None, "second"))
    assert changed(pool.modify(1, ("email", "e", "second"))) == {("email", 1)}
    assert pool.held(1)["email"] == ["second"]


def test_a_unique_value_moves_and_the_donor_keeps_the_rest(pool: Pool) -> None:
    """The profile being modified gets the value, every other loses it, donors are named (idsync §2.3-2)."""
    assert changed(pool.modify(1, ("email", None, "v"))) == {("email", 1), ("email", 2)}
    assert pool.held(1)["email"] == ["e", "v"]
    assert pool.held(2) == {"ios_idfv": ["visitor"]}
    (move,) = pool.decision.changes
    assert (move.kind, move.mpid, move.from_mpid) == (ChangeKind.MOVED, 1, 2)


def test_a_donor_left_with_nothing_is_kept_as_an_orphan(pool: Pool) -> None:
    """A profile whose last identity moved away stays, and nothing leads to it any more (idsync §1.3)."""
    pool.modify(2, ("ios_idfv", "visitor", None))
    pool.modify(1, ("email", "e", "v"))
    orphan = pool.records.record(2)
    assert orphan is not None
    assert orphan.orphan
    assert pool.modify(2, ("ios_idfv", None, "found again")) == Modified(2, known=False, results=((T.IOS_IDFV, 2),))


def test_losing_a_value_is_not_being_active(pool: Pool) -> None:
    """Only the modified profile was active; the donor's activity stays where it was."""
    before = pool.records.record(2)
    pool.modify(1, ("email", None, "v"))
    donor, taker = pool.records.record(2), pool.records.record(1)
    assert before is not None
    assert donor is not None
    assert taker is not None
    assert (donor.active_ms, taker.active_ms) == (before.active_ms, pool.now_ms)


def test_a_value_that_is_not_unique_is_shared(pool: Pool) -> None:
    """Without the unique setting both profiles hold the value (idsync §2.3-4)."""
    assert changed(pool.modify(1, ("ios_idfv", None, "visitor"))) == {("ios_idfv", 1)}
    assert pool.holders("ios_idfv", "visitor") == (1, 2)


def test_an_input_can_be_kept_from_moving_unique_values(pool: Pool) -> None:
    """Such an input is refused as a whole, and nothing of the request holds."""
    outcome = pool.modify(1, ("ios_idfv", "d", "new"), ("email", None, "v"), may_move_unique=False)
    assert refusal(outcome) is Refusal.UNIQUE_MOVE_NOT_ALLOWED
    assert pool.held(1)["ios_idfv"] == ["d"]
    assert changed(pool.modify(1, ("email", None, "free"), may_move_unique=False)) == {("email", 1)}


@pytest.mark.parametrize("strategy", [Strategy.DEFAULT, Strategy.PROFILE_LINK, Strategy.PROFILE_ISOLATION])
def test_a_login_id_makes_known_in_place_and_its_removal_anonymous(strategy: Strategy) -> None:
    """Modify never makes a profile: a login ID makes this one known, in every strategy, and back again."""
    pool = Pool(rules(strategy, login="email", unique="email"))
    pool.identify(ios_idfv="d")
    assert pool.modify(1, ("email", None, "e")) == Modified(1, known=True, results=((T.EMAIL, 1),))
    record = pool.records.record(1)
    assert record is not None
    assert record.known
    assert pool.modify(1, ("email", "e", None)) == Modified(1, known=False, results=((T.EMAIL, 1),))
    assert len(pool.records) == 1


def test_an_unknown_mpid_is_refused(pool: Pool) -> None:
    """Modify never creates a profile and never answers with another one."""
    assert refusal(pool.modify(99, ("email", None, "new"))) is Refusal.UNKNOWN_MPID
    assert len(pool.records) == 2


@pytest.mark.parametrize(
    ("mpid", "old", "new", "reason"),
    [
        (1, "c", "other", Refusal.IMMUTABLE_CHANGE),
        (1, None, "other", Refusal.IMMUTABLE_CHANGE),
        (1, "stale", "other", Refusal.IMMUTABLE_CHANGE),
        (1, "c", None, Refusal.IMMUTABLE_REMOVAL),
        (2, None, "c", Refusal.IMMUTABLE_TAKEN),
    ],
)
def test_a_set_immutable_id_cannot_change(mpid: int, old: str | None, new: str | None, reason: Refusal) -> None:
    """No change, no removal, and no taking from another profile, whose ID it is (§3.6 step 2)."""
    pool = Pool(rules(Strategy.DEFAULT))
    pool.login(customerid="c")
    pool.identify(ios_idfv="d")
    assert refusal(pool.modify(mpid, ("customerid", old, new))) is reason
    assert pool.held(1) == {"customerid": ["c"]}
    assert pool.held(2) == {"ios_idfv": ["d"]}


def test_an_immutable_id_can_be_set_once() -> None:
    """The first setting is allowed; so is setting what is set and removing what is not."""
    pool = Pool(rules(Strategy.DEFAULT))
    pool.identify(ios_idfv="d")
    assert changed(pool.modify(1, ("customerid", None, None), ("customerid", "stale", None))) == set()
    assert changed(pool.modify(1, ("customerid", "stale", "c"))) == {("customerid", 1)}
    assert changed(pool.modify(1, ("customerid", "c", "c"), ("customerid", None, "c"))) == set()
    assert pool.held(1) == {"customerid": ["c"], "ios_idfv": ["d"]}


def test_all_changes_are_made_or_none(pool: Pool) -> None:
    """A later change that is refused takes the earlier ones with it."""
    pool.policy = rules(Strategy.DEFAULT, login="customerid", unique="customerid email", immutable="customerid")
    before = list(pool.records)
    outcome = pool.modify(1, ("email", "e", "v"), ("customerid", "c", None))
    assert refusal(outcome) is Refusal.IMMUTABLE_REMOVAL
    assert list(pool.records) == before
    assert pool.decision.writes == ()


def test_later_changes_see_earlier_ones(pool: Pool) -> None:
    """Changes are made in order, each on what the one before has left."""
    outcome = pool.modify(1, ("email", "e", "a"), ("email", "a", "b"), ("ios_idfv", "d", None))
    assert changed(outcome) == {("email", 1), ("ios_idfv", 1)}
    assert pool.held(1) == {"customerid": ["c"], "email": ["b"]}


def test_what_is_undone_within_a_request_is_no_write(pool: Pool) -> None:
    """A value that comes and goes in one request leaves the record as it was."""
    pool.modify(1, ("email", None, "brief"), ("email", "brief", None))
    assert pool.decision.writes == ()


def test_a_full_type_gives_up_its_oldest_value() -> None:
    """Modify is the one that replaces: `max_values` makes room, since a client's old value is often stale."""
    pool = Pool(rules(max_values={T.EMAIL: 2, T.TWITTER: 1}))
    pool.login(customerid="c", email="first", twitter="t")
    pool.modify(1, ("email", None, "second"), ("email", None, "third"), ("twitter", None, "u"))
    assert pool.held(1)["email"] == ["second", "third"]
    assert pool.carried(1) == {"twitter": ["u"]}


def test_types_outside_the_priority_are_carried(pool: Pool) -> None:
    """The profile keeps them, no lookup uses them, and uniqueness does not reach them (§3.6, last line)."""
    assert changed(pool.modify(1, ("twitter", None, "t"))) == {("twitter", 1)}
    assert (pool.carried(1), pool.holders("twitter", "t")) == ({"twitter": ["t"]}, ())
    assert [change.kind for change in pool.decision.changes] == [ChangeKind.CARRIED]
    assert changed(pool.modify(1, ("twitter", "t", None))) == {("twitter", 1)}
    assert [change.kind for change in pool.decision.changes] == [ChangeKind.DROPPED]


@pytest.mark.parametrize(("before", "after"), [("customerid other", "customerid"), ("customerid", "customerid other")])
def test_a_value_goes_wherever_an_earlier_policy_put_it(before: str, after: str) -> None:
    """A value whose type has left or joined the priority since can be removed, and is not left behind when replaced."""
    pool = Pool(rules(priority=before))
    pool.login(customerid="c", other="x")
    pool.login(customerid="c", other="y")
    pool.policy = rules(priority=after, version=2)
    pool.login(customerid="c", other="x")

    assert changed(pool.modify(1, ("other", "x", None), ("other", "y", "z"))) == {("other", 1)}

    held, carried = pool.held(1), pool.carried(1)
    assert (held, carried) in [
        ({"customerid": ["c"]}, {"other": ["z"]}),
        ({"customerid": ["c"], "other": ["z"]}, {}),
    ]
    assert pool.holders("other", "x") == pool.holders("other", "y") == ()


def test_a_full_record_refuses_more() -> None:
    """A profile holds a thousand values; a further one refuses the request, a replacement does not."""
    pool = Pool(rules(unique="customerid"))
    pool.seed(*(("email", str(number)) for number in range(RECORD_IDENTITIES_MAX)))
    assert refusal(pool.modify(1, ("ios_idfv", None, "d"))) is Refusal.RECORD_FULL
    assert changed(pool.modify(1, ("email", "0", "new"))) == {("email", 1)}


def test_a_request_has_a_hundred_changes_at_most() -> None:
    """An observation with more is not made."""
    change = IdentityChange(T.EMAIL, None, "e")
    ModifyRequest(0, Environment.PRODUCTION, "test", 1, (change,) * MODIFY_CHANGES_MAX)
    with pytest.raises(ValueError, match="100"):
        ModifyRequest(0, Environment.PRODUCTION, "test", 1, (change,) * (MODIFY_CHANGES_MAX + 1))


def test_a_type_that_became_unique_is_taken_from_every_holder() -> None:
    """Where a few shared a value before its type became unique, a move takes it from all; from a crowd, from none."""
    pool = Pool(rules(priority="email", login="", unique=""))
    pool.crowd(16, ("email", "few"))
    pool.crowd(17, ("email", "crowd"))
    pool.seed(("email", "own"))
    pool.policy = rules(priority="email", login="", unique="email", version=2)
    pool.modify(34, ("email", None, "few"))
    assert [record.mpid for record in pool.records if "few" in record.identities.get(T.EMAIL, ())] == [34]
    refused = pool.modify(34, ("email", None, "crowd"))
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.UNIQUE_CROWDED
