"""Names what goes wrong with a PostgreSQL server in the store's vocabulary, in sentences for operators."""

from typing import Final

from knownas.store.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from knownas.store.postgres.address import Address
from knownas.store.postgres.driver import PostgresError

LOST_RACE: Final = "KN001"
"""The SQLSTATE by which our functions say that somebody else was faster."""

UNSETTLED: Final = "KN002"
"""The SQLSTATE by which they say that what was read is half of a commit, and to be read again."""

UNIQUE_VIOLATION: Final = "23505"
CHECK_VIOLATION: Final = "23514"
DEADLOCK: Final = frozenset({"40P01", "40001"})
"""The server chose this transaction to end so that others can go on; nothing of it was kept."""

FEATURE_MISSING: Final = "0A000"
NO_PRIVILEGE: Final = "42501"

_DISTRIBUTED: Final = frozenset({"KN003", FEATURE_MISSING})
"""What somebody is told who takes a distributed database for another one: by our functions, or by the server."""

LOCKED: Final = frozenset({"55P03", *DEADLOCK})
"""Others hold the locks that a change of the layout needs, or want them as well."""

_NO_TABLE: Final = frozenset({"42P01", "42883", "3F000", "42703"})
_NO_ROOM: Final = frozenset({"53100"})
_WAITED: Final = frozenset({"55P03", "57014", UNSETTLED})
_READ_ONLY: Final = frozenset({"25006", NO_PRIVILEGE})
_DAMAGED: Final = frozenset({"XX001", "XX002"})
_STRANGER: Final = frozenset({"28P01", "28000"})
_NO_DATABASE: Final = "3D000"

_ENDS_CONNECTION: Final = frozenset({"FATAL", "PANIC"})
_SHUTDOWN: Final = "57P"


class LostRace(Exception):
    """Somebody else changed what a commit relied on: nothing of it was kept."""


class ConnectionLost(Exception):
    """The connection broke while a statement was under way, which may have been carried out or not."""

    def __init__(self, what: str, *, is_late: bool) -> None:
        super().__init__(what)
        self.is_late = is_late


def sqlstate_of(error: PostgresError) -> str:
    """Return the five characters by which the server names an error."""
    return str(getattr(error, "sqlstate", None) or "")


def constraint_of(error: PostgresError) -> str:
    """Return the constraint that an error is about, "" if it is about none."""
    return str(getattr(error, "constraint_name", None) or "")


def ends_connection(error: PostgresError) -> bool:
    """Whether the server says this for the last time on a connection; what was under way may even so have been done."""
    severity = getattr(error, "severity_en", None) or getattr(error, "severity", None)
    state = sqlstate_of(error)
    return severity in _ENDS_CONNECTION or state.startswith((_SHUTDOWN, "08"))


def may_be_distributed(error: PostgresError) -> bool:
    """Whether a database that was not distributed says this when it has become so."""
    return sqlstate_of(error) in _DISTRIBUTED


def store_error(error: PostgresError, address: Address) -> StoreError:
    """Name what a server answered to a statement."""
    state, says = sqlstate_of(error), str(error)
    if state in _NO_ROOM:
        return StoreFull(f"{address}: {says}")
    if state in _WAITED or state in DEADLOCK:
        return StoreBusy(f"{address}: {says}")
    if state in _READ_ONLY:
        return StoreReadOnly(f"{address}: {says}")
    if state in _DAMAGED:
        return StoreDamaged(f"{address}: {says}")
    if state in _NO_TABLE:
        return StoreUnavailable(f"{address} has lost tables or functions of knownas: {says}")
    return StoreUnavailable(f"{address}: {says} ({state})")


def opening_error(error: Exception, address: Address) -> StoreError:
    """Name what kept a connection from being opened."""
    if isinstance(error, PostgresError):
        state = sqlstate_of(error)
        if state == _NO_DATABASE:
            return StoreUnavailable(
                f"{address}: there is no database {address.database!r}; `createdb {address.database}` makes it"
            )
        if state in _STRANGER:
            return StoreUnavailable(f"{address} does not let the user {address.user!r} in: {error}")
        return StoreUnavailable(f"{address} can't be opened: {error} ({state})")
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"{address} does not answer")
    return StoreUnavailable(f"{address} can't be reached: {error or type(error).__name__}")
