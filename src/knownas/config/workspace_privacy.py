"""Holds how a workspace treats requests of data subjects: the values of its settings (platform §5.5)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knownas.core.privacy.request import WAITING_DAYS, Waiting

RESIDENCY_CHARACTERS_MAX: Final = 200
"""Characters of the note that says where a workspace's data lie."""


class StaysOut(StrEnum):
    """Whose identities stay out after an erasure: nobody's, those of users, or those of their devices as well."""

    NOBODY = "nobody"
    USERS = "users"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class WorkspacePrivacy:
    """How a workspace treats requests of data subjects: how many days an erasure waits, and can be cancelled; platform §5.5.

    With 0 days everything is carried out at once. `residency` says where the workspace's data lie; None says nothing.
    `stays_out` is whom an erasure keeps out of the scope from then on.

    Raises:
        ValueError: the days are out of their range, or there is too much to say.
    """

    waiting_days: int = WAITING_DAYS
    residency: str | None = None
    stays_out: StaysOut = StaysOut.NOBODY

    def __post_init__(self) -> None:
        Waiting(self.waiting_days)
        if self.residency is not None and not 0 < len(self.residency) <= RESIDENCY_CHARACTERS_MAX:
            raise ValueError(f"a residency has 1 to {RESIDENCY_CHARACTERS_MAX} characters")

    @property
    def waiting(self) -> Waiting:
        """How long requests wait."""
        return Waiting(self.waiting_days)


PRIVACY_AS_USUAL: Final = WorkspacePrivacy()
"""How a workspace treats them that says nothing about it."""
