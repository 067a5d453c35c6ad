"""What operators ask a started server: is it alive, is it ready, what does it count."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.served import KEY, SECRET, Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("operations")) as running:
        yield running


def samples(server: Served) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the metrics the way Prometheus does: every sample by its name and labels."""
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_server_is_alive_and_ready(server: Served) -> None:
    """Health and readiness are 200 and need no credentials."""
    for path, status in (("healthz", "alive"), ("readyz", "ready")):
        answer = httpx.get(f"{server.url}/{path}")
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_the_root_shows_the_way(server: Served) -> None:
    """Who opens the address of the server is told where to go on, and every way leads somewhere."""
    ways = httpx.get(server.url).json()
    for name in ("api", "health", "ready", "metrics"):
        assert httpx.get(server.url + ways[name]).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
def test_operators_only_read(path: str, server: Served) -> None:
    """Any method but GET and HEAD is 405, and says so."""
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = httpx.request(method, server.url + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"
    assert httpx.head(server.url + path).status_code == 200


def test_a_server_whose_store_is_gone_is_alive_and_not_ready(tmp_path: Path) -> None:
    """When the database file is gone, readiness is 503 with a reason; the process still says that it lives."""
    with served(tmp_path) as running:
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        for file in tmp_path.glob("knownas.db*"):
            file.unlink()
        gone = httpx.get(f"{running.url}/readyz")
        assert (gone.status_code, gone.json()["error"]["code"]) == (503, "store_unavailable")
        assert httpx.head(f"{running.url}/readyz").status_code == 503
        assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_decisions_are_counted_by_what_came_of_them(server: Served) -> None:
    """Each answer adds one to its endpoint, scope and outcome, and its time to the latencies."""
    before = samples(server)
    server.ask("identify", {"other": "counted"})
    server.ask("identify", {"other": "counted"})
    server.ask("login", {"customerid": "counted", "other": "counted"})
    server.ask("login", {"customerid": "counted"})
    server.ask("identify", {"other9": "nothing leads to it"})
    server.ask("search", {"other": "nobody"})
    server.ask("identify", {})
    after = samples(server)

    def counted(endpoint: str, outcome: str) -> float:
        key = ("knownas_decisions_total", (("endpoint", endpoint), ("outcome", outcome), ("scope", "shop")))
        return after.get(key, 0) - before.get(key, 0)

    assert counted("identify", "created") == 1
    assert counted("identify", "anonymous") == 1
    assert counted("login", "became_known") == 1
    assert counted("login", "known") == 1
    assert counted("identify", "created_without_identities") == 1
    assert counted("search", "not_found") == 1
    assert counted("identify", "refused") == 1
    count = ("knownas_decision_seconds_count", ())
    assert after[count] - before.get(count, 0) == 7
    seconds = ("knownas_decision_seconds_sum", ())
    assert 0 < after[seconds] - before.get(seconds, 0) < 60


def test_refusals_are_counted_by_their_reason(server: Served) -> None:
    """Each refusal adds one to its surface and reason, whoever asked."""
    before = samples(server)
    server.ask("identify", {"shoe_size": "44"})
    server.ask("search", {"other": "nobody"})
    httpx.post(f"{server.url}/v1/identify", content=b"{}")
    httpx.get(f"{server.url}/api/profiles/1")
    httpx.get(f"{server.url}/nowhere")
    after = samples(server)

    def counted(surface: str, reason: str) -> float:
        key = ("knownas_refusals_total", (("reason", reason), ("surface", surface)))
        return after.get(key, 0) - before.get(key, 0)

    assert counted("idsync", "unknown_identity_type") == 1
    assert counted("idsync", "not_found") == 1
    assert counted("idsync", "no_credentials") == 1
    assert counted("own", "unauthorised") == 1
    assert counted("own", "unknown_path") == 1


def test_the_latencies_are_a_histogram(server: Served) -> None:
    """The buckets never fall as their bound rises, and the last one holds everything."""
    server.ask("identify", {"other": "timed"})
    found = samples(server)
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("seconds_bucket")}
    counts = [buckets[bound] for bound in sorted(buckets, key=float)]
    assert counts == sorted(counts)
    assert counts[-1] == found["knownas_decision_seconds_count", ()]


def test_odd_requests_add_no_metric(server: Served) -> None:
    """What a client makes up never becomes a label: the number of series is bounded by the server."""

    def ask(number: int) -> None:
        httpx.post(f"{server.url}/v1/identify", content=b"{}", headers={"x-mp-key": f"made-up-{number}"})
        httpx.get(f"{server.url}/made-up-{number}")
        httpx.post(f"{server.url}/v1/{number}/modify", content=b"{}", auth=(KEY, SECRET))
        server.ask("identify", {f"made_up_{number}": "x"})

    ask(0)
    before = set(samples(server))
    for number in range(1, 20):
        ask(number)
    assert set(samples(server)) == before
