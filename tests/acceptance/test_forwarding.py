"""Events reach outputs over HTTP alone: each kept batch once, with the identities that the connection lets out, whatever is killed."""

import json
from pathlib import Path

from tests.acceptance.receiver import listening, made, webhook
from tests.served import FEED_KEY, FEED_SECRET, KEY, SECRET, configuration, served
from tests.waiting import wait_until

WITHIN_SECONDS = 30
CONNECTIONS = "/api/workspaces/100/connections"


def test_what_an_input_brings_is_forwarded_once_whatever_is_killed(tmp_path: Path) -> None:
    """Each batch of the app in its order, under a digest and no other identity; nothing of the feed; across a kill and failing requests."""
    with listening() as (url, receiver):
        with served(tmp_path, configuration()) as running, running.api as api:
            output = webhook(api, url, "/events")
            written = {"input": "app", "output": output, "identities": ["email"], "hash": True}
            connection = made(api.post(CONNECTIONS, json=written))
            assert (connection["input"], connection["output"]) == (KEY, output)
            wrong = api.post(CONNECTIONS, json={**written, "input": "moon"})
            assert (wrong.status_code, wrong.json()["error"]["faults"][0]["place"]) == (400, "/input")
            receiver.fails = 2
            for number in range(20):
                event = {
                    "event_type": "custom_event",
                    "data": {"event_name": f"e{number}", "custom_event_type": "other"},
                }
                named = {"customer_id": "c", "email": "Ann@Example.com"}
                for auth in ((KEY, SECRET), (FEED_KEY, FEED_SECRET)):
                    batch = {"environment": "production", "user_identities": named, "events": [event]}
                    answer = api.post("/v2/events", json=batch, auth=auth)
                    assert answer.status_code == 202, answer.text
            running.kill()
        with served(tmp_path, configuration()) as running, running.api as api:
            wait_until(lambda: len({one["batch_id"] for one in receiver.batches("/events")}) == 20, WITHIN_SECONDS)
            told = list({one["batch_id"]: one for one in receiver.batches("/events")}.values())
            assert [one["events"][0]["data"]["event_name"] for one in told] == [f"e{number}" for number in range(20)]
            assert all(len(one["user_identities"]) == 1 for one in told)
            assert {one["user_identities"][0]["encoding"] for one in told} == {"sha256"}
            assert "xample.com" not in json.dumps(told)
            ledger = api.get(f"/api/workspaces/100/outputs/{output}/deliveries?limit=100").json()["items"]
            assert {(one["message"]["kind"], one["connection"]) for one in ledger} == {("events", connection["id"])}
            assert len(ledger) == 20, "each was written once"
            one = f"{CONNECTIONS}/{connection['id']}"
            assert api.get(one).json()["connected"]["identities"] == ["email"]
            assert [each["id"] for each in api.get(CONNECTIONS).json()["items"]] == [connection["id"]]
            assert api.delete(one).json() == {"id": connection["id"], "deleted": True}
            assert api.get(one).status_code == 404
