"""Says who is in a seeded database: users whose identities and MPIDs follow from their number.

`requests.lua` computes the same identities, so that a load generator can ask about any user without a list.
Consecutive numbers are spread where real values would be (e-mails, device stamps, MPIDs), since an index that is
filled and read in order is faster than life.
"""

from dataclasses import dataclass
from typing import Final

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.core.identity.record import Record

PROFILES_MAX: Final = 100_000_000
"""The Lua side computes in doubles, which are exact up to here."""

CROWDED_STAMP: Final = "c0ffee00-0000-4000-8000-000000000000"
"""The device stamp that the crowd shares."""

CREATED_MS: Final = 1_735_689_600_000
FRESH_MS: Final = 4_102_444_800_000
"""An activity that lies in the future (the year 2100): no visit is written down as being an hour later."""

POLICY: Final[Policy] = policy(Strategy.PROFILE_CONVERSION)
"""The rules that every benchmark is decided under."""

_MPID_STEP: Final = 0x9E37_79B9_7F4A_7C15
_MPIDS: Final = 2**63


@dataclass(frozen=True, slots=True)
class Population:
    """So many known users with three identities each, and a crowd of anonymous profiles on one device.

    `stale` users were last seen long ago, so that each one's first visit is written down, behind its answer;
    the others were seen within the hour, which is what most visits of a busy server find.

    Raises:
        ValueError: there are too many.
    """

    profiles: int
    crowd: int = 0
    stale: bool = False

    def __post_init__(self) -> None:
        if self.profiles < 0 or self.crowd < 0 or self.profiles + self.crowd > PROFILES_MAX:
            raise ValueError(f"0 to {PROFILES_MAX} profiles")

    @property
    def active_ms(self) -> int:
        """When everybody was last seen; in the crowd, the first one was."""
        return CREATED_MS if self.stale else FRESH_MS


def scatter(number: int) -> int:
    """Spread consecutive numbers over 31 bits, the way `requests.lua` does."""
    return (number * 214_013 + 2_531_011) % 2**31


def mpid_of(number: int) -> int:
    """Return the MPID of the profile with this number, from 1; they are spread over all positive ones."""
    return number * _MPID_STEP % _MPIDS


def identities_of(number: int) -> tuple[Identity, ...]:
    """Return the identities of a known user."""
    spread = scatter(number)
    return (
        Identity(IdentityType.CUSTOMER_ID, f"c{number:09d}"),
        Identity(IdentityType.EMAIL, f"u{spread:08x}.{number}@example.com"),
        Identity(IdentityType.DEVICE_APPLICATION_STAMP, f"{spread:08x}-0000-4000-8000-{number:012x}"),
    )


def user(number: int, active_ms: int) -> Record:
    """Return the record of a known user."""
    values = {one.type: (one.value,) for one in identities_of(number)}
    return Record(mpid_of(number), values, {}, known=True, created_ms=CREATED_MS, active_ms=active_ms)


def visitor(number: int, stamp: str, active_ms: int) -> Record:
    """Return the record of an anonymous profile on a device."""
    values = {IdentityType.DEVICE_APPLICATION_STAMP: (stamp,)}
    return Record(mpid_of(number), values, {}, known=False, created_ms=CREATED_MS, active_ms=active_ms)
