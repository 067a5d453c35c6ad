"""Holds the phrases that everything told about decisions is made of: how profiles, identities and refusals are named."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from knownas.core.identity.decision import Refusal
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, RECORD_IDENTITIES_MAX

PROFILES_NAMED_MAX: Final = 6
"""Profiles one sentence names; of further ones it says how many there are."""

NOT_MADE: Final = 0
"""Stands for the MPID of a profile that would be made: nobody knows it before it is."""

_TYPE_NAMES: Final = frozenset(kind.value for kind in IdentityType)

REFUSALS: Final[Mapping[Refusal, str]] = {
    Refusal.NO_IDENTITIES: "it names no identity",
    Refusal.LOGIN_WITHOUT_LOGIN_ID: "it names no login ID, and the policy asks one of a login",
    Refusal.NO_LOGIN_IN_BEST_MATCH: "the best match strategy has no login and no logout",
    Refusal.EMPTY_RECORD: "none of its identities can be on a new profile, so nothing would ever lead to it",
    Refusal.UNKNOWN_MPID: "there is no profile of the MPID that it names",
    Refusal.IMMUTABLE_CHANGE: "a profile would get a second value of an immutable type",
    Refusal.IMMUTABLE_REMOVAL: "a profile would lose an immutable value",
    Refusal.IMMUTABLE_TAKEN: "another profile would lose an immutable value",
    Refusal.UNIQUE_MOVE_NOT_ALLOWED: "another profile would lose a unique value, and this input may not move one",
    Refusal.UNIQUE_CROWDED: f"a unique value is on more than {HOLDERS_CONSIDERED_MAX} other profiles",
    Refusal.RECORD_FULL: f"a profile holds at most {RECORD_IDENTITIES_MAX} values",
    Refusal.MPID_TAKEN: "there is a profile of that MPID already",
    Refusal.UNIQUE_TAKEN: "a unique value belongs to another profile",
    Refusal.ERASED: "the profile of that MPID was erased",
    Refusal.SUPPRESSED: "it names somebody who was erased and is to stay out",
}
"""Why a request is refused, after "was refused:". A test keeps it complete: a match would be all branches."""


def listed(words: Iterable[str]) -> str:
    """Join one word or more the way a sentence lists them."""
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last


def named(one: Identity) -> str:
    """Name an identity by its type and its value, which stands there whole."""
    return f"{one.type.value} {one.value}"


def all_named(some: Iterable[Identity]) -> str:
    """Name one identity or more."""
    return listed(map(named, some))


def profiles_named(mpids: Sequence[int]) -> str:
    """Name one profile or more, and at most so many that the sentence stays one."""
    shown = list(map(str, mpids[:PROFILES_NAMED_MAX]))
    further = len(mpids) - len(shown)
    return f"{plural(mpids, 'profile', 'profiles')} {listed([*shown, f'{further} more'] if further else shown)}"


def profile_named(mpid: int) -> str:
    """Name one profile, or the one that would be made."""
    return "the new profile" if mpid == NOT_MADE else f"profile {mpid}"


def plural(some: Sequence[object], one: str, several: str) -> str:
    """Choose between the word for one and the word for several."""
    return one if len(some) == 1 else several


def sentence(words: str) -> str:
    """Make words a sentence. One that begins with the name of a type keeps the name as it is spelled."""
    first, _, _ = words.partition(" ")
    return f"{words}." if first in _TYPE_NAMES else f"{words[:1].upper()}{words[1:]}."


def anonymity(*, known: bool) -> str:
    """Say whether a profile is a known user's."""
    return "known" if known else "anonymous"
