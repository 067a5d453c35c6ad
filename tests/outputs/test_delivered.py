"""Promises about destinations behind the delivery: whatever the other side does, everything arrives, in each profile's order."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.delivery.limits import OUTPUT_FRESH_MS
from knownas.service.delivery.outputs import Output, OutputState
from tests.outputs.firehose.protocol import registration, response
from tests.outputs.messages import membership, outgoing
from tests.outputs.receiving import HANGING_UP, Answering, Behaviour, Received, answering, receiving
from tests.service.delivery_stage import NOW_MS, Stage

TROUBLES: Sequence[Behaviour] = (
    answering(500),
    answering(503, Retry_After="30"),
    answering(429),
    answering(401),
    HANGING_UP,
    Answering(200, b"{}", cut_after=1),
)
"""After none of these a message is taken, or lost."""


async def _delivered(kind: str, settings: Mapping[str, str], mpids: Sequence[int]) -> None:
    """Deliver a message about each profile, in order, and resume the output whenever it was stopped."""
    destination = DESTINATIONS[kind]
    stage = Stage(destination.batching)
    stage.outputs.outputs[1] = Output(destination, settings, OutputState.ACTIVE, 1)
    stage.outputs.connections = {1: {}}
    stage.restart()
    await stage.write(*(_message(number, mpid) for number, mpid in enumerate(mpids)))
    await stage.run()
    while stage.outputs.state() is not OutputState.ACTIVE:
        await stage.outputs.resume(1)
        stage.clock.now_ms += OUTPUT_FRESH_MS
        await stage.run()
    await stage.delivery.close()
    assert set(stage.states().values()) == {"sent"}


def _message(number: int, mpid: int) -> Any:
    return membership(
        outgoing(IdentityType.CUSTOMER_ID, f"customer-{mpid}"), id=f"m-{number}", mpid=mpid, at_ms=NOW_MS + number
    )


def _assert_in_order(taken: Sequence[str], mpids: Sequence[int]) -> None:
    """Fail unless each message was taken once, and none before an earlier one of its profile."""
    numbers = [int(one.removeprefix("m-")) for one in taken]
    assert sorted(numbers) == list(range(len(mpids)))
    for mpid in set(mpids):
        own = [number for number in numbers if mpids[number] == mpid]
        assert own == sorted(own)


def _with_troubles(
    troubles: Sequence[Behaviour], taking: Callable[[Received], Behaviour]
) -> Callable[[Received], Behaviour]:
    waiting = list(troubles)
    return lambda request: waiting.pop(0) if waiting else taking(request)


MPIDS = st.lists(st.integers(1, 5), min_size=1, max_size=14)
SOME_TROUBLES = st.lists(st.sampled_from(TROUBLES), max_size=8)
DRAWN = hypothesis_settings(max_examples=40, deadline=None)


@DRAWN
@given(MPIDS, SOME_TROUBLES)
async def test_webhook_gets_everything_in_order(mpids: list[int], troubles: list[Behaviour]) -> None:
    """A webhook that fails in every way gets each message in the end, and those about a profile in their order."""
    taken: list[str] = []

    def taking(request: Received) -> Behaviour:
        taken.append(request.headers["idempotency-key"])
        return answering(204)

    async with receiving(otherwise=_with_troubles(troubles, taking)) as server:
        await _delivered("webhook", {"url": server.url}, mpids)
    _assert_in_order(taken, mpids)


@DRAWN
@given(MPIDS, SOME_TROUBLES)
async def test_partner_gets_everything_in_order(mpids: list[int], troubles: list[Behaviour]) -> None:
    """A partner that fails in every way, also when it should register, gets each change in the end, in each profile's order."""
    taken: list[str] = []

    def taking(request: Received) -> Behaviour:
        if request.json["type"] == "module_registration_request":
            return registration(
                {"user_identities": [{"type": "customer", "encoding": "raw"}], "allow_access_mpid": True}
            )
        taken.extend(one["user_identities"][0]["value"] for one in request.json["user_profiles"])
        return response("audience_membership_change")

    async with receiving(otherwise=_with_troubles(troubles, taking)) as server:
        await _delivered("firehose", {"url": server.url}, mpids)
    assert sorted(taken) == sorted(f"customer-{mpid}" for mpid in mpids)


@pytest.mark.parametrize("count", [1, 3_000])
async def test_files_hold_everything_once(count: int, tmp_path: Path) -> None:
    """What is delivered to files is in them exactly once, in its order, and in few of them."""
    mpids = [number % 7 + 1 for number in range(count)]
    (tmp_path / ".knownas-output").touch()
    await _delivered("files", {"location": str(tmp_path)}, mpids)
    [text] = _texts(tmp_path)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    _assert_in_order([row["message_id"] for row in rows], mpids)


def _texts(folder: Path) -> list[str]:
    return [file.read_bytes().decode() for file in folder.rglob("*.csv")]
