"""What the pages state as facts, in tables and sentences, holds against a started server."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.served import KEY, SECRET, WEB_KEY, WEB_SECRET, Served, configuration, served

SCOPE = {
    "strategy": "profile_conversion",
    "priority": ["customerid", "email", "device_application_stamp"],
    "login_ids": ["customerid"],
    "unique_ids": ["customerid"],
}
LIMITED_KEY = "limited-key-for-tests"
AT_ONCE = 40
"""More requests than the two limits of that key let through in a second."""


def text_of(*parts: str) -> str:
    """Return a page of the documentation."""
    return ROOT.joinpath("docs", *parts).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the policy of the worked examples, and an input with limits."""
    document = configuration({**SCOPE, "immutable_ids": ["customerid"]})
    document["scopes"].append({"name": "examples", **SCOPE})
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    limits = {"requests_per_second": 2, "per_identity_per_second": 1, "burst_seconds": 1}
    limited = {"name": "limited", "platform": "web", "key": LIMITED_KEY, "secret": "limited-secret-for-tests"}
    workspace["inputs"].append({**limited, "allow_key_only": True, "limits": limits})
    examples = {"id": 200, "name": "Examples", "scope": "examples", "key": "examples-key", "secret": "examples-secret"}
    app = {"name": "app", "platform": "ios", "key": "examples-app", "secret": SECRET}
    document["organization"]["accounts"][0]["workspaces"].append({**examples, "inputs": [app]})
    with served(tmp_path_factory.mktemp("claims"), document) as running:
        yield running


def test_seeding_answers_as_the_table_says(server: Served) -> None:
    """Each row of the table of answers to a profile that comes over is what the server answers."""
    rows = re.findall(r"^\| (\d+) \| ([^|]*)\|", text_of("how-to", "bring-profiles-over.md"), re.MULTILINE)
    told = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes) or [""]}

    def seed(mpid: str | None, **identities: list[str]) -> tuple[str, int]:
        body = {"environment": "production", "mpid": mpid, "identities": identities}
        with server.api as api:
            answer = api.post("/api/scopes/shop/profiles", json=body)
        return answer.json().get("error", {}).get("code", ""), answer.status_code

    answers = [
        seed("77", customerid=["ann"], email=["a@example.com", "b@example.com"]),
        seed("77", customerid=["bob"]),
        seed("78", customerid=["ann"]),
        seed("79", customerid=["cid", "dee"]),
        seed("80", email=[f"{number}@example.com" for number in range(1_001)]),
    ]
    assert answers == [
        (code, told[code]) for code in ("", "mpid_taken", "unique_taken", "immutable_change", "too_many_values")
    ]


async def test_limits_answer_as_the_page_says(server: Served) -> None:
    """Over each of the two limits the answer is 429 without a body, and its headers are the ones the page names."""
    async with httpx.AsyncClient(base_url=server.url, headers={"x-mp-key": LIMITED_KEY}, timeout=30) as app:

        async def ask() -> httpx.Response:
            body = {"environment": "production", "known_identities": {"device_application_stamp": "one"}}
            return await app.post("/v1/identify", json=body)

        # All at once: one after the other may come no faster than is allowed, where others use the machine as well.
        answers = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    refused = {}
    for answer in answers:
        if answer.status_code == 200:
            assert int(answer.headers["X-mp-rate-limit-percentage-used"]) > 0
            continue
        assert (answer.status_code, answer.content) == (429, b"")
        assert int(answer.headers["Retry-After"]) >= 1
        refused[answer.headers["X-mp-rate-limit-exceeded"]] = answer.headers["X-Refusal-Reason"]
    assert len(answers) > len([one for one in answers if one.status_code == 429]) > 0
    assert refused == {"app": "rate_limited", "system": "rate_limited"}


def test_a_key_does_what_its_table_says(server: Served) -> None:
    """The web key alone opens what the page about security says, and the admin API needs its token."""
    body = {"environment": "production", "known_identities": {"device_application_stamp": "alone"}}
    for headers, status in (({"x-mp-key": WEB_KEY}, 200), ({"x-mp-key": KEY}, 401), ({}, 401)):
        assert httpx.post(f"{server.url}/v1/identify", json=body, headers=headers, timeout=30).status_code == status
    assert httpx.post(f"{server.url}/v1/identify", json=body, auth=(WEB_KEY, WEB_SECRET), timeout=30).status_code == 200
    for path, status in (("/", 200), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/api/profiles/1", 401)):
        assert httpx.get(server.url + path, timeout=30).status_code == status


def worked_examples() -> list[list[str]]:
    """Return the rows of the table of worked examples: records before, request, lookup, answer."""
    part = text_of("explanation", "how-a-decision-is-made.md").partition("## Worked examples\n")[2]
    rows = [line.strip("| ").split(" | ") for line in part.partition("\nThe second row")[0].splitlines()]
    return [row for row in rows if len(row) == 4 and row[0] != "Records before"]


TYPES = {"customerid": "customerid", "device": "device_application_stamp", "email": "email"}


def test_worked_examples_come_out_as_told(server: Served) -> None:
    """The rows of the worked examples, one after the other, give the profiles that the page says they do."""
    names: dict[str, str] = {}
    rows = worked_examples()
    assert len(rows) == 7
    for _, request, _, answer in rows:
        endpoint, _, given = request.partition(" ") if request.startswith("modify") else request.partition(", ")
        if endpoint == "modify":
            number, value = given[0], given.rsplit(" ", 1)[1]
            change = {"identity_type": "email", "old_value": None, "new_value": value}
            body: dict[str, Any] = {"environment": "production", "identity_changes": [change]}
            made = _post(server, f"{names[number]}/modify", body)
        else:
            identities = {TYPES[kind]: value for kind, value in (one.split(" ") for one in given.split(", "))}
            made = _post(server, endpoint, {"environment": "production", "known_identities": identities})
        number = next(digit for digit in answer if digit.isdecimal())
        assert ("new profile" in answer) is (number not in names)
        assert names.setdefault(number, made["mpid"]) == made["mpid"], request
        assert made["is_logged_in"] is ("anonymous" not in answer)
    assert len(set(names.values())) == len(names)


def _post(server: Served, call: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}/v1/{call}", json=body, auth=("examples-app", SECRET), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_ties_come_out_as_told(server: Served) -> None:
    """Of two visitors on one device the previous one answers, else the one that was active last."""
    stamp = {"device_application_stamp": "tied"}
    five, six = (
        _post(server, "logout", {"environment": "production", "known_identities": given})["mpid"]
        for given in ({**stamp, "email": "five@example.com"}, stamp)
    )
    asked = [
        ({"known_identities": stamp, "previous_mpid": five}, five),
        ({"known_identities": {**stamp, "email": "five@example.com"}}, five),
    ]
    last = _post(server, "identify", {"environment": "production", "known_identities": stamp})["mpid"]
    assert last == six
    for body, wanted in asked:
        assert _post(server, "identify", {"environment": "production", **body})["mpid"] == wanted
