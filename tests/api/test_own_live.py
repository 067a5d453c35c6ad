"""What comes through the inputs can be followed by a program: each decision, batch and refusal, by ids and names alone."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from knownas.service.live.limits import LINES_A_LOOK_MAX, TEXT_CHARACTERS_MAX
from knownas.store.memory.store import MemoryStore
from knownas.store.opening import open_store
from tests.console.people_stage import NEAR, OWN, event, sender
from tests.console.stage import TOKEN, Stage, running

BEARER = {"authorization": f"Bearer {TOKEN}"}
PERSON = {"customerid": "canary-customer", "email": "canary@example.com"}


async def follow(stage: Stage, **query: Any) -> dict[str, Any]:
    """Ask for lines."""
    async with sender(stage) as http:
        answer = await http.get("/api/live", params=query, headers=BEARER)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def post(http: httpx.AsyncClient, path: str, body: Any, auth: tuple[str, str] = OWN) -> httpx.Response:
    """Send something as an app does."""
    return await http.post(path, json=body, auth=auth)


def told(lines: list[dict[str, Any]], *members: str) -> list[tuple[Any, ...]]:
    """Return some members of each line."""
    return [tuple(one[name] for name in members) for one in lines]


def standing_in(folder: Path, text: str) -> list[str]:
    """Return the files of a folder in which a text stands."""
    return [one.name for one in folder.iterdir() if text.encode() in one.read_bytes()]


async def test_everything_that_comes_is_a_line() -> None:
    """Each endpoint, a batch, an alias request and a profile that is brought over: what was asked, what became of it, and its receipt."""
    async with running() as stage, sender(stage) as http:
        asked = {"environment": "production", "known_identities": PERSON}
        made = await post(http, "/v1/identify", asked)
        mpid = made.json()["mpid"]
        await post(http, "/v1/login", asked)
        await post(
            http, "/v1/logout", {"environment": "development", "known_identities": {"ios_idfv": "canary-device"}}
        )
        await post(http, "/v1/search", {**asked, "known_identities": {"email": "canary-nobody@example.com"}})
        changes = [{"identity_type": "email", "old_value": PERSON["email"], "new_value": "canary-new@example.com"}]
        await post(http, f"/v1/{mpid}/modify", {"environment": "production", "identity_changes": changes})
        batch = {"environment": "production", "mpid": mpid, "events": [event("canary"), event("canary")]}
        taken = await post(http, "/v2/events", {**batch, "user_attributes": {"a": "canary"}})
        other = (await post(http, "/v1/identify", {**asked, "known_identities": {"customerid": "canary-2"}})).json()[
            "mpid"
        ]
        alias = {
            "request_id": "alias-7",
            "request_type": "alias",
            "environment": "production",
            "api_key": OWN[0],
            "data": {
                "source_mpid": other,
                "destination_mpid": mpid,
                "start_unixtime_ms": stage.clock() - 60_000,
                "end_unixtime_ms": stage.clock(),
            },
        }
        aliased = await http.post(f"/v1/identity/{OWN[0]}/alias", json=alias)
        assert aliased.status_code == 202, aliased.text
        seeds = {"environment": "production", "identities": {"customerid": ["canary-3"]}}
        seeded = await http.post("/api/scopes/shop/profiles", json=seeds, headers=BEARER)
        followed = await follow(stage)
        lines = followed["items"]
        assert told(lines, "asked", "kind", "outcome", "environment", "input") == [
            ("identify", "decision", "created", "production", "app"),
            ("login", "decision", "known", "production", "app"),
            ("logout", "decision", "created", "development", "app"),
            ("search", "decision", "not_found", "production", "app"),
            ("modify", "decision", "modified", "production", "app"),
            ("events", "events", "kept", "production", "app"),
            ("identify", "decision", "created", "production", "app"),
            ("alias", "decision", "queued", "production", "app"),
            ("seed", "decision", "seeded", "production", None),
        ]
        assert lines[0]["decision_id"] == made.headers["x-decision-id"]
        assert lines[0]["identity_types"] == ["customerid", "email"]
        assert (lines[5]["receipt_id"], lines[5]["events"]) == (taken.headers["x-receipt-id"], {"custom_event": 2})
        assert (lines[7]["request_id"], lines[7]["mpid"], lines[8]["mpid"]) == ("alias-7", mpid, seeded.json()["mpid"])
        assert all(one["milliseconds"] > 0 and one["scope"] == "shop" for one in lines)
        # No value of anybody is in what was noted.
        assert "canary" not in str(followed)
        for one in lines:
            ids = {"decisions": one["decision_id"], "batches": one["receipt_id"], "aliases": one["request_id"]}
            for where, which in ids.items():
                if which is not None:
                    assert (await http.get(f"/api/{where}/{which}", headers=BEARER)).status_code == 200, (where, which)


async def test_each_refusal_is_a_line() -> None:
    """Of a body that can't be read with its input and what is wrong; of a wrong key without it; of a refused batch with its receipt."""
    async with running() as stage, sender(stage) as http:
        wrong = {"environment": "prod", "known_identities": PERSON}
        asked = {"environment": "production", "known_identities": {}}
        await post(http, "/v1/identify", wrong)
        await post(http, "/v1/identify", asked)
        await post(http, "/v1/login", asked, ("canary-key", "canary-secret"))
        await post(http, "/v1/login", asked, (OWN[0], "canary-secret"))
        await post(http, "/v2/events", {"environment": "production", "mpid": "5"})
        await post(http, "/v2/events", {"environment": "nowhere"})
        await http.post("/v3/JS/canary-key/events", json={})
        await http.post("/v1/identity/canary-key/alias", json={})
        await http.post("/v2/calculatedattributes", json={}, auth=("canary-key", "canary-secret"))
        await http.get("/v1/identify")
        followed = await follow(stage)
        assert told(followed["items"], "asked", "input", "environment", "reason") == [
            ("identify", "app", None, "invalid_member"),
            ("identify", "app", "production", "no_identities"),
            ("login", None, None, "unknown_key"),
            ("login", None, None, "wrong_secret"),
            ("events", "app", "production", "unknown_mpid"),
            ("events", "app", None, "invalid_environment"),
            ("events", None, None, "unknown_key"),
            ("alias", None, None, "unknown_key"),
            ("seeding", None, None, "unknown_key"),
            ("idsync", None, None, "method_not_allowed"),
        ]
        assert {(one["kind"], one["outcome"]) for one in followed["items"]} == {("refusal", "refused")}
        assert "prod" in followed["items"][0]["sentence"]
        assert [one["decision_id"] is not None for one in followed["items"][:3]] == [False, True, False]
        assert followed["items"][4]["receipt_id"] is not None
        assert "canary" not in str(followed)


async def test_lines_are_followed_from_where_they_were_seen() -> None:
    """Whatever came since, a part at a time; a filter that leaves out everything moves on as well."""
    async with running() as stage, sender(stage) as http:
        for number in range(5):
            known = {"customerid": f"c-{number}"}
            await post(
                http, "/v1/identify", {"environment": "production", "known_identities": known}, (OWN, NEAR)[number % 2]
            )
        newest = await follow(stage, limit=2)
        assert (len(newest["items"]), newest["more"], newest["missed"]) == (2, False, 0)
        assert (await follow(stage, after=newest["next"]))["items"] == []
        for number in range(5, 8):
            known = {"customerid": f"c-{number}"}
            await post(http, "/v1/identify", {"environment": "production", "known_identities": known})
        first = await follow(stage, after=newest["next"], limit=2)
        second = await follow(stage, after=first["next"], limit=2)
        assert [len(first["items"]), first["more"], len(second["items"]), second["more"]] == [2, True, 1, False]
        assert len((await follow(stage, workspace=101))["items"]) == 2
        assert (await follow(stage, after=newest["next"], workspace=101))["next"] == second["next"]
        mpid = newest["items"][0]["mpid"]
        assert told((await follow(stage, text=mpid))["items"], "mpid") == [(mpid,)]


async def test_two_servers_over_one_database_are_followed_together() -> None:
    """With the one place, whichever answers: each line comes once."""
    store = MemoryStore()
    async with running(store=store) as one, running(store=store) as other:
        asked = {"environment": "production", "known_identities": {"customerid": "c-1"}}
        place: dict[str, Any] = {}
        servers: list[str] = []
        for stage in (one, other, other, one):
            async with sender(stage) as http:
                await post(http, "/v1/identify", asked)
            page = await follow(stage, **place)
            place = {"after": page["next"]}
            servers += [line["server"] for line in page["items"]]
        assert len(servers) == 4
        for stage in (one, other):
            assert (await follow(stage, **place))["items"] == []


async def test_nothing_is_left_after_a_restart(tmp_path: Path) -> None:
    """The lines are in the memory of the process alone: what changed nothing stands in no file, and no later process knows it."""
    database = f"sqlite:///{tmp_path / 'live.db'}"
    async with running(store=open_store(database)) as stage, sender(stage) as http:
        asked = {"environment": "production", "known_identities": PERSON}
        await post(http, "/v1/identify", asked)
        again = (await post(http, "/v1/identify", asked)).headers["x-decision-id"]
        # The setup remembers the last thing of an input, wherever it is watched.
        await post(http, "/v1/identify", asked)
        before = await follow(stage)
        assert len(before["items"]) == 3
    assert not standing_in(tmp_path, again)
    async with running(store=open_store(database)) as stage:
        after = await follow(stage, after=before["next"])
        assert (after["items"], after["missed"]) == ([], 0)
        assert (await follow(stage))["items"] == []


async def test_only_whom_somebody_asks_for_is_noted() -> None:
    """A line shows nothing of anybody; whoever asks for one profile's lines looks at it, once for as long as they follow."""
    async with running() as stage, sender(stage) as http:
        asked = {"environment": "production", "known_identities": PERSON}
        mpid = (await post(http, "/v1/identify", asked)).json()["mpid"]
        await follow(stage)
        assert await stage.audited() == []
        page = await follow(stage, text=mpid)
        await follow(stage, text=mpid, after=page["next"])
        assert await stage.audited() == [(int(mpid), "admin", "followLive", 200)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("after=x", "malformed_after"),
        ("after=0000000a-1_", "malformed_after"),
        ("kind=visit", "invalid_kind"),
        ("outcome=fine", "invalid_outcome"),
        ("environment=staging", "invalid_environment"),
        ("workspace=x", "invalid_workspace"),
        (f"limit={LINES_A_LOOK_MAX + 1}", "invalid_limit"),
        ("limit=0", "invalid_limit"),
        (f"text={'x' * (TEXT_CHARACTERS_MAX + 1)}", "invalid_text"),
    ],
)
async def test_what_can_not_be_asked_is_refused(query: str, code: str) -> None:
    """With its code."""
    async with running() as stage, sender(stage) as http:
        answer = await http.get(f"/api/live?{query}", headers=BEARER)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
