"""How much an input may ask: what a client is told (idsync §4.5)."""

import time
from collections.abc import Iterator

import httpx
import pytest

from knownas.api.limits import HELD_BUCKETS_MAX
from knownas.api.throttle import Exceeded, Throttle, Within
from knownas.config.values import Input, InputPlatform, RateLimits, Secret
from knownas.core.identity.kinds import Identity, IdentityType
from tests.api.settings import with_inputs
from tests.served import KEY, SECRET, Served, served

EMAIL = Identity(IdentityType.EMAIL, "a@example.com")
OTHER = Identity(IdentityType.OTHER, "a")


def source(key: str = "key", *, feed: str | None = None, **limits: float) -> Input:
    """Return an app, or a feed, with limits."""
    return Input("name", None if feed else InputPlatform.WEB, feed, key, Secret("s"), limits=RateLimits(**limits))


def test_without_limits_nothing_is_counted() -> None:
    """An input without limits is never over one, and has no percentage."""
    throttle = Throttle()
    assert {throttle.admit(source(), 0.0) for _ in range(10_000)} == {Within(None)}
    assert {throttle.admit_identities(source(), (EMAIL,), 0.0) for _ in range(10_000)} == {None}


@pytest.mark.parametrize(("feed", "told"), [(None, "app"), ("custom", "feed")])
def test_each_input_has_its_own_limit(feed: str | None, told: str) -> None:
    """One input's requests never use up another's, and a refusal says which kind of input it was."""
    throttle = Throttle()
    one, other = source("one", feed=feed, requests_per_second=0.25, burst_seconds=4), source("other")
    assert throttle.admit(one, 0.0) == Within(100)
    assert throttle.admit(one, 0.0) == Exceeded(told, 4)
    assert throttle.admit(other, 0.0) == Within(None)
    assert throttle.admit(one, 3.0) == Exceeded(told, 1)
    assert throttle.admit(one, 4.0) == Within(100)


def test_each_identity_has_its_own_limit() -> None:
    """An identity that is asked for too often is refused, whatever comes with it; others are not."""
    throttle = Throttle()
    limited = source(per_identity_per_second=1, burst_seconds=1)
    assert throttle.admit_identities(limited, (EMAIL,), 0.0) is None
    assert throttle.admit_identities(limited, (OTHER, EMAIL), 0.0) == Exceeded("system", 1)
    assert throttle.admit_identities(limited, (Identity(IdentityType.EMAIL, "b@example.com"),), 0.0) is None
    assert throttle.admit_identities(source("two", per_identity_per_second=1), (EMAIL,), 0.0) is None
    assert throttle.admit_identities(limited, (EMAIL,), 1.0) is None


def test_the_identities_remembered_are_limited() -> None:
    """However many identities are asked for, memory stays bounded; the longest unused are forgotten first."""
    throttle = Throttle()
    limited = source(per_identity_per_second=0.001, burst_seconds=1)
    assert throttle.admit_identities(limited, (EMAIL,), 0.0) is None
    for number in range(HELD_BUCKETS_MAX):
        assert throttle.admit_identities(limited, (Identity(IdentityType.OTHER, str(number)),), 0.0) is None
        if number == HELD_BUCKETS_MAX // 2:
            assert throttle.admit_identities(limited, (Identity(IdentityType.OTHER, "0"),), 0.0) is not None
    assert throttle.admit_identities(limited, (EMAIL,), 0.0) is None
    assert throttle.admit_identities(limited, (Identity(IdentityType.OTHER, "0"),), 0.0) is not None


LIMITED, LIMITED_FEED, LIMITED_IDENTITIES = "limited-key", "limited-feed-key", "limited-identities-key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an app, a feed and an app with limits, each of a few requests in many seconds."""
    slow = {"requests_per_second": 0.5, "burst_seconds": 8}
    inputs = {
        LIMITED: {"limits": slow},
        LIMITED_FEED: {"limits": slow, "feed": "custom"},
        LIMITED_IDENTITIES: {"limits": {"per_identity_per_second": 0.05, "burst_seconds": 20}},
    }
    with served(tmp_path_factory.mktemp("throttle"), with_inputs(inputs)) as running:
        yield running


def ask(server: Served, key: str, **identities: str) -> httpx.Response:
    """Ask to identify with the key of an input."""
    body = {"environment": "production", "known_identities": identities or {"email": "a@example.com"}}
    return httpx.post(f"{server.url}/v1/identify", json=body, auth=(key, SECRET), timeout=30)


@pytest.mark.parametrize(("key", "told"), [(LIMITED, "app"), (LIMITED_FEED, "feed")])
def test_a_client_over_its_limit_is_told_when_to_come_back(key: str, told: str, server: Served) -> None:
    """429 names whose limit it is and the seconds to wait; who waits so long is served again."""
    answers = [ask(server, key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    used = [int(answer.headers["x-mp-rate-limit-percentage-used"]) for answer in answers]
    assert used[0] == 25
    assert used == sorted(used)
    refused = ask(server, key)
    assert (refused.status_code, refused.content) == (429, b"")
    assert refused.headers["x-mp-rate-limit-exceeded"] == told
    assert refused.headers["x-refusal-reason"] == "rate_limited"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "x-mp-rate-limit-percentage-used" not in refused.headers
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 2
    time.sleep(wait)
    assert ask(server, key).status_code == 200


def test_a_hot_identity_is_refused_by_itself(server: Served) -> None:
    """One identity asked for too often is the system's limit; others of the same input are served."""
    assert ask(server, LIMITED_IDENTITIES, email="hot@example.com").status_code == 200
    refused = ask(server, LIMITED_IDENTITIES, email="hot@example.com", other="new")
    assert refused.status_code == 429
    assert refused.headers["x-mp-rate-limit-exceeded"] == "system"
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert ask(server, LIMITED_IDENTITIES, email="cold@example.com").status_code == 200


def test_who_is_over_the_limit_changes_nothing(server: Served) -> None:
    """A request that is answered 429 has made no profile."""
    assert ask(server, LIMITED_IDENTITIES, email="hotter@example.com").status_code == 200
    assert ask(server, LIMITED_IDENTITIES, email="hotter@example.com", other="kept out").status_code == 429
    assert server.ask("search", {"other": "kept out"}).status_code == 404


def test_an_input_without_limits_is_told_nothing(server: Served) -> None:
    """No percentage is shown where there is no limit, and one input's limits are not another's."""
    answers = [ask(server, KEY) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("x-mp-rate-limit-percentage-used" in answer.headers for answer in answers)


def test_a_refusal_at_the_door_uses_up_nothing(server: Served) -> None:
    """Wrong secrets never use up the limit of the input whose key they come with."""
    key = LIMITED_IDENTITIES
    for _ in range(10):
        assert httpx.post(f"{server.url}/v1/identify", content=b"{}", auth=(key, "wrong")).status_code == 401
    assert ask(server, key, email="still@example.com").status_code == 200


def test_an_input_with_two_keys_has_one_limit() -> None:
    """While a rotated key and its successor are both valid, requests with either count against the same limit."""
    throttle = Throttle()
    old, new = (
        source(key="old", requests_per_second=1.0, burst_seconds=2.0),
        source(key="new", requests_per_second=1.0, burst_seconds=2.0),
    )
    assert isinstance(throttle.admit(old, 0.0, "lasting"), Within)
    assert isinstance(throttle.admit(new, 0.0, "lasting"), Within)
    assert isinstance(throttle.admit(old, 0.0, "lasting"), Exceeded)
