"""Lists what a connection can send of a user: a value of an identity type, or the MPID itself (platform §7.2)."""

from enum import StrEnum
from typing import Final

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType


class ProfileId(StrEnum):
    """What names the profile here and is no identity of the user."""

    MPID = "mpid"


Target = IdentityType | ProfileId
"""What is sent. The device application stamp is among the identity types."""

MPID: Final = ProfileId.MPID


def is_of_device(target: Target) -> bool:
    """Whether it identifies a device of the user, and not the user."""
    return target in DEVICE_TYPES
