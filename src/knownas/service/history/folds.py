"""Says what folds of a whole history have to tell to whoever rehearses rules or resolves a history under them.

Whoever checks that the records are what the log folds to asks for the same.

They take minutes of processor time, so they are done beside the server (`batch.rehearsing_beside`), which knows no more of them
than this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity
from knownas.core.identity.policy import Policy
from knownas.store.port import Pool


class Differing(NamedTuple):
    """A component that is another one under a policy: where it is gathered from, and how many lines it has.

    `identities` lead to lines that nobody answered.
    """

    pool: Pool
    profiles: tuple[int, ...]
    identities: tuple[Identity, ...]
    lines: int


class Stage(NamedTuple):
    """How far a job is: what it does, and how much of how much is done; 0 of 0 where that can't be told."""

    doing: str
    done: int
    of: int


Tell = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class ToRehearse:
    """A policy for a scope, and the time whose lines count: both ends included, in Unix milliseconds."""

    scope: str
    policy: Policy
    from_ms: int | None = None
    to_ms: int | None = None


class Folds(Protocol):
    """Folds histories beside the server. Whoever is cancelled leaves nothing behind."""

    async def rehearse(self, rehearsal: ToRehearse, tell: Tell) -> Document:
        """Return the report of a rehearsal.

        Raises:
            StoreError: the store does not answer, or whoever folds is gone.
        """
        ...

    async def check(self, scopes: Sequence[str], tell: Tell, *, rows: bool) -> Document:
        """Return what a check of the records against the log found; raises as `rehearse`.

        `scopes` are those of the configuration. With `rows`, the database compares its rows as well.
        """
        ...

    async def differing(self, scope: str, policy: Policy, tell: Tell) -> Sequence[Differing]:
        """Return what of a scope's history would be otherwise under a policy, pool by pool; raises as `rehearse`."""
        ...
