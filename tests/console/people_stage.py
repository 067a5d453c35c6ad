"""Makes people for the tests of their pages: by the API, as an app and a feed would."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.console.stage import ADDRESS, Stage

OWN = ("old-key", "old-secret")
NEAR = ("near-key", "near-secret")


@asynccontextmanager
async def sender(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that sends as an app does."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stage.app), base_url=ADDRESS) as http:
        yield http


async def identify(stage: Stage, endpoint: str = "identify", **identities: str) -> str:
    """Ask who somebody is, and return the MPID."""
    async with sender(stage) as http:
        body = {"environment": "production", "known_identities": identities}
        answer = await http.post(f"/v1/{endpoint}", json=body, auth=OWN)
        assert answer.status_code == 200, answer.text
        return answer.json()["mpid"]


async def modify(stage: Stage, mpid: str, kind: str, old: str | None, new: str | None) -> None:
    """Change an identity of a profile."""
    async with sender(stage) as http:
        changes = [{"identity_type": kind, "old_value": old, "new_value": new}]
        body = {"environment": "production", "identity_changes": changes}
        answer = await http.post(f"/v1/{mpid}/modify", json=body, auth=OWN)
        assert answer.status_code == 200, answer.text


async def send_batch(stage: Stage, mpid: str, auth: tuple[str, str] = OWN, **members: Any) -> None:
    """Send a batch of events of somebody."""
    async with sender(stage) as http:
        batch = {"environment": "production", "mpid": mpid, "events": [], **members}
        answer = await http.post("/v2/events", json=batch, auth=auth)
        assert answer.status_code == 202, answer.text


def event(name: str, at_ms: int = 1_770_000_000_000, **attributes: Any) -> Mapping[str, Any]:
    """Make a custom event."""
    data = {
        "event_name": name,
        "custom_event_type": "navigation",
        "timestamp_unixtime_ms": at_ms,
        "custom_attributes": attributes,
    }
    return {"event_type": "custom_event", "data": data}
