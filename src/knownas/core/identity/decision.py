"""Holds what a decision is: an outcome of a closed set, the changes it makes, and the receipt that explains it.

These values are made for every request, which is why they are named tuples: they cost half of a frozen dataclass.
Ask for their class before you compare them, since tuples of two classes can be equal.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Recency
from knownas.core.identity.record import Record


class Guard(StrEnum):
    """Why a profile that holds a wanted identity may not be returned; idsync §2.5."""

    LOGIN = "login_id_required"
    IMMUTABLE = "immutable_id_required"
    SEARCH_IMMUTABLE = "search_needs_an_immutable_id"


class LookupEffect(StrEnum):
    """What the lookup of one type did to the candidates."""

    NONE = "no_profile"
    FIRST = "first_candidates"
    NARROWED = "narrowed"
    KEPT = "no_overlap_ignored"


class DecidedBy(StrEnum):
    """The rule that settled the answer."""

    LAST_CANDIDATE = "one_profile_left"
    PREVIOUS_MPID = "previous_mpid"
    MOST_RECENT = "most_recently_active"
    SMALLEST_MPID = "smallest_mpid"
    KNOWN_BEATS_ANONYMOUS = "known_beats_anonymous"
    NO_CANDIDATE = "no_profile_can_be_returned"
    NEW_KNOWN_USER = "first_seen_login_id_gets_a_profile"
    LOGOUT = "logout_makes_a_profile"
    NAMED = "named_by_its_mpid"
    REFUSED = "refused"
    CORRECTED = "history_corrected"


class Refusal(StrEnum):
    """Why a request is refused as a whole. The value is the stable reason code."""

    NO_IDENTITIES = "no_identities"
    LOGIN_WITHOUT_LOGIN_ID = "login_without_login_id"
    NO_LOGIN_IN_BEST_MATCH = "no_login_in_best_match"
    EMPTY_RECORD = "empty_record"
    UNKNOWN_MPID = "unknown_mpid"
    IMMUTABLE_CHANGE = "immutable_change"
    IMMUTABLE_REMOVAL = "immutable_removal"
    IMMUTABLE_TAKEN = "immutable_taken"
    UNIQUE_MOVE_NOT_ALLOWED = "unique_move_not_allowed"
    UNIQUE_CROWDED = "unique_value_on_too_many_profiles"
    RECORD_FULL = "record_full"
    MPID_TAKEN = "mpid_taken"
    UNIQUE_TAKEN = "unique_taken"
    ERASED = "erased"
    SUPPRESSED = "suppressed"


class Skip(StrEnum):
    """Why one identity of an accepted request was not added to the profile; idsync §3.2 step 7.

    A quarantined one was set aside before any rule looked at it, so no rule says this: whoever shows a decision does.
    """

    IMMUTABLE_SET = "immutable_already_set"
    UNIQUE_HELD = "unique_held_by_another_profile"
    MAX_VALUES = "max_values_reached"
    RECORD_FULL = "record_full"
    LOGOUT_LOGIN_ID = "login_id_ignored_at_logout"
    QUARANTINED = "quarantined"


class Rejection(NamedTuple):
    """A profile that holds the wanted identity and may not be returned."""

    mpid: int
    guard: Guard


NOT_CROWDED: Final = False
"""`more` of a lookup that has considered every holder there is."""


class LookupStep(NamedTuple):
    """One type looked up: who holds the value, who was rejected by which guard, and who was left after it.

    `more` tells that the value sits on more profiles than a lookup considers.
    """

    identity: Identity
    returnable: tuple[int, ...]
    rejected: tuple[Rejection, ...]
    more: bool
    effect: LookupEffect
    left: tuple[int, ...]


class Receipt(NamedTuple):
    """The steps of a decision. `decided_at` is the type whose lookup, or login ID, settled it."""

    policy_version: int
    steps: tuple[LookupStep, ...]
    decided_by: DecidedBy
    decided_at: IdentityType | None = None


class Returned(NamedTuple):
    """An existing profile answers."""

    mpid: int
    known: bool
    became_known: bool = False


class Created(NamedTuple):
    """A new profile answers. `source_mpid` is the anonymous one it is linked from (profile link only)."""

    mpid: int
    known: bool
    source_mpid: int | None = None


class NotFound(NamedTuple):
    """Nothing can be returned, and this request creates nothing."""


class Refused(NamedTuple):
    """The request as a whole is refused; nothing changes."""

    reason: Refusal
    message: str


class Modified(NamedTuple):
    """A modify was carried out. `results` names every (type, MPID) that changed, donors included."""

    mpid: int
    known: bool
    results: tuple[tuple[IdentityType, int], ...]


class Seeded(NamedTuple):
    """A profile of another system came over."""

    mpid: int
    known: bool


class Corrected(NamedTuple):
    """What counts of the history was changed; these profiles are others than before, or gone."""

    mpids: tuple[int, ...]


class Erased(NamedTuple):
    """A profile was emptied for good. What it held is not told: nobody is to know it any more."""

    mpid: int


Outcome = Returned | Created | NotFound | Refused | Modified | Seeded | Corrected | Erased


class ChangeKind(StrEnum):
    """What happened to one identity of one profile."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CARRIED = "carried"
    DROPPED = "dropped"


class Change(NamedTuple):
    """One identity added to, removed from or moved to a profile.

    `carried` and `dropped` concern identities outside the priority. `from_mpid` is set where the value moved.
    """

    kind: ChangeKind
    identity: Identity
    mpid: int
    from_mpid: int | None = None


class SkippedIdentity(NamedTuple):
    """An identity of the request that the profile did not get, and who holds it if that is why."""

    identity: Identity
    why: Skip
    holder: int | None = None


class RecordWrite(NamedTuple):
    """A record as it was and as it is now; `before` None for a new profile."""

    before: Record | None
    after: Record


class Decision(NamedTuple):
    """The answer to one observation.

    `record` is the answering profile after the update, None if there is none. `recency` is filled where the
    activity of several candidates could have decided; whoever logs the observation logs it too.
    """

    outcome: Outcome
    receipt: Receipt
    record: Record | None = None
    changes: tuple[Change, ...] = ()
    skipped: tuple[SkippedIdentity, ...] = ()
    writes: tuple[RecordWrite, ...] = ()
    recency: Recency = ()

    @property
    def answered(self) -> int | None:
        """The profile that the observation was answered with, if any."""
        outcome = self.outcome
        return outcome.mpid if isinstance(outcome, Returned | Created | Modified | Seeded) else None

    @property
    def touched(self) -> Iterator[int]:
        """Yield the MPIDs whose records the decision writes."""
        for write in self.writes:
            yield write.after.mpid
