"""Holds the audiences that the benchmarks define, and defines them in a database that no server has open."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.load import LoadFailed
from bench.serving import WORKSPACE, configuration
from knownas.batch.looking_beside import looks_beside
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.interpreter import look_for_cycles_rarely, switch_often
from knownas.service.server import Service, open_service
from knownas.store.opening import open_store

Json = dict[str, Any]

_EVENT_NAME: Final[Json] = {"model": "events", "path": "name"}
_USER: Final[Json] = {"model": "user"}


def equals(model: str, path: str, value: object) -> Json:
    """Ask whether a field has a value."""
    return {"operator": "equals", "left": {"model": model, "path": path}, "right": value}


def lately(days: int, model: str = "events", path: str = "timestamp") -> Json:
    """Ask whether a time lies in the last days."""
    date = {"date": {"relative": {"offset": -days, "unit": "day"}}}
    return {"operator": "greater_than_equal", "left": {"model": model, "path": path}, "right": date}


def counted(name: str, times: int, days: int) -> Json:
    """Ask for so many events of a name in the last days."""
    condition = {"operator": "and", "expressions": [equals("events", "name", name), lately(days)]}
    count = {"operator": "count", "operand": {"model": "events", "path": "event_id"}, "condition": condition}
    return {"operator": "greater_than_equal", "left": count, "right": times}


def attributes(plan: str, visits: int) -> Json:
    """Ask for a plan and for so many visits."""
    often = {
        "operator": "greater_than_equal",
        "left": {"model": "user_attributes", "path": "visits"},
        "right": visits,
    }
    return {"operator": "and", "expressions": [equals("user_attributes", "plan", plan), often]}


def sequence(first: str, then: str) -> Json:
    """Ask for one event after another."""
    steps = [(f"step{place}", equals("events", "name", name)) for place, name in enumerate((first, then))]
    told = [{"alias": alias, "operand": {"model": "events"}, "condition": one} for alias, one in steps]
    return {"operator": "then", "sequence": told}


def nested(audience: int, beside: Json) -> Json:
    """Ask for membership in another audience, and for something else."""
    within = {"operator": "in", "left": _USER, "right": {"audience": str(audience)}}
    return {"operator": "and", "expressions": [within, beside]}


def hundred() -> Sequence[Json]:
    """Return a hundred audiences, in the order in which they are to be defined: the first two are asked for by the last five.

    Seven of them ask for events that the load of `events` sends, two for attributes that it sends, one for when the user was seen last.
    """
    busy = [
        *(counted("Bought", 3, 30), counted("Bought", 1, 7), counted("Viewed", 10, 7), counted("Searched", 5, 14)),
        {
            "operator": "and",
            "expressions": [counted("Added", 1, 3), {"operator": "not", "expression": counted("Bought", 1, 3)}],
        },
        *(sequence("Added", "Bought"), sequence("Searched", "Viewed")),
        *(equals("user_attributes", "tier", "gold"), attributes("gold", 50), lately(30, "user", "last_seen")),
    ]
    others = [
        *(counted(f"Event {number}", number % 5 + 1, 7 * (number % 4 + 1)) for number in range(50)),
        *(attributes(f"plan-{number}", number) for number in range(15)),
        *(
            {"operator": "exists", "operand": {"model": "user_identities", "path": one}}
            for one in ("email", "other", "other2")
        ),
        *(
            {
                "operator": "ends_with",
                "left": {"model": "user_identities", "path": "email"},
                "right": f"@{number}.example.com",
            }
            for number in range(5)
        ),
        *(equals("consent", f"gdpr.purpose-{number}", value=True) for number in range(7)),
        *(sequence(f"Event {number}", f"Event {number + 1}") for number in range(5)),
    ]
    asking = [nested(number % 2 + 1, counted(f"Event {number}", 1, 30)) for number in range(5)]
    return [*busy, *others, *asking]


def database_url(file: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{file.absolute()}"


@asynccontextmanager
async def opened(database: str) -> AsyncGenerator[Service]:
    """Open a service over a database, as a server does, of which no job is begun."""
    switch_often()
    look_for_cycles_rarely()
    read = read_configuration(msgspec.json.encode(configuration(database)).decode(), environment={})
    if not isinstance(read, Configuration):
        raise LoadFailed(str(read))
    store = open_store(database)
    looks = looks_beside(database, store)
    service = await open_service(read, store, destinations=DESTINATIONS, looks=looks)
    try:
        yield service
    finally:
        await service.close()


async def define(service: Service, name: str, expression: Json) -> int:
    """Define an audience, and return its id.

    Raises:
        LoadFailed: it can't be defined like this.
    """
    definition = {"schema_version": "1.6.0", "audience": expression}
    made = await service.activation.audiences.create(WORKSPACE, name, None, definition)
    if isinstance(made, tuple):
        raise LoadFailed(f"{name}: {made}")
    return made


async def settled(service: Service) -> None:
    """Judge whoever has to be, until nobody does."""
    while await service.activation.work.work_off():
        pass
