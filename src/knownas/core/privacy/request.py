"""Decides what state a data subject's request is in, and when what is to be done is due (platform §5.1 to §5.5).

A request waits, is carried out, and is completed; while it waits it can be cancelled. Nothing else ever happens to it, so its
state is a function of few moments: when it came, when it is due, when it was begun, and when it ended.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.kinds import Identity
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, SUBJECT_MPIDS_MAX, WAITING_DAYS_MAX

DAY_MS: Final = 24 * 60 * 60 * 1000
COMPLETION_MS: Final = 2 * DAY_MS
"""A request is expected to be completed at most so long after it is due (platform §5.5)."""

WAITING_DAYS: Final = 7
"""Days an erasure waits, and can be cancelled, where a workspace says nothing else (platform §5.5)."""

EPOCH_WEEKDAY: Final = 3
"""The first of January 1970 was a Thursday, if a week begins with Monday as 0."""

BATCH_WEEKDAYS: Final = (0, 3)
"""Access and portability are carried out at the start of these days, Monday and Thursday (platform §5.5)."""


class Regulation(StrEnum):
    """The law on which a request rests."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class RequestType(StrEnum):
    """What is asked for. Access and portability are answered alike (platform §5.6)."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"


class RequestState(StrEnum):
    """What has become of a request; the value is what OpenDSR calls it (platform §5.3)."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Encoding(StrEnum):
    """How the value of an identity is given: as it is, or as the hex digest of it."""

    RAW = "raw"
    SHA1 = "sha1"
    SHA256 = "sha256"
    MD5 = "md5"


class SubjectIdentity(NamedTuple):
    """An identity of the person whom a request is about. Unless `encoding` is raw, its value is a digest in lower-case hex."""

    identity: Identity
    encoding: Encoding = Encoding.RAW


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a request is about: a profile by its MPID alone, or whoever the identities lead to (platform §5.2).

    The second version names several profiles, `mpids`, and can name identities beside them (platform §5.8). All of them are one
    person's: that is what the controller says by it.

    Raises:
        ValueError: nobody is named, or more than may be, or the `mpid` is not alone.
    """

    identities: tuple[SubjectIdentity, ...] = ()
    mpid: int | None = None
    mpids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.mpid is None) == (not self.identities and not self.mpids):
            raise ValueError("either identities or an MPID")
        if len(self.identities) > SUBJECT_IDENTITIES_MAX:
            raise ValueError(f"at most {SUBJECT_IDENTITIES_MAX} identities")
        if len(self.mpids) > SUBJECT_MPIDS_MAX:
            raise ValueError(f"at most {SUBJECT_MPIDS_MAX} MPIDs")

    @property
    def named(self) -> tuple[int, ...]:
        """All profiles that are named by their MPIDs."""
        return self.mpids if self.mpid is None else (self.mpid,)

    @property
    def asked(self) -> tuple[frozenset[int], frozenset[SubjectIdentity]]:
        """Who is named, in whatever order and manner."""
        return frozenset(self.named), frozenset(self.identities)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a workspace lets requests wait.

    With no days at all everything is carried out at once: also what else waits for the next Monday or Thursday.

    Raises:
        ValueError: there are too many days.
    """

    days: int = WAITING_DAYS

    def __post_init__(self) -> None:
        if not 0 <= self.days <= WAITING_DAYS_MAX:
            raise ValueError(f"0 to {WAITING_DAYS_MAX} days")


class CantBe(Exception):
    """A request is not in a state in which this can happen to it."""


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A request of a data subject. Times are Unix milliseconds; `group`, `callbacks` and `extensions` are the controller's.

    `begun_ms` and `ended_ms` are None until it is carried out and completed or cancelled. `api_version` and `base_url` are how
    it was asked: by which version of OpenDSR, and at which address of the server.
    """

    request_id: str
    workspace: int
    regulation: Regulation
    type: RequestType
    subject: Subject
    submitted_ms: int
    received_ms: int
    due_ms: int
    group: str | None = None
    callbacks: tuple[str, ...] = ()
    begun_ms: int | None = None
    ended_ms: int | None = None
    cancelled: bool = False
    api_version: str = "3.0"
    base_url: str = ""

    @property
    def state(self) -> RequestState:
        """What has become of it."""
        if self.cancelled:
            return RequestState.CANCELLED
        if self.ended_ms is not None:
            return RequestState.COMPLETED
        return RequestState.PENDING if self.begun_ms is None else RequestState.IN_PROGRESS

    @property
    def expected_ms(self) -> int | None:
        """By when it is to be completed: the end of the day, in UTC, two days after it is due; None if it was cancelled."""
        if self.cancelled:
            return None
        return -(-(self.due_ms + COMPLETION_MS) // DAY_MS) * DAY_MS

    def begin(self, at_ms: int) -> "SubjectRequest":
        """Carry it out from now on; it can't be cancelled any more. One that was begun and interrupted goes on as it is.

        Raises:
            CantBe: it is not due, or has ended.
        """
        if self.state is RequestState.IN_PROGRESS:
            return self
        if self.state is not RequestState.PENDING or at_ms < self.due_ms:
            raise CantBe(f"{self.request_id} is {self.state}, due at {self.due_ms}")
        return replace(self, begun_ms=at_ms)

    def complete(self, at_ms: int) -> "SubjectRequest":
        """Note that all of it is done.

        Raises:
            CantBe: it was not begun, or has ended.
        """
        if self.state is not RequestState.IN_PROGRESS:
            raise CantBe(f"{self.request_id} is {self.state}")
        return replace(self, ended_ms=at_ms)

    def cancel(self, at_ms: int) -> "SubjectRequest":
        """Take it back, as its controller may while it waits (platform §5.1).

        Raises:
            CantBe: it is carried out, or has ended.
        """
        if self.state is not RequestState.PENDING:
            raise CantBe(f"{self.request_id} is {self.state}")
        return replace(self, ended_ms=at_ms, cancelled=True)


def due(kind: RequestType, received_ms: int, waiting: Waiting, *, skips_waiting: bool) -> int:
    """Say when a request is carried out (platform §5.5).

    An erasure waits, unless its controller asks for no waiting; the other two wait for the start of the next Monday or Thursday.
    """
    if waiting.days == 0 or (kind is RequestType.ERASURE and skips_waiting):
        return received_ms
    if kind is RequestType.ERASURE:
        return received_ms + waiting.days * DAY_MS
    return _next_batch(received_ms)


def _next_batch(after_ms: int) -> int:
    today = after_ms // DAY_MS
    for days in range(1, 8):
        moment = (today + days) * DAY_MS
        if (today + days + EPOCH_WEEKDAY) % 7 in BATCH_WEEKDAYS:
            return moment
    raise AssertionError("every week has these days")


def same_asked(one: SubjectRequest, other: SubjectRequest) -> bool:
    """Whether two requests ask for the same of the same person in the same workspace.

    While the first is under way the second is refused (platform §5.2, 409).
    """
    return (one.workspace, one.type, one.subject.asked) == (other.workspace, other.type, other.subject.asked)
