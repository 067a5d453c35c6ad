"""Resolves the history of a scope again, under the policy in force: everything becomes what it would be had it always held.

The whole log is folded twice to find the components that would be others (`Scan`). Each is corrected by itself, in a commit of
its own: profiles that go on keep their MPIDs, and one that goes leads to who answers now. That is repeated until nothing
differs, so a run that was ended anywhere goes on where it was. What can't be corrected is told and left as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Policy
from knownas.service.history.correcting import Amendment, Correcting, HistoryCorrected, NotCorrected
from knownas.service.history.folds import Differing, Stage, Tell
from knownas.service.history.undoing import Apart
from knownas.service.identity.question import Rules
from knownas.service.limits import LINES_FOLDED_MAX, RESOLUTION_PASSES_MAX, RESOLUTION_TOLD_MAX, RESOLUTION_WAIT_SECONDS
from knownas.service.line import Overloaded
from knownas.store.errors import StoreBusy

Scan = Callable[[str, Policy, Tell], Awaitable[Sequence[Differing]]]
"""Finds what of a scope's history would be otherwise under a policy (`folds.Folds.differing`)."""


class KnowsRules(Protocol):
    """Knows the rules of scopes, as `directory.Directory` does."""

    def rules(self, scope: str) -> Rules | None:
        """Return the rules of a scope."""
        ...


@dataclass(slots=True)
class Resolved:
    """What a resolution came to.

    `changed` are profiles that were written. `too_large`, `unexplained` and `erased` are components left as they are, each named by one of
    its profiles, 0 where it has none yet; of more than `RESOLUTION_TOLD_MAX` the others are only counted. `finished` False: others wrote all the
    time, so that something may be left.
    """

    scope: str
    policy_version: int
    passes: int = 0
    corrections: int = 0
    changed: int = 0
    too_large: list[int] = field(default_factory=list[int])
    unexplained: list[int] = field(default_factory=list[int])
    erased: list[int] = field(default_factory=list[int])
    """Under the new rules somebody would be another profile who was erased, so that nobody can tell any more."""
    finished: bool = False


class Resolving:
    """Resolves the histories of one store. One event loop, one of these."""

    def __init__(self, directory: KnowsRules, correcting: Correcting, scan: Scan, apart: Apart | None = None) -> None:
        """`apart` tells what does not count in a pool (`component_of`)."""
        self._apart = apart
        self._directory = directory
        self._correcting = correcting
        self._scan = scan

    async def resolve(self, scope: str, tell: Tell = lambda _: None) -> Resolved:
        """Resolve the history of a scope again.

        Raises:
            StoreError: the store could not do it; what was corrected stays, and another run goes on from there.
        """
        rules = self._directory.rules(scope)
        if rules is None:
            raise AssertionError(f"the history of {scope} is resolved while it is configured")
        policy = rules.policy
        resolved = Resolved(scope, policy.version)
        left_alone: set[Differing] = set()
        for _ in range(RESOLUTION_PASSES_MAX):
            await self._correcting.settle()
            resolved.passes += 1
            found = [one for one in await self._scan(scope, policy, tell) if one not in left_alone]
            if not found:
                resolved.finished = True
                break
            for number, one in enumerate(found):
                tell(Stage("correcting", number, len(found)))
                if not await self._correct(one, resolved):
                    left_alone.add(one)
        return resolved

    async def _correct(self, one: Differing, resolved: Resolved) -> bool:
        """Correct a component; False if it is left as it is for good."""
        if one.lines > LINES_FOLDED_MAX:
            resolved.too_large.append(_name_of(one))
            return False
        amendment = Amendment(
            one.pool,
            Environment(one.pool.environment or Environment.PRODUCTION),
            resolution_reason(resolved.policy_version),
            one.profiles,
            one.identities,
            policy_version=resolved.policy_version,
        )
        try:
            apart: Mapping[Identity, int] = {} if self._apart is None else await self._apart(one.pool)
            done = await self._correcting.correct(amendment, apart)
        except (StoreBusy, Overloaded):
            # Others are faster or many: the next pass finds it again.
            await asyncio.sleep(RESOLUTION_WAIT_SECONDS)
            return True
        match done:
            case HistoryCorrected():
                resolved.corrections += 1
                resolved.changed += len(done.changed)
            case NotCorrected.COUNTS_ALREADY:
                pass
            case NotCorrected.TOO_LARGE:
                resolved.too_large.append(_name_of(one))
                return False
            case NotCorrected.UNEXPLAINED:
                resolved.unexplained.append(_name_of(one))
                return False
            case NotCorrected.ERASED:
                resolved.erased.append(_name_of(one))
                return False
            case _:
                assert_never(done)
        return True


def _name_of(one: Differing) -> int:
    return min(one.profiles, default=0)


def resolution_reason(version: int) -> str:
    """Return what tells the corrections of a resolution apart from others: new profiles take their names from it."""
    return f"policy {version}"


_UNTOLD: Final = 0


def resolved_document(resolved: Resolved) -> Document:
    """Show what a resolution came to."""
    return {
        "scope": resolved.scope,
        "policy_version": resolved.policy_version,
        "finished": resolved.finished,
        "passes": resolved.passes,
        "corrections": resolved.corrections,
        "profiles_changed": resolved.changed,
        "too_large": _left(resolved.too_large),
        "unexplained": _left(resolved.unexplained),
        "erased": _left(resolved.erased),
    }


def _left(mpids: Sequence[int]) -> Document:
    return {"components": len(mpids), "mpids": [str(one) for one in mpids[:RESOLUTION_TOLD_MAX] if one != _UNTOLD]}
