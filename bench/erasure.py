"""A person is erased: one with 10,000 batches of events beside one with 100, among a million other profiles.

Goal: at most 5 times the time. Told apart are what overwrites free space, which is as much for the one as for the other, since it writes
the whole database anew, and all other steps. With `--lines`, people with that many lines of the log, and with a hundredth of them, are
erased too. No waiting period is measured, nor the half a minute in which an erasure waits for other processes.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from bench.contest import Say
from bench.load import LoadFailed
from bench.population import Population
from bench.report import Finding, Goal
from bench.seeding import copied, seed_postgres, seeded
from bench.serving import WEB_KEY, WORKSPACE, configuration
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration
from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.privacy.evidence import Happening, Step
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectRequest
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.erasure import erased_space, erasing
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import KeptRequest, stored
from knownas.service.profile.batch_receipts import Kept
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door
from knownas.service.server import Service, open_service, system_clock
from knownas.store.opening import open_store
from knownas.store.privacy import PrivacyCommit, RequestWrite, Scrubbed
from tests.postgres import PrivateServer

TIMES_AT_MOST: Final = 5.0
HUNDREDTH: Final = 100
AT_ONCE: Final = 100
"""Batches, or requests, that come at the same time while a person is made."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--others", type=int, default=1_000_000, help="other profiles (%(default)s)")
    parser.add_argument("--events", type=int, default=10_000, help="batches of the one, one event each (%(default)s)")
    parser.add_argument("--lines", type=int, default=0, help="lines of the log of one more person (none)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to measure (%(default)s)")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="what keeps the data")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Erase people in turn, round after round."""
    with _database(options, say) as database:
        rounds = asyncio.run(_rounds(database, options, say))
    ratios = [one["many"]["seconds"] / one["few"]["seconds"] for one in rounds]
    goal = Goal("time_for_a_hundred_times_the_events", ratios, at_most=TIMES_AT_MOST)
    return Finding([goal], {name: _summed([one[name] for one in rounds]) for name in rounds[0]})


def _summed(taken: list["_Taken"]) -> Mapping[str, Any]:
    names = ("seconds", "steps_seconds", "free_space_seconds")
    return {**{name: round(median(one[name] for one in taken), 4) for name in names}, "samples": taken}


_Taken = dict[str, float]


@contextmanager
def _database(options: argparse.Namespace, say: Say) -> Iterator[str]:
    """Give the URL of a database with the others in it."""
    population = Population(options.others)
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.store == "sqlite":
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="erasure-") as folder:
            file = copied(seeded(population, options.cache, say), Path(folder) / "knownas.db")
            yield f"sqlite:///{file.absolute()}"
        return
    server = PrivateServer(settings=("shared_buffers=1GB", "max_wal_size=8GB"))
    try:
        server.start()
        server.ask("CREATE DATABASE erasure")
        say(f"seeding {options.others} profiles")
        asyncio.run(seed_postgres(server.url("erasure"), population))
        server.ask("VACUUM ANALYZE", "erasure")
        yield server.url("erasure")
    finally:
        server.remove()


async def _rounds(database: str, options: argparse.Namespace, say: Say) -> list[dict[str, _Taken]]:
    sizes = {"few": (options.events // HUNDREDTH, 0), "many": (options.events, 0)}
    if options.lines:
        sizes |= {"few_lines": (0, options.lines // HUNDREDTH), "many_lines": (0, options.lines)}
    rounds: list[dict[str, _Taken]] = []
    async with _opened(database) as people:
        for number in range(options.rounds):
            taken: dict[str, _Taken] = {}
            for name, (events, lines) in sizes.items():
                mpid = await people.come(f"{name}-{number}", events, lines)
                taken[name] = await people.erase(mpid)
                told = ", ".join(f"{what} {seconds:.3f}" for what, seconds in taken[name].items())
                say(f"round {number + 1}, {name} ({events} events, {lines} lines): {told}")
            rounds.append(taken)
    return rounds


@asynccontextmanager
async def _opened(database: str) -> AsyncGenerator["_People"]:
    document = json.loads(json.dumps(configuration(database)))
    document["scopes"][0]["settings"]["capture"] = "all"
    read = read_configuration(json.dumps(document), environment={})
    if not isinstance(read, Configuration):
        raise LoadFailed(str(read))
    # To wait is no work; and each is to overwrite free space for itself, what several share in a server.
    erasing.ERASURE_SETTLES_MS = 0
    erased_space.SCRUB_RESTS_TIMES = 0
    service = await open_service(read, open_store(database))
    try:
        yield _People(service)
    finally:
        await service.close()


class _People:
    """Makes people in one service, and erases them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        door = service.directory.door(WEB_KEY)
        if door is None:
            raise LoadFailed("the input is not there")
        self._door: Door = door
        self._scrub_seconds = 0.0
        self._scrub = service.store.privacy.scrub
        service.store.privacy.scrub = self._timed_scrub

    async def _timed_scrub(self) -> Scrubbed:
        began = perf_counter()
        done = await self._scrub()
        self._scrub_seconds += perf_counter() - began
        if not done.complete:
            raise LoadFailed("free space was not overwritten")
        return done

    async def come(self, name: str, events: int, lines: int) -> int:
        """Let somebody come, with so many events and lines of the log; returns the MPID."""
        mpid = await self._login(name, 0)
        for start in range(0, events, AT_ONCE):
            some = range(start, min(start + AT_ONCE, events))
            receipts = await asyncio.gather(*(self._send(mpid, number) for number in some))
            if not all(isinstance(one.outcome, Kept) for one in receipts):
                raise LoadFailed(f"a batch was not kept: {receipts[0].outcome}")
        for start in range(1, lines, AT_ONCE):
            some = range(start, min(start + AT_ONCE, lines))
            await asyncio.gather(*(self._login(name, number) for number in some))
        await self._service.correcting.settle()
        return mpid

    async def _login(self, name: str, number: int) -> int:
        identities = (
            Identity(IdentityType.CUSTOMER_ID, f"erasure-{name}"),
            Identity(IdentityType.EMAIL, f"erasure-{name}@example.com"),
        )
        at_ms = system_clock() + number
        request = IdentityRequest(Endpoint.LOGIN, at_ms, Environment.PRODUCTION, self._door.input.name, identities)
        outcome = (await self._service.resolver.answer(self._door.rules.ask(request))).decision.outcome
        if not isinstance(outcome, Created | Returned):
            raise LoadFailed(f"a login was answered {outcome}")
        return outcome.mpid

    async def _send(self, mpid: int, number: int) -> Any:
        at_ms = system_clock()
        event = Event("custom_event", at_ms, f"{mpid}-{number}", {"event_name": f"seen {number}", "of": "x" * 100})
        batch = EventBatch(
            Environment.PRODUCTION, at_ms, self._door.input.name, Channel.SERVER, mpid=mpid, events=(event,)
        )
        return await self._service.ingest.submit(Arrival(self._door, batch))

    async def erase(self, mpid: int) -> _Taken:
        """Erase somebody; returns how long that took, and what of it was for free space."""
        now_ms = system_clock()
        request = SubjectRequest(
            str(uuid4()), WORKSPACE, Regulation.GDPR, RequestType.ERASURE, Subject(mpid=mpid), now_ms, now_ms, now_ms
        )
        row = stored(KeptRequest(request))
        received = [Happening(now_ms, row.request_id, Step.RECEIVED, {"type": "erasure"})]
        await Evidence(self._service.store.privacy).write(received, PrivacyCommit(requests=[RequestWrite(row, None)]))
        self._scrub_seconds = 0.0
        began = perf_counter()
        await self._service.erasing.carry_out(row)
        seconds = perf_counter() - began
        ended = await self._service.store.privacy.request(row.request_id)
        if ended is None or ended.ended_ms is None:
            raise LoadFailed("the erasure was not completed")
        free = self._scrub_seconds
        return {
            "seconds": round(seconds, 4),
            "steps_seconds": round(seconds - free, 4),
            "free_space_seconds": round(free, 4),
        }
