"""Reads for how long things are kept (platform §13)."""

from typing import Final

from knownas.config.sections import Given, Member, Section
from knownas.config.shapes import Flag, Whole
from knownas.config.values import (
    DAYS_KEPT_MAX,
    REQUESTS_DAYS_MAX,
    REQUESTS_DAYS_MIN,
    RetentionSettings,
)

_DEFAULTS: Final = RetentionSettings()
EVENTS_DAYS: Final = Member(
    "events_days",
    Whole(1, DAYS_KEPT_MAX),
    _DEFAULTS.events_days,
    "For how many days after it happened an event is kept.",
    "platform §13",
)
PROFILES_DAYS: Final = Member[int | None](
    "profiles_days",
    Whole(1, DAYS_KEPT_MAX),
    None,
    "For how many days after a user was last seen in a workspace its attributes, consent and devices are kept. "
    "Identity records stay, so a user who comes back has the same MPID.",
    "platform §13",
    "as long as events",
)
REQUESTS_DAYS: Final = Member(
    "requests_days",
    Whole(REQUESTS_DAYS_MIN, REQUESTS_DAYS_MAX),
    _DEFAULTS.requests_days,
    "For how many days a source_request_id or source_message_id is remembered, so that a repeat changes nothing; also "
    "how long a batch's receipt can be asked for by it.",
    "platform §2.7",
)
DELIVERIES_DAYS: Final = Member(
    "deliveries_days",
    Whole(1, DAYS_KEPT_MAX),
    _DEFAULTS.deliveries_days,
    "For how many days it is kept what an output was told, after it has it or was given up; a dead letter can be sent again as long.",
)
DRY_RUN: Final = Member(
    "dry_run",
    Flag(),
    _DEFAULTS.dry_run,
    "Only count and log what would be removed, and remove nothing.",
)

AUDIT_DAYS: Final = Member(
    "audit_days",
    Whole(1, DAYS_KEPT_MAX),
    _DEFAULTS.audit_days,
    "For how many days it is kept who read or changed a person's data through the admin API and the Profile API.",
)


def _retention(given: Given) -> RetentionSettings:
    return RetentionSettings(
        given[EVENTS_DAYS],
        given[PROFILES_DAYS],
        given[REQUESTS_DAYS],
        given[DRY_RUN],
        given[AUDIT_DAYS],
        given[DELIVERIES_DAYS],
    )


RETENTION_SECTION: Final = Section(
    "How long things are kept",
    (EVENTS_DAYS, PROFILES_DAYS, REQUESTS_DAYS, DELIVERIES_DAYS, DRY_RUN, AUDIT_DAYS),
    _retention,
)
RETENTION: Final = Member(
    "retention", RETENTION_SECTION, _DEFAULTS, "For how long data is kept; a job removes older data once a day."
)
