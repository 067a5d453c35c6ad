"""Keeps who read or changed what is known of which person, through the APIs, in the console and by verbs of the command line: never what was read.

A row says who (the client id of a credential, `admin`, a user of the console, or a user and a machine), what (the operation, as the OpenAPI document calls it), about which MPID, when,
with which status it ended, and how many times until it was written. Noting costs a request an append to a list. Once a second a task
writes what was noted; so a process that is killed loses at most what was noted in its last second. One that is
closed writes everything. While the store does not answer, rows wait; beyond `WAITING_MAX` the newest are dropped, and how
many is logged.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

import msgspec

from knownas.core.identity.document import Document
from knownas.core.identity.record import parse_mpid
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import AUDIT_LOOKED_THROUGH_MAX, PAGE_MAX
from knownas.service.repeating import happens_within
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.privacy import Audited, PrivacyStore

log: Final = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 1.0
"""The pause between two writes: what a killed process can lose."""

WAITING_MAX: Final = 200_000
"""Rows that wait to be written, some 40 MB; more come only while the store does not answer."""

ROWS_A_WRITE: Final = 1_000
"""Rows of one transaction."""

FORGET_EVERY_SECONDS: Final = 3_600.0
"""The time from one look for rows that are too old to the next."""

FORGOTTEN_A_STEP: Final = 200
STEPS_A_RUN_MAX: Final = 5_000
PAUSE_SECONDS: Final = 0.05
"""Rows removed in one transaction, transactions of one run, and the pause between two, in which requests are served."""

PERSONS_OF_ANSWER_MAX: Final = 1_000
"""Profiles noted of one answer; a page has fewer."""

DISORDER_MS: Final = 60_000
"""Rows stand in the order in which they were written; by so much their times may be out of it."""

ADMIN: Final = "admin"
"""Who asks with the admin token."""

ON_COMMAND_LINE: Final = "cli:"
"""Before the name of a user of the operating system, and a machine, who worked on the database itself."""

ON_CONSOLE: Final = "console:"
"""Before the name of somebody who is signed in to the console."""

EVERYBODY: Final = 0
"""In the place of an MPID: it was about no single person. No profile has this one."""

UNTOLD: Final = 0
"""In the place of a status: it was noted before it began."""

_DAY_MS: Final = 86_400_000
_NAMED_BY: Final = ("mpid", "mpids", "candidates", "left", "changed")
"""The members of our answers that name profiles, beside those that end with `_mpid`."""


class Access(NamedTuple):
    """Somebody read or changed what is known of a profile. `times` is how often, from `at_ms` until it was written."""

    at_ms: int
    mpid: int
    who: str
    what: str
    status: int
    times: int = 1


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    who: str
    what: str
    status: int
    times: int = 1


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Kept)
_Noted = tuple[int, int, str, str, int]


class Auditing:
    """Who read or changed what, of one process. One event loop, one of these."""

    def __init__(self, store: PrivacyStore, clock: Callable[[], int], days: int | None = None) -> None:
        """Forget what is older than so many days; None forgets nothing."""
        self._store = store
        self._clock = clock
        self._days = days
        self._waiting: list[_Noted] = []
        self._late: list[Access] = []
        self._lost = 0
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def note(self, mpid: int, who: str, what: str, status: int) -> None:
        """Note that somebody read or changed what is known of a profile."""
        if len(self._waiting) + len(self._late) < WAITING_MAX:
            self._waiting.append((self._clock(), mpid, who, what, status))
        else:
            self._lost += 1

    def start(self) -> None:
        """Write from now on, until it is closed."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def close(self) -> None:
        """Write what waits, and stop. What can't be written is lost, and that is logged."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await task
        with suppress(StoreError):
            await self.flush()
        self._tell_lost(len(self._waiting) + len(self._late))

    async def flush(self) -> None:
        """Write what was noted by now.

        Raises:
            StoreError: the store could not do it; what was not written waits on.
        """
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            counted = _counted([*self._late, *(Access(*one) for one in waiting)])
            self._late = []
            try:
                while counted:
                    await self._store.audit([_row(one) for one in counted[:ROWS_A_WRITE]])
                    del counted[:ROWS_A_WRITE]
            finally:
                # One whose outcome is not known may stand there twice then, which is better than not at all.
                self._late = counted
        self._tell_lost(0)

    async def forget(self) -> int:
        """Remove rows that are too old, in small steps. Returns how many went.

        Raises:
            StoreError: the store could not do it; what was removed before stays removed.
        """
        if self._days is None:
            return 0
        before_ms, removed = max(0, self._clock() - self._days * _DAY_MS), 0
        for _ in range(STEPS_A_RUN_MAX):
            gone = await self._store.forget_audited(before_ms, FORGOTTEN_A_STEP)
            removed += gone
            if gone == 0 or await happens_within(self._stopping, PAUSE_SECONDS):
                break
        return removed

    async def page(
        self, mpid: int | None, since_ms: int | None, after_seq: int, limit: int
    ) -> tuple[Sequence[Access], int | None]:
        """Return who read or changed what is known of a profile (None: of any) since a time, in the order it was written.

        And after which number the next page begins; None if this is the last. A page may have fewer than there could be.

        Raises:
            StoreError: the store does not answer, or what it keeps is no row (StoreDamaged).
        """
        with suppress(StoreError):
            await self.flush()
        if since_ms is not None and after_seq == 0:
            after_seq = await self._before(since_ms - DISORDER_MS)
        rows = await self._store.audited(mpid, after_seq, limit)
        found = [_access(row) for row in rows if since_ms is None or row.at_ms >= since_ms]
        return found, rows[-1].seq if len(rows) == limit else None

    async def of_reader(
        self, who: str, since_ms: int | None, after_seq: int, limit: int
    ) -> tuple[Sequence[Access], int | None]:
        """Return what one reader read or changed since a time, of anybody, in the order it was written, as `page` does.

        At most `AUDIT_LOOKED_THROUGH_MAX` rows are looked through, so a page can have few rows, or none, and not be the last.

        Raises:
            StoreError: the store does not answer, or what it keeps is no row (StoreDamaged).
        """
        found: list[Access] = []
        following: int | None = after_seq
        for _ in range(0, AUDIT_LOOKED_THROUGH_MAX, PAGE_MAX):
            page, following = await self.page(None, since_ms, following or 0, PAGE_MAX)
            found += [one for one in page if one.who == who]
            if following is None or len(found) >= limit:
                break
        return found, following

    async def _before(self, at_ms: int) -> int:
        """Return a number so that all rows with it or a lower one are older than a time: as high a one as is found fast."""

        async def is_older(seq: int) -> bool:
            rows = await self._store.audited(None, seq, 1)
            return bool(rows) and rows[0].at_ms < at_ms

        high = 1
        while high < 2**62 and await is_older(high):
            high *= 2
        low = 0
        while low < high:
            middle = (low + high) // 2
            if await is_older(middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _tell_lost(self, more: int) -> None:
        lost, self._lost = self._lost + more, 0
        if lost:
            log.error("audit: %d rows of who read or changed what could not be kept", lost)

    async def _repeat(self) -> None:
        forgotten_at = asyncio.get_running_loop().time()
        while not await happens_within(self._stopping, FLUSH_SECONDS):
            try:
                await self.flush()
                if asyncio.get_running_loop().time() - forgotten_at >= FORGET_EVERY_SECONDS:
                    forgotten_at = asyncio.get_running_loop().time()
                    await self.forget()
            except StoreError as error:
                log.warning("audit: the store does not answer, again soon: %s", error)
            except Exception:
                # A fault of ours must not end the task in silence.
                log.exception("audit")


def is_operator(who: str) -> bool:
    """Whether it was somebody of those who run the server, and nobody to whom data were handed out."""
    return who == ADMIN or who.startswith((ON_COMMAND_LINE, ON_CONSOLE))


def persons_in(document: Document) -> Sequence[int]:
    """Return the profiles that an answer of our own API names, at most `PERSONS_OF_ANSWER_MAX`, each once."""
    found: dict[int, None] = {}
    for name, value in _members(document):
        if name in _NAMED_BY or name.endswith("_mpid"):
            mpid = parse_mpid(value)
            if mpid is not None:
                found[mpid] = None
                if len(found) == PERSONS_OF_ANSWER_MAX:
                    break
    return list(found)


def access_document(one: Access) -> Document:
    """Write a row down, as our own API shows it."""
    return {
        "at": rfc3339(one.at_ms),
        "mpid": None if one.mpid == EVERYBODY else str(one.mpid),
        "who": one.who,
        "what": one.what,
        "status": None if one.status == UNTOLD else one.status,
        "times": one.times,
    }


def _members(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text of a document with the name of the member in which it stands."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for inner, one in cast("dict[str, Any]", value).items():
            yield from _members(one, inner)
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[Any]", value):
            yield from _members(one, name)


def _counted(noted: Iterable[Access]) -> list[Access]:
    """Put together what one asked about one profile several times."""
    counted: dict[tuple[int, str, str, int], Access] = {}
    for one in noted:
        key = one[1:5]
        known = counted.get(key)
        counted[key] = one if known is None else known._replace(times=known.times + one.times)
    return list(counted.values())


def _row(one: Access) -> Audited:
    return Audited(one.at_ms, one.mpid, _ENCODER.encode(_Kept(one.who, one.what, one.status, one.times)))


def _access(row: Audited) -> Access:
    try:
        kept = _DECODER.decode(row.document)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not a row of the audit: {error}") from error
    return Access(row.at_ms, row.mpid, kept.who, kept.what, kept.status, kept.times)
