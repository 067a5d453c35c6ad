"""Tells what was known at a time: the fold of the lines that had been logged by then, under what counted then.

Only the lines that could have mattered are gathered and folded (`components`). A correction changes what counts from its own
time on: asked about an earlier time, what it took back is still there.
"""

from dataclasses import dataclass

from knownas.core.history.conditions import conditions_of
from knownas.core.history.world import World, corrections_in, world_of
from knownas.core.identity.kinds import Identity
from knownas.service.components import component_of
from knownas.service.policies import decode_policy, policies_of
from knownas.service.question import Rules
from knownas.store.port import Pool, Store


@dataclass(frozen=True, slots=True)
class Past:
    """What some profiles and identities of a pool were at a time, and all that could have mattered to them."""

    world: World
    at_ms: int


async def past_of(
    store: Store, pool: Pool, at_ms: int, mpids: tuple[int, ...] = (), identities: tuple[Identity, ...] = ()
) -> Past:
    """Fold what had been logged about profiles and identities by a time, in Unix milliseconds, that time included.

    Raises:
        TooLarge: more lines could have mattered than are folded at once.
        StoreError: the store does not answer.
    """
    component = await component_of(store, pool, mpids, identities)
    lines = [line for line in component.lines if line.logged.observation.at_ms <= at_ms]
    conditions = conditions_of(corrections_in(lines))
    world = world_of(lines, conditions, await policies_of(store, pool.scope), _nobody)
    return Past(world, at_ms)


def _nobody(seq: int) -> int:
    """Return a number that is no profile's: whatever counted then had names for all that it made."""
    return -seq


async def rules_then(store: Store, scope: str, at_ms: int) -> Rules | None:
    """Return the rules of a scope that were in force at a time; None before its first ones."""
    versions = [one for one in await store.policies(scope) if one.since_ms <= at_ms]
    return Rules(scope, decode_policy(versions[-1])) if versions else None
