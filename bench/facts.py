"""Says what a workspace knows of seeded users: attributes, a device and a batch of events each, which follow from their number.

Written are the rows that a server would have written, straight into the file. A tenth of the users is on the plan `gold`, an eighth of the
events is called `Bought`, and their times are spread over the last sixty days.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.contest import Say
from bench.population import Population, identities_of, mpid_of, scatter
from bench.seeding import copied, seeded
from bench.serving import WORKSPACE
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.section import Section
from knownas.service.profile.kept_batches import batch_document
from knownas.service.profile.sections import written
from knownas.store.sqlite.connection import Connection, open_connection

PLANS: Final = ("gold", *("silver",) * 3, *("free",) * 6)
NAMES: Final = ("Bought", "Viewed", "Viewed", "Viewed", "Searched", "Searched", "Added", "Removed")
DAYS: Final = 60
DAY_MS: Final = 86_400_000
_STEP_MS: Final = 3_600_000
_A_STATEMENT: Final = 10_000
_SECTION: Final = (
    "INSERT INTO section (mpid, workspace, environment, version, last_seen_ms, document) VALUES (?, ?, ?, 1, ?, ?)"
)
_EVENTS: Final = (
    "INSERT INTO user_events (mpid, workspace, environment, at_ms, first_ms, last_ms, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_ENVIRONMENT: Final = Environment.PRODUCTION


def section_of(number: int, now_ms: int) -> Section:
    """Return what is known of a user."""
    spread, seen_ms = scatter(number), now_ms - number % DAYS * DAY_MS
    attributes = {
        "plan": Attribute(PLANS[spread % len(PLANS)], seen_ms),
        "visits": Attribute(spread % 100, seen_ms),
        "city": Attribute(f"city-{spread % 1000}", seen_ms),
        "tags": Attribute(("news", f"topic-{spread % 50}"), seen_ms),
    }
    stamp = next(one.value for one in identities_of(number) if one.type is IdentityType.DEVICE_APPLICATION_STAMP)
    device = Device(stamp, "web", {}, {"os_version": f"{spread % 20}.1", "locale": "en_GB"}, seen_ms - DAY_MS, seen_ms)
    return Section(seen_ms - DAY_MS, seen_ms, attributes, devices=(device,), inputs={"web": seen_ms})


def batch_of(number: int, events: int, now_ms: int) -> EventBatch:
    """Return the events of a user, the latest last."""
    spread = scatter(number)
    last_ms = now_ms - spread // 100 % DAYS * DAY_MS
    several = tuple(
        Event(
            "custom_event",
            last_ms - (events - 1 - place) * _STEP_MS,
            f"{number}-{place}",
            {
                "event_name": NAMES[(spread // 7 + place * place) % len(NAMES)],
                "custom_event_type": "transaction",
                "custom_attributes": {"sku": f"sku-{spread % 1000}", "amount": "12.50", "store": "north"},
            },
        )
        for place in range(events)
    )
    return EventBatch(_ENVIRONMENT, last_ms, "web", Channel.SERVER, identities=identities_of(number), events=several)


def with_facts(population: Population, events: int, now_ms: int, cache: Path, to: Path, say: Say) -> Path:
    """Copy a seeded database and write into the copy what is known of its users, with so many events each."""
    copied(seeded(population, cache, say), to)
    write_facts(population, events, now_ms, to, say)
    return to


def write_facts(population: Population, events: int, now_ms: int, to: Path, say: Say) -> None:
    """Write into a database what is known of its users, with so many events each; nobody is marked to be judged."""
    say(f"writing sections and {events} events each of {population.profiles} users")
    connection = open_connection(to)
    try:
        connection.pragma("synchronous", "off")
        for start in range(1, population.profiles + 1, _A_STATEMENT):
            _write(connection, range(start, min(start + _A_STATEMENT, population.profiles + 1)), events, now_ms)
        connection.pragma("wal_checkpoint(truncate)")
    finally:
        connection.close()


def _write(connection: Connection, numbers: range, events: int, now_ms: int) -> None:
    with connection:
        connection.executemany(_SECTION, _sections(numbers, now_ms))
        if events:
            connection.executemany(_EVENTS, _batches(numbers, events, now_ms))


def _sections(numbers: range, now_ms: int) -> Iterator[tuple[int, int, str, int, bytes]]:
    for number in numbers:
        section = section_of(number, now_ms)
        yield mpid_of(number), WORKSPACE, _ENVIRONMENT.value, section.last_seen_ms, written(section)


def _batches(numbers: range, events: int, now_ms: int) -> Iterator[tuple[int, int, str, int, int, int, bytes]]:
    for number in numbers:
        batch = batch_of(number, events, now_ms)
        times = [one.at_ms for one in batch.events]
        place = (mpid_of(number), WORKSPACE, _ENVIRONMENT.value)
        yield *place, batch.at_ms, min(times), max(times), batch_document(batch)
