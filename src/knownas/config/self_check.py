"""Reads how often a server checks its database against its history."""

from typing import Final

from knownas.config.sections import Given, Member, Section
from knownas.config.shapes import Flag, Whole
from knownas.config.values import CHECK_HOURS_MAX, SelfCheckSettings

_DEFAULTS: Final = SelfCheckSettings()
EVERY_HOURS: Final = Member[int | None](
    "every_hours",
    Whole(1, CHECK_HOURS_MAX),
    None,
    "Every how many hours the log is folded again and compared with what is stored. It takes processor time and temporary "
    "files about as large as the log's observations, so nobody is made to.",
    "",
    "only when somebody asks for it",
)
ROWS: Final = Member(
    "rows",
    Flag(),
    _DEFAULTS.rows,
    "Whether the database compares its rows with each other as well. A distributed one can't: say false there.",
)


def _self_check(given: Given) -> SelfCheckSettings:
    return SelfCheckSettings(given[EVERY_HOURS], given[ROWS])


SELF_CHECK_SECTION: Final = Section("The check of the database against its history", (EVERY_HOURS, ROWS), _self_check)
SELF_CHECK: Final = Member(
    "self_check",
    SELF_CHECK_SECTION,
    _DEFAULTS,
    "How often the server proves that its database is what its log folds to.",
)
