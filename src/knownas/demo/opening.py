"""Opens the demo's shop: plays its hour with what people do in it, defines audiences of them, and tells a folder who is in one."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from knownas.api.batch_wire import event_batch
from knownas.api.events import channel_of, outcome_name
from knownas.core.health.tally import came_of
from knownas.core.identity.decision import Created, Returned
from knownas.core.privacy.request import Regulation, RequestType, Subject
from knownas.demo.hour import Hour, play_hour
from knownas.demo.shopping import BUYING, MARKETING, batch_of
from knownas.demo.traffic import Visit
from knownas.outputs.files.folder import MARK
from knownas.service.arrivals import Kind
from knownas.service.identity.question import Answer
from knownas.service.privacy.subject_requests import VERIFIED_AT_CONSOLE, GivenRequest
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door, Place
from knownas.service.server import Service

_BOUGHT: Final[Mapping[str, Any]] = {
    "operator": "greater_than_equal",
    "left": {
        "operator": "count",
        "group_by_model": "user",
        "operand": {"model": "events", "path": "event_id"},
        "condition": {"operator": "equals", "left": {"model": "events", "path": "name"}, "right": BUYING},
    },
    "right": 1,
}
_PLUS: Final[Mapping[str, Any]] = {
    "operator": "equals",
    "left": {"model": "user_attributes", "path": "plan"},
    "right": "plus",
}
_AGREED: Final[Mapping[str, Any]] = {
    "operator": "equals",
    "left": {"model": "consent", "path": f"gdpr.{MARKETING}"},
    "right": True,
}
AUDIENCES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Customers who bought": _BOUGHT,
    "Plus customers who agreed to marketing": {"operator": "and", "expressions": [_PLUS, _AGREED]},
    "Customers who did not buy": {
        "operator": "and",
        "expressions": [
            {"operator": "equals", "left": {"model": "user", "path": "is_known"}, "right": True},
            {"operator": "not", "expression": _BOUGHT},
        ],
    },
}
"""The audiences of the demo: their definitions, by name."""

OUTPUT: Final = "Newsletter files"
"""The name of the output: it writes files into a folder of this machine."""


class _Shop:
    """What happens in the shop beside the decisions. `at_work` sends what an app does after it was answered."""

    def __init__(self, service: Service, scope: str, seed: int) -> None:
        self._service = service
        self._seed = seed
        self._doors: dict[str, Door] = {
            one.input.name: one for one in service.directory.doors if one.rules.scope == scope
        }
        self.customers: list[int] = []

    async def at_work(self, visit: Visit, answer: Answer, seconds: float) -> None:
        """Note a decision as a server does that was asked over HTTP, and take what the app sends then."""
        door, outcome = self._doors[visit.input], answer.decision.outcome
        self._service.arrivals.note(door.lasting_key, Kind.IDENTITY, visit.at_ms, answer.decision_id)
        self._service.live.decided(door, answer, came_of(answer.decision), seconds)
        if not isinstance(outcome, Returned | Created):
            return
        body = batch_of(visit, outcome.mpid, self._seed)
        if body is None:
            return
        if visit.call == "login":
            self.customers.append(outcome.mpid)
        arrival = Arrival(door, event_batch(body, visit.at_ms, door.input.name, channel_of(door)))
        began = perf_counter()
        receipted = await self._service.ingest.submit(arrival)
        self._service.live.took(arrival, receipted, "events", outcome_name(receipted), perf_counter() - began)


async def open_shop(service: Service, scope: str, seed: int, people: int, folder: Path) -> Hour:
    """Play the hour, define the audiences, tell `folder` who is in the second one, and ask for what is known of two customers.

    Raises:
        StoreError: the store does not do it.
    """
    await asyncio.to_thread(_make_ready, folder)
    shop = _Shop(service, scope, seed)
    hour = await play_hour(service, scope, seed, people, shop.at_work)
    place = next(iter(service.directory.places))
    await _define(service, place.workspace.id, folder)
    await _ask(service, place, shop.customers)
    await service.health.census.take()
    return hour


def _make_ready(folder: Path) -> None:
    """Make the folder of the output, and allow that it is written to."""
    folder.mkdir()
    (folder / MARK).touch()


async def _define(service: Service, workspace: int, folder: Path) -> None:
    """Define the audiences, and connect two of them with an output."""
    audiences, outputs = service.activation.audiences, service.activation.outputs
    made = {
        name: await audiences.create(workspace, name, None, {"schema_version": "1.6.0", "audience": criteria})
        for name, criteria in AUDIENCES.items()
    }
    output = await outputs.create(workspace, OUTPUT, "files", {"location": str(folder)})
    known = audiences.known(workspace)
    told = [
        await audiences.connect(known[one], {"output": str(output), "identities": ["email"], "users": "known"})
        for one in list(made.values())[:2]
        if isinstance(one, int)
    ]
    wrong = [one for one in (*made.values(), output, *told) if not isinstance(one, int)]
    if wrong:
        raise AssertionError(f"what the demo defines has faults: {wrong}")


async def _ask(service: Service, place: Place, customers: Sequence[int]) -> None:
    """Let a customer ask for what is known of them, and another one to be erased."""
    now_ms = service.clock()
    asking = dict.fromkeys(customers)
    for kind, mpid in zip((RequestType.ACCESS, RequestType.ERASURE), asking, strict=False):
        subject = Subject(mpid=mpid)
        given = GivenRequest(str(uuid4()), Regulation.GDPR, kind, subject, now_ms, None, (), skips_waiting=False)
        await service.privacy.requests.take(place, given, now_ms, VERIFIED_AT_CONSOLE)
