"""How the web SDK is pointed at the server, and how long it may reuse an answer (idsync §4.1, §4.2)."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import OpenShop, Visit
from tests.browser.shop import Certificates, Shop, shop

MAX_AGE_SECONDS = 60
CACHING = {"flags": {"cacheIdentity": "True"}}


@pytest.fixture(scope="module")
def store(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server that lets answers be reused for a minute."""
    scope = {"strategy": "profile_conversion", "settings": {"max_age_seconds": MAX_AGE_SECONDS}}
    with shop(tmp_path_factory.mktemp("pointing"), certificates, scope) as running:
        yield running


def test_a_custom_domain_reaches_the_same_server(store: Shop, visit: Visit) -> None:
    """With `domain` alone the SDK puts its prefix before every identity path, and every call comes through."""
    visitor = visit()
    start = visitor.enter(store, domain=store.host)
    known = visitor.ask("login", customerid="behind-a-domain")
    assert (known.code, known.mpid, known.logged_in) == (200, start.mpid, True)
    assert visitor.ask("modify", email="domain@example.com").body["change_results"]
    assert visitor.search(customerid="behind-a-domain").body["mpid"] == known.mpid
    assert visitor.ask("logout").code == 200
    identity = [path for path in visitor.asked if path.startswith("/identity/")]
    calls = ("identify", "login", f"{known.mpid}/modify", "search", "logout")
    assert identity == [f"/identity/v1/{call}" for call in calls]
    assert store.profile(known.mpid)["identities"]["email"] == ["domain@example.com"]


def test_development_mode_has_users_of_its_own(store: Shop, visit: Visit) -> None:
    """A page in development mode gets profiles of that environment, and the same person is another in production."""
    developing, shopping = visit(), visit()
    developing.enter(store, isDevelopmentMode=True)
    shopping.enter(store)
    tried, real = (visitor.ask("login", customerid="in-both") for visitor in (developing, shopping))
    assert tried.mpid != real.mpid
    assert store.profile(tried.mpid)["environment"] == "development"
    assert store.profile(real.mpid)["environment"] == "production"


def test_an_answer_is_reused_until_it_is_too_old(store: Shop, visit: Visit) -> None:
    """A page may read X-MP-Max-Age: the same login asks nothing within it, and asks again after it."""
    visitor = visit()
    visitor.page.clock.install()
    visitor.enter(store, **CACHING)
    told = []
    for seconds in (0, MAX_AGE_SECONDS - 10, 11):
        visitor.wait(seconds)
        told.append(visitor.ask("login", customerid="comes-often"))
    assert {(one.code, one.mpid, one.logged_in) for one in told} == {(200, told[0].mpid, True)}
    assert visitor.asked == ["/v1/identify", "/v1/login", "/v1/login"]


def test_with_no_max_age_every_call_is_asked(open_shop: OpenShop, visit: Visit) -> None:
    """Where the scope sets `max_age_seconds: 0`, the SDK reuses nothing though it would like to."""
    store = open_shop({"strategy": "profile_conversion", "settings": {"max_age_seconds": 0}})
    visitor = visit()
    visitor.page.clock.install()
    visitor.enter(store, **CACHING)
    for _ in range(2):
        visitor.ask("login", customerid="comes-often")
        visitor.wait(1)
    assert visitor.asked == ["/v1/identify", "/v1/login", "/v1/login"]
