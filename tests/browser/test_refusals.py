"""What the web SDK's callback is told when the server says no, or says nothing (idsync §4.4, §4.6)."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import OpenShop, Visit
from tests.browser.shop import Certificates, Shop, shop
from tests.browser.visitor import NOT_ANSWERED
from tests.served import KEY

ISOLATION = {"strategy": "profile_isolation"}


@pytest.fixture(scope="module")
def store(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server under Profile Isolation, which refuses a login without a login ID."""
    with shop(tmp_path_factory.mktemp("refusals"), certificates, ISOLATION) as running:
        yield running


@pytest.mark.parametrize(("key", "reason"), [("no-such-key", "unknown_key"), (KEY, "key_only_not_allowed")])
def test_a_key_that_is_refused_reaches_the_callback(store: Shop, visit: Visit, key: str, reason: str) -> None:
    """A 401 comes through as a 401, not as a failure of the network that only the console explains."""
    visitor = visit()
    told = visitor.enter(store, key)
    assert (told.code, told.body, told.mpid) == (NOT_ANSWERED, "Received HTTP Code of 401", None)
    with visitor.page.expect_response("**/v1/search*") as answered:
        assert visitor.search(key, customerid="1").code == 401
    assert answered.value.headers["x-refusal-reason"] == reason
    assert visitor.cross_origin_failures == []


def test_a_request_without_identities_is_explained(store: Shop, visit: Visit) -> None:
    """A 400 comes with its reason, and the user of before stays."""
    visitor = visit()
    before = visitor.enter(store)
    visitor.page.evaluate("mParticle.setDeviceId('')")
    told = visitor.ask("identify", customerid="")
    assert (told.code, told.mpid) == (400, before.mpid)
    assert (told.body["ErrorCode"], told.body["StatusCode"]) == ("LOOKUP_ERROR", 400)
    assert told.body["Errors"][0]["message"] == "knownIdentities is empty."
    assert visitor.cross_origin_failures == []


def test_a_login_without_a_login_id_is_explained(store: Shop, visit: Visit) -> None:
    """Profile Isolation tells the callback that a login needs a login ID, and the user of before stays."""
    visitor = visit()
    before = visitor.enter(store)
    told = visitor.ask("login")
    assert (told.code, told.body["Errors"][0]["code"], told.mpid) == (400, "LOOKUP_ERROR", before.mpid)


def test_a_user_outlives_the_server(open_shop: OpenShop, visit: Visit) -> None:
    """While the server is gone the SDK keeps its user, and the server that comes back knows the same one."""
    visitor = visit()
    store = open_shop(ISOLATION)
    visitor.enter(store)
    known = visitor.ask("login", customerid="patient")
    store.server.kill()
    told = visitor.ask("login", customerid="someone-else")
    assert (told.code, told.mpid, told.logged_in) == (NOT_ANSWERED, known.mpid, True)
    assert visitor.enter(open_shop(ISOLATION)).mpid == known.mpid
    confirmed = visitor.ask("identify", customerid="patient")
    assert (confirmed.code, confirmed.mpid, confirmed.logged_in) == (200, known.mpid, True)
