"""Which identities of a request a profile gets (idsync §3.2 steps 7 and 8)."""

from knownas.core.identity.decision import ChangeKind, Skip
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Strategy
from knownas.core.limits import RECORD_IDENTITIES_MAX
from tests.core.pool import Pool, rules

T = IdentityType


def skipped(pool: Pool) -> list[tuple[str, Skip, int | None]]:
    """Return the values that the last decision left out, and why."""
    return [(one.identity.value, one.why, one.holder) for one in pool.decision.skipped]


def test_values_are_added_and_never_replaced() -> None:
    """A second e-mail stands beside the first, the newest last (idsync §2.3-4, §7-8)."""
    pool = Pool(rules())
    pool.login(customerid="c", email="old")
    pool.login(customerid="c", email="new")
    record = pool.records.record(1)
    assert record is not None
    assert record.identities[T.EMAIL] == ("old", "new")
    assert [(change.kind, change.identity.value) for change in pool.decision.changes] == [(ChangeKind.ADDED, "new")]


def test_a_unique_value_stays_with_its_profile() -> None:
    """Identify and login never take a unique value; the decision says who holds it (idsync §2.3-3)."""
    pool = Pool(rules(login="customerid", unique="customerid email"))
    pool.login(customerid="a", email="e")
    pool.login(customerid="b", email="e")
    assert pool.held(2) == {"customerid": ["b"]}
    assert skipped(pool) == [("e", Skip.UNIQUE_HELD, 1)]
    assert pool.holders("email", "e") == (1,)


def test_an_immutable_type_takes_no_second_value() -> None:
    """Of two immutable types one matches and the other differs: the profile answers, the value stays out (§2.4-6)."""
    flags = "customerid other"
    pool = Pool(rules(priority="customerid other", login=flags, unique=flags, immutable=flags))
    pool.login(customerid="c", other="o")
    pool.login(customerid="c", other="differs")
    assert pool.held(1) == {"customerid": ["c"], "other": ["o"]}
    assert skipped(pool) == [("differs", Skip.IMMUTABLE_SET, None)]


def test_max_values_limits_the_values_of_a_type() -> None:
    """`max_values` keeps further values out, in the priority and outside; other types have no limit of their own."""
    pool = Pool(rules(max_values={T.EMAIL: 2, T.TWITTER: 1}))
    for number in range(4):
        pool.login(customerid="c", email=f"e{number}", ios_idfv=f"d{number}", twitter=f"t{number}")
    assert pool.held(1)["email"] == ["e0", "e1"]
    assert len(pool.held(1)["ios_idfv"]) == 4
    assert pool.carried(1) == {"twitter": ["t0"]}
    assert skipped(pool) == [("e3", Skip.MAX_VALUES, None), ("t3", Skip.MAX_VALUES, None)]


def test_what_stands_outside_the_priority_is_carried() -> None:
    """An identity outside the priority is known to the profile and leads nowhere (idsync §1.3)."""
    pool = Pool(rules())
    pool.identify(ios_idfv="d", twitter="t")
    assert (pool.held(1), pool.carried(1)) == ({"ios_idfv": ["d"]}, {"twitter": ["t"]})
    assert pool.holders("twitter", "t") == ()
    assert [change.kind for change in pool.decision.changes] == [ChangeKind.ADDED, ChangeKind.CARRIED]
    pool.identify(ios_idfv="d", twitter="t")
    assert pool.decision.writes == ()


def test_a_full_record_takes_no_more() -> None:
    """A profile holds a thousand values; a further one is left out and named."""
    pool = Pool(rules())
    pool.seed(*(("email", str(number)) for number in range(RECORD_IDENTITIES_MAX)))
    pool.identify(email="1", ios_idfv="d")
    assert skipped(pool) == [("d", Skip.RECORD_FULL, None)]
    assert pool.decision.writes == ()


def test_a_profile_is_active_when_it_learns() -> None:
    """Learning moves the activity and keeps the time of making; a clock that is behind moves nothing back."""
    pool = Pool(rules())
    pool.identify(email="e")
    pool.identify(email="e", ios_idfv="d")
    pool.now_ms -= 1_000
    pool.identify(email="e", ios_idfv="d2")
    record = pool.records.record(1)
    assert record is not None
    assert record.active_ms - record.created_ms == 1


def test_link_leaves_the_device_on_both_profiles() -> None:
    """A new known profile gets the device, too, and the anonymous one keeps it (idsync §3.2 step 8)."""
    pool = Pool(rules(Strategy.PROFILE_LINK))
    pool.identify(ios_idfv="d", email="e")
    pool.login(customerid="c", ios_idfv="d")
    assert pool.held(1) == {"email": ["e"], "ios_idfv": ["d"]}
    assert pool.held(2) == {"customerid": ["c"], "ios_idfv": ["d"]}


def test_a_type_that_joins_the_priority_is_looked_up_by_from_the_next_visit() -> None:
    """A value carried under an older policy becomes a lookup when its profile names it again."""
    pool = Pool(rules(priority="customerid"))
    pool.login(customerid="c", twitter="t")
    pool.policy = rules(priority="customerid twitter", version=2)
    pool.login(customerid="c", twitter="t")
    assert pool.held(1) == {"customerid": ["c"], "twitter": ["t"]}
