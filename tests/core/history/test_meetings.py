"""Whom a value has met follows from the lines that name it, in any order and however often they are read."""

from random import Random

from knownas.core.history.meetings import Meetings, Naming, most_met, tells_users
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Settings, Strategy, policy
from knownas.core.identity.toxic_limits import LIMIT_MAX, MetLimits, ToxicLimit, ToxicReason, ToxicSettings

T = IdentityType
DESK = Identity(T.EMAIL, "desk@hotel.example")
CONVERSION, BEST = policy(Strategy.PROFILE_CONVERSION), policy(Strategy.BEST_MATCH)
DAY_MS = 86_400_000


def naming(at_ms: int, *others: Identity) -> Naming:
    """Return a line that names the desk and others."""
    return Naming(at_ms, (DESK, *others))


def customer(number: int) -> Identity:
    """Return a login ID."""
    return Identity(T.CUSTOMER_ID, f"c{number}")


def device(number: int, kind: IdentityType = T.IOS_IDFV) -> Identity:
    """Return a device."""
    return Identity(kind, f"d{number}")


def test_a_value_meets_those_that_are_named_with_it() -> None:
    """Users and devices count once each; a line that does not name the value does not count."""
    meetings = Meetings(DESK)
    for number in (1, 2, 2, 1):
        meetings.add(naming(number, customer(number), device(number)))
    meetings.add(Naming(5, (customer(3), device(3))))
    assert (meetings.met(CONVERSION).known_users, meetings.met(CONVERSION).devices) == (2, 2)


def test_the_identities_of_one_device_are_one_device() -> None:
    """A phone has an advertising ID, a vendor ID and a stamp at once: the type with the most values counts."""
    meetings = Meetings(DESK)
    for number in range(3):
        meetings.add(naming(1, device(number), device(number, T.IOS_IDFA), device(number, T.DEVICE_APPLICATION_STAMP)))
    assert meetings.met(CONVERSION).devices == 3


def test_a_modify_meets_the_users_of_its_profile() -> None:
    """An address that is set on the profiles of two customers has met both."""
    meetings = Meetings(DESK)
    for number in range(2):
        meetings.add(Naming(1, (DESK,), (customer(number),)))
    assert meetings.met(CONVERSION).known_users == 2


def test_users_are_told_apart_by_login_ids_or_by_accounts_where_nobody_logs_in() -> None:
    """A device meets addresses too, since who stands at a kiosk seldom logs in."""
    assert tells_users(T.EMAIL, CONVERSION) == {T.CUSTOMER_ID}
    assert T.MOBILE_NUMBER in tells_users(T.EMAIL, BEST)
    assert T.EMAIL in tells_users(T.DEVICE_APPLICATION_STAMP, CONVERSION)
    assert T.OTHER not in tells_users(T.DEVICE_APPLICATION_STAMP, BEST)


def test_the_order_of_lines_and_their_repetition_change_no_count() -> None:
    """Whoever reads a part of the log twice, or later lines first, comes to the same verdict."""
    random = Random(1)
    limit = ToxicLimit(MetLimits(known_users=4, devices=9), MetLimits(known_users=3, devices=4), 7)
    for _ in range(200):
        lines = [
            naming(random.randrange(30) * DAY_MS, customer(random.randrange(6)), device(random.randrange(12)))
            for _ in range(random.randrange(1, 14))
        ]
        again = [*lines, *random.sample(lines, len(lines) // 2)]
        random.shuffle(again)
        one, other = Meetings(DESK), Meetings(DESK)
        for line in lines:
            one.add(line)
        for line in again:
            other.add(line)
        assert one.met(CONVERSION) == other.met(CONVERSION)
        assert one.excess(limit, CONVERSION) == other.excess(limit, CONVERSION)


def test_a_window_ends_with_the_last_that_was_met() -> None:
    """Three in a week are too many, three in three weeks are not."""
    limit = ToxicLimit(within=MetLimits(devices=2), within_days=7)
    for days, reason in ((8, None), (1, ToxicReason.DEVICES)):
        meetings = Meetings(DESK)
        for number in range(3):
            meetings.add(naming(number * days * DAY_MS, device(number)))
        assert meetings.excess(limit, CONVERSION) is reason


def test_the_smallest_limit_bounds_what_needs_no_closer_look() -> None:
    """A profile with no more values of any type than that can't have let a value meet too many."""
    limit = ToxicLimit(MetLimits(known_users=4, devices=9), MetLimits(devices=3))
    rules = policy(Strategy.BEST_MATCH, settings=Settings(toxic=ToxicSettings(limits={T.EMAIL: limit})))
    most = most_met(T.EMAIL, rules)
    assert most[T.MOBILE_NUMBER] == 4
    assert most[T.IOS_IDFV] == 3
    assert T.OTHER not in most


def test_what_is_remembered_of_a_value_has_an_end() -> None:
    """Whoever meets the whole town is over any limit, and takes no more room."""
    meetings = Meetings(DESK)
    for number in range(LIMIT_MAX + 100):
        meetings.add(naming(number, device(number)))
    assert meetings.met(CONVERSION).devices == LIMIT_MAX + 1
