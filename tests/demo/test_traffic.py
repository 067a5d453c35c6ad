"""The promises of the generated traffic: repeatable, in order, valid, and with everything in it that happens."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.identity.kinds import Surface, types_named_on, value_fault
from knownas.demo.names import FIRST_NAMES, LAST_NAMES, customer_id, email
from knownas.demo.town import ZEROED_ID
from knownas.demo.traffic import CRM, HOUR_MS, JUNK_VALUES, PEOPLE_MAX, Visit, traffic

START_MS = 1_767_225_600_000
PEOPLE = 400
INPUTS = {"web", "ios", "android", "roku", CRM}


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    return list(traffic(1, PEOPLE, START_MS))


def test_the_same_seed_gives_the_same_traffic(visits: list[Visit]) -> None:
    """Two runs with one seed are equal visit by visit; another seed gives other people."""
    assert list(traffic(1, PEOPLE, START_MS)) == visits
    assert list(traffic(2, PEOPLE, START_MS)) != visits


@settings(max_examples=40)
@given(st.integers(), st.integers(1, 40), st.integers(0, 2**42), st.integers(1, 3 * HOUR_MS))
def test_time_never_goes_backwards(seed: int, people: int, start_ms: int, hour_ms: int) -> None:
    """Visits come in the order of their times, all within the hour, and are valid whatever the size."""
    visits = list(traffic(seed, people, start_ms, hour_ms))
    assert all(one.at_ms <= other.at_ms for one, other in pairwise(visits))
    assert all(start_ms <= one.at_ms < start_ms + hour_ms for one in visits)
    assert all(1 <= one.person <= people for one in visits)


@settings(max_examples=20)
@given(st.integers(), st.integers(1, 60))
def test_every_visit_is_a_valid_call(seed: int, people: int) -> None:
    """Names are IDSync's, values can be identities, and each call carries what its endpoint needs."""
    names = types_named_on(Surface.IDSYNC)
    for visit in traffic(seed, people, START_MS):
        assert visit.input in INPUTS
        assert visit.environment == "production"
        for kind, value in visit.identities.items():
            assert names[kind].value == kind
            assert value_fault(value) is None
        if visit.call == "modify":
            assert not visit.identities
            assert len(visit.changes) == 1
            assert visit.changes[0].new_value is not None
            assert value_fault(visit.changes[0].new_value) is None
        else:
            assert visit.identities
            assert not visit.changes
        assert (visit.previous_mpid is None) == (visit.call == "search") == (visit.input == CRM)


def test_a_device_begins_with_identify_and_switches_users_by_logout(visits: list[Visit]) -> None:
    """On each device a login follows an identify or a logout, and another user only after a logout."""
    logged_in: dict[str, str | None] = defaultdict(lambda: None)
    before: dict[str, Visit] = {}
    for visit in visits:
        device = visit.previous_mpid
        if device is None:
            continue
        if device not in before:
            assert visit.call == "identify"
        account = visit.identities.get("customerid")
        if visit.call == "login":
            assert logged_in[device] is None
            logged_in[device] = account
        elif visit.call == "logout":
            assert account is None
            logged_in[device] = None
        elif visit.call == "modify":
            if visit.changes[0].type == "customerid":
                logged_in[device] = visit.changes[0].new_value
        else:
            assert account == logged_in[device]
        assert device not in before or before[device].at_ms < visit.at_ms
        before[device] = visit


def test_the_traffic_has_the_shape_that_is_written_down(visits: list[Visit]) -> None:
    """Identifies are most of it, each call occurs, and nearly everybody comes on the device of their own."""
    calls = Counter(visit.call for visit in visits)
    assert set(calls) == {"identify", "login", "logout", "search", "modify"}
    assert calls["identify"] > len(visits) / 2
    assert calls["identify"] > 3 * calls["login"] > 9 * calls["logout"] > 9 * calls["modify"]
    assert {visit.input for visit in visits} == INPUTS
    assert 7 * PEOPLE < len(visits) < 12 * PEOPLE
    owners = defaultdict[str, set[int]](set)
    for visit in visits:
        if visit.previous_mpid is not None:
            owners[visit.previous_mpid].add(visit.person)
    assert len(owners["kiosk"]) > 10
    assert sum(len(people) > 1 for people in owners.values()) > 20
    devices = Counter(person for device, people in owners.items() if device != "kiosk" for person in people)
    assert {1, 2, 3, 4} <= set(devices.values())


def test_forms_and_phones_bring_some_junk(visits: list[Visit]) -> None:
    """A few addresses are none, and some phones share the advertising ID that means there is none."""
    values = Counter(value for visit in visits for value in visit.identities.values())
    assert sum(values[junk] for junk in JUNK_VALUES) > 0
    zeroed = {visit.previous_mpid for visit in visits if ZEROED_ID in visit.identities.values()}
    assert len(zeroed) > 1


def test_people_share_no_name_by_chance() -> None:
    """Among many people, each address and each customer ID belongs to one of them alone."""
    people = range(1, 3 * len(FIRST_NAMES) * len(LAST_NAMES))
    addresses = {email(person, person // 2, revision) for person in people for revision in range(3)}
    accounts = {customer_id(person, account) for person in people for account in range(2)}
    assert len(addresses) == 3 * len(people)
    assert len(accounts) == 2 * len(people)
    assert all(address.endswith("@example.com") for address in addresses)


@pytest.mark.parametrize(("people", "hour_ms"), [(0, 1), (-1, 1), (PEOPLE_MAX + 1, 1), (1, 0), (1, 10**12)])
def test_a_size_beyond_the_limits_is_refused(people: int, hour_ms: int) -> None:
    """Too few, too many, too short and too long are refused before anything is generated."""
    with pytest.raises(ValueError, match="1 to"):
        traffic(1, people, START_MS, hour_ms)
