"""Says where a section stands among all of a workspace, where they come by MPID and environment."""

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.user_data import SectionKey

_SEPARATOR = "/"


def place_of(key: SectionKey) -> str:
    """Return the place of a section."""
    return f"{key.mpid}{_SEPARATOR}{key.environment}"


def key_at(workspace: int, place: str | None) -> SectionKey | None:
    """Return the section at a place; None for the beginning, and for a place that is another store's."""
    mpid, separator, environment = ("" if place is None else place).partition(_SEPARATOR)
    if not separator or not mpid.removeprefix("-").isdecimal() or not mpid.isascii():
        return None
    return SectionKey(workspace, environment, int(mpid)) if MPID_MIN <= int(mpid) <= MPID_MAX else None


def share_of(mpid: int) -> float:
    """Return the share of all profiles that come up to one: MPIDs are drawn evenly from all that there are."""
    return (mpid - MPID_MIN) / (MPID_MAX - MPID_MIN)
