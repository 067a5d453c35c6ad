"""The web SDK's users under each strategy: who they are before, during and after a login (idsync §3.1, §3.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from tests.browser.conftest import Visit
from tests.browser.shop import Certificates, Shop, shop
from tests.browser.visitor import ACTIVE_SESSION, Answer, Visitor

SESSION_SECONDS = 30 * 60
_NUMBERS = count(1)


@dataclass(frozen=True)
class Strategy:
    """What a strategy's preset does, as the table of idsync §3.1 has it."""

    name: str
    new_user_keeps_the_profile: bool = False
    new_user_has_a_source: bool = False
    logout_starts_a_profile: bool = False
    email_is_unique_and_logs_in: bool = False


STRATEGIES = [
    Strategy("profile_conversion", new_user_keeps_the_profile=True, logout_starts_a_profile=True),
    Strategy(
        "profile_link", new_user_has_a_source=True, logout_starts_a_profile=True, email_is_unique_and_logs_in=True
    ),
    Strategy("profile_isolation", email_is_unique_and_logs_in=True),
]


@pytest.fixture(scope="module", params=STRATEGIES, ids=lambda strategy: strategy.name)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    """The strategy under test."""
    return request.param


@pytest.fixture(scope="module")
def store(strategy: Strategy, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server under that strategy's preset."""
    with shop(tmp_path_factory.mktemp(strategy.name), certificates, {"strategy": strategy.name}) as running:
        yield running


@pytest.fixture
def someone() -> dict[str, str]:
    """Login identities that nobody else has."""
    number = next(_NUMBERS)
    return {"customerid": f"customer-{number}", "email": f"customer-{number}@example.com"}


@pytest.fixture
def someone_else(someone: dict[str, str]) -> dict[str, str]:
    """The identities of another person."""
    return {kind: f"other-{value}" for kind, value in someone.items()}


def test_a_first_visit_makes_an_anonymous_profile(store: Shop, visit: Visit) -> None:
    """A browser that was never seen gets an MPID, and the profile behind it holds the browser's stamp alone."""
    visitor = visit()
    told = visitor.enter(store)
    assert (told.code, told.logged_in, told.previous_mpid) == (200, False, None)
    assert isinstance(told.mpid, str)
    assert told.body["mpid"] == told.mpid
    profile = store.profile(told.mpid)
    assert (profile["known"], profile["orphan"], profile["environment"]) == (False, False, "production")
    assert profile["identities"] == {"device_application_stamp": [visitor.stamp]}


def test_a_returning_visitor_is_the_same_user(store: Shop, visit: Visit, someone: dict[str, str]) -> None:
    """A reload keeps the user without a request, and the next session's identify confirms the same MPID."""
    visitor = visit()
    visitor.page.clock.install()
    _come_back_twice(visitor, visitor.enter(store))
    _come_back_twice(visitor, visitor.ask("login", **someone))


def _come_back_twice(visitor: Visitor, before: Answer) -> None:
    asked = list(visitor.asked)
    reloaded = visitor.reload()
    assert (reloaded.code, reloaded.mpid, reloaded.logged_in) == (ACTIVE_SESSION, before.mpid, before.logged_in)
    assert visitor.asked == asked
    visitor.wait(SESSION_SECONDS + 1)
    returned = visitor.reload()
    assert (returned.code, returned.mpid, returned.logged_in) == (200, before.mpid, before.logged_in)
    assert visitor.asked == [*asked, "/v1/identify"]


def test_a_sign_up_follows_the_strategy(strategy: Strategy, store: Shop, visit: Visit, someone: dict[str, str]) -> None:
    """A new user keeps the anonymous profile, gets one that names its source, or gets one that knows of nothing."""
    visitor = visit()
    anonymous = visitor.enter(store)
    known = visitor.ask("login", **someone)
    assert (known.code, known.logged_in) == (200, True)
    assert (known.mpid == anonymous.mpid) is strategy.new_user_keeps_the_profile
    if not strategy.new_user_keeps_the_profile:
        assert known.previous_mpid == anonymous.mpid
        assert store.profile(anonymous.mpid)["identities"] == {"device_application_stamp": [visitor.stamp]}
    profile = store.profile(known.mpid)
    assert profile["known"] is True
    assert profile["source_mpid"] == (anonymous.mpid if strategy.new_user_has_a_source else None)
    held = {**someone, "device_application_stamp": visitor.stamp}
    assert profile["identities"] == {kind: [value] for kind, value in held.items()}


def test_a_logout_follows_the_strategy(strategy: Strategy, store: Shop, visit: Visit, someone: dict[str, str]) -> None:
    """A logout starts a new anonymous profile, or returns to the one the browser had; the user keeps the old one."""
    visitor = visit()
    anonymous = visitor.enter(store)
    known = visitor.ask("login", **someone)
    before = store.profile(known.mpid)["identities"]
    left = visitor.ask("logout")
    assert (left.code, left.logged_in, left.previous_mpid) == (200, False, known.mpid)
    if strategy.logout_starts_a_profile:
        assert left.mpid not in {anonymous.mpid, known.mpid}
    else:
        assert left.mpid == anonymous.mpid
    assert store.profile(left.mpid)["identities"] == {"device_application_stamp": [visitor.stamp]}
    assert store.profile(known.mpid)["identities"] == before


def test_a_user_is_the_same_after_every_login(store: Shop, visit: Visit, someone: dict[str, str]) -> None:
    """Whoever logs in again is the same user, in the browser they know and in one that never saw them."""
    home, elsewhere = visit(), visit()
    home.enter(store)
    known = home.ask("login", **someone)
    home.ask("logout")
    again = home.ask("login", **someone)
    assert (again.mpid, again.logged_in) == (known.mpid, True)
    stranger = elsewhere.enter(store)
    assert stranger.mpid != known.mpid
    there = elsewhere.ask("login", **someone)
    assert (there.mpid, there.logged_in, there.previous_mpid) == (known.mpid, True, stranger.mpid)
    stamps = store.profile(known.mpid)["identities"]["device_application_stamp"]
    assert sorted(stamps) == sorted([home.stamp, elsewhere.stamp])


def test_people_who_share_a_browser_are_not_mixed_up(
    strategy: Strategy, store: Shop, visit: Visit, someone: dict[str, str], someone_else: dict[str, str]
) -> None:
    """The next person's first login in the same browser never reaches the first person's profile."""
    visitor = visit()
    visitor.enter(store)
    first = visitor.ask("login", **someone)
    between = visitor.ask("logout")
    second = visitor.ask("login", **someone_else)
    assert second.logged_in
    assert second.mpid != first.mpid
    assert (second.mpid == between.mpid) is strategy.new_user_keeps_the_profile
    assert store.profile(first.mpid)["identities"]["customerid"] == [someone["customerid"]]
    assert store.profile(second.mpid)["identities"]["customerid"] == [someone_else["customerid"]]


def test_a_changed_address_stays_the_same_user(store: Shop, visit: Visit, someone: dict[str, str]) -> None:
    """A modify replaces the e-mail, tells the callback what changed, and leaves user and login as they were."""
    visitor = visit()
    visitor.enter(store)
    known = visitor.ask("login", **someone)
    address = f"new-{someone['email']}"
    modified = visitor.ask("modify", email=address)
    assert (modified.code, modified.mpid, modified.logged_in) == (200, known.mpid, True)
    assert modified.body["change_results"] == [{"identity_type": "email", "modified_mpid": known.mpid}]
    assert store.profile(known.mpid)["identities"]["email"] == [address]
    removed = visitor.ask("modify", email=None)
    assert removed.body["change_results"] == [{"identity_type": "email", "modified_mpid": known.mpid}]
    assert "email" not in store.profile(known.mpid)["identities"]


def test_an_address_moves_where_it_is_unique(
    strategy: Strategy, store: Shop, visit: Visit, someone: dict[str, str]
) -> None:
    """A modify takes a unique e-mail from the profile that another channel made, and tells of both profiles."""
    address = f"typed-in-a-form-{someone['email']}"
    donor = store.feed(email=address)["mpid"]
    visitor = visit()
    visitor.enter(store)
    known = visitor.ask("login", **someone)
    modified = visitor.ask("modify", email=address)
    changed = {one["modified_mpid"] for one in modified.body["change_results"]}
    assert modified.mpid == known.mpid
    assert store.profile(known.mpid)["identities"]["email"] == [address]
    if strategy.email_is_unique_and_logs_in:
        assert changed == {known.mpid, donor}
        assert (store.profile(donor)["orphan"], store.profile(donor)["identities"]) == (True, {})
    else:
        assert changed == {known.mpid}
        assert store.profile(donor)["identities"] == {"email": [address]}


def test_a_search_finds_by_login_ids_only(
    strategy: Strategy, store: Shop, visit: Visit, someone: dict[str, str], someone_else: dict[str, str]
) -> None:
    """A search tells the MPID behind a login ID, says when there is none, creates nothing, and changes no user."""
    customer, visitor = visit(), visit()
    customer.enter(store)
    known = customer.ask("login", **someone)
    own = visitor.enter(store)
    found = visitor.search(customerid=someone["customerid"])
    assert (found.code, found.body["mpid"], found.body["is_logged_in"]) == (200, known.mpid, True)
    by_address = visitor.search(email=someone["email"])
    assert by_address.code == (200 if strategy.email_is_unique_and_logs_in else 404)
    for _ in range(2):
        missed = visitor.search(**someone_else)
        assert (missed.code, missed.body["Errors"][0]["code"]) == (404, "NOT_FOUND_ERROR")
    assert (visitor.reload().mpid, own.logged_in) == (own.mpid, False)
    assert visitor.cross_origin_failures == []
