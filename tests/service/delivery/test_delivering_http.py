"""Deliveries through the real webhook to a real HTTP server that fails: what comes of each fault, from the wire to the ledger."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from knownas.core.delivery.breaker import Open
from knownas.outputs import posting, webhook
from knownas.service.delivery.limits import OUTPUT_FRESH_MS
from knownas.service.delivery.outputs import Output, OutputState
from tests.core.delivery.messages import joined
from tests.outputs.receiving import HANGING, HANGING_UP, Answering, Behaviour, Received, answering, receiving
from tests.service.delivery_stage import NOW_MS, Stage

TAKEN = answering(204)
BREAKS_OFF = Answering(200, b"taken, and", cut_after=3)


@asynccontextmanager
async def hooked(*script: Behaviour, names: Sequence[str] = ("a", "b")) -> AsyncIterator[tuple[Stage, list[Received]]]:
    """Let messages about one profile wait for a webhook whose server answers as a script says, and then takes everything."""
    async with receiving(*script, otherwise=TAKEN) as server:
        stage = Stage(webhook.DESTINATION.batching)
        settings = {"url": f"{server.url}/in", "plain_http": True}
        stage.outputs.outputs[1] = Output(webhook.DESTINATION, settings, OutputState.ACTIVE, 1)
        await stage.write(*(replace(joined(name, 1), identities=()) for name in names))
        yield stage, server.requests
        await stage.delivery.close()


def told(requests: Sequence[Received]) -> list[str]:
    """Return the ids of what came, in order."""
    return [one.json["id"] for one in requests]


@pytest.mark.parametrize(
    "fault",
    [
        answering(500),
        answering(503),
        BREAKS_OFF,
        HANGING_UP,
        HANGING,
        answering(429),
        Answering(200, b"x", cut_after=0),
    ],
    ids=["500", "503", "breaks off", "hangs up", "hangs", "429", "says nothing"],
)
async def test_after_each_fault_the_same_comes_again_and_then_the_next(
    fault: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same id and with the same body, and nothing later comes before it."""
    if fault is HANGING:
        # Long enough for a busy machine to answer what is answered.
        monkeypatch.setattr(posting, "REQUEST_SECONDS", 2.0)
    async with hooked(fault, fault) as (stage, requests):
        await stage.run()
        assert told(requests) == ["a", "a", "a", "b"]
        assert requests[0].body == requests[1].body == requests[2].body
        assert set(stage.states().values()) == {"sent"}
        assert stage.counted == {"not_now": 2, "sent": 2}


async def test_a_time_that_is_asked_for_is_kept() -> None:
    """A destination that answers 429 with Retry-After is left alone for so long."""
    async with hooked(answering(429, retry_after="120")) as (stage, requests):
        await stage.delivery.step()
        until_ms = await stage.delivery.step()
        assert until_ms is not None
        assert NOW_MS + 120_000 <= until_ms < NOW_MS + 122_000
        assert len(requests) == 1
        await stage.run()
        assert told(requests) == ["a", "a", "b"]


async def test_what_is_refused_is_dead_with_what_was_said_and_the_next_goes_on() -> None:
    """Status 422: the reason is kept; what came later of the profile is told."""
    async with hooked(answering(422, {"message": "unknown audience"})) as (stage, requests):
        await stage.run()
        assert told(requests) == ["a", "b"]
        assert stage.states() == {"a": "dead", "b": "sent"}
        assert "422" in str(next(one.why for one in stage.store.rows.values() if one.delivery_id == "a"))


async def test_one_that_lets_nobody_in_is_faulted_until_it_is_resumed() -> None:
    """Status 401: one request, nothing lost, and after that everything in order."""
    async with hooked(answering(401)) as (stage, requests):
        await stage.run()
        assert (told(requests), stage.outputs.state()) == (["a"], OutputState.FAULTED)
        await stage.outputs.resume(1)
        stage.clock.now_ms += OUTPUT_FRESH_MS
        await stage.run()
        assert told(requests) == ["a", "a", "b"]


async def test_an_outage_is_seen_by_few_requests() -> None:
    """Of an hour in which a server answers 503, it sees a dozen requests, and then all that waits."""
    async with hooked(*[answering(503)] * 12, names=[f"m{number}" for number in range(30)]) as (stage, requests):
        while len(requests) < 12:
            stage.clock.now_ms = await stage.delivery.step() or 0
        assert isinstance(stage.delivery.breaker, Open)
        assert stage.clock() - NOW_MS > 600_000
        await stage.run()
        assert told(requests)[12:] == [f"m{number}" for number in range(30)]


async def test_faults_of_some_hold_back_nobody_else() -> None:
    """Several are sent at once; who fails is tried again, alone."""
    async with receiving(answering(500), otherwise=TAKEN) as server:
        stage = Stage(webhook.DESTINATION.batching)
        settings = {"url": f"{server.url}/in", "plain_http": True}
        stage.outputs.outputs[1] = Output(webhook.DESTINATION, settings, OutputState.ACTIVE, 1)
        await stage.write(*(replace(joined(f"of {mpid}", mpid), identities=()) for mpid in (1, 2, 3)))
        await stage.run()
        await stage.delivery.close()
        first, second, third, again = told(server.requests)
        assert sorted((first, second, third)) == ["of 1", "of 2", "of 3"]
        assert again == first
