"""Tells what was known at a time: the fold of the lines that had been logged by then, under what counted then.

Only the lines that could have mattered are gathered and folded (`components`). A correction changes what counts from its own
time on: asked about an earlier time, what it took back is still there.

**Toxic values** are as they were then: what of a question was on the list at that time, or looked toxic to the policy of then, is set
aside, and lines count without a value from the correction on that said so. Lines are not gathered by way of a value that counts
for none of them at that time: one that was set aside whenever it came and was never released, or that a correction
has taken out of all lines there are. So a person stays small who was named with junk like thousands of others. Where a server that
did not know of the list yet has let a value in after its correction, lines are gathered by way of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from knownas.core.history.conditions import conditions_of
from knownas.core.history.world import Line, World, corrections_in, world_of
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction
from knownas.service.history.components import component_of
from knownas.service.history.subjects import named_in, set_aside_in
from knownas.service.identity.policies import decode_policy, policies_of
from knownas.service.identity.question import Rules, screened_rules
from knownas.service.limits import GATHERED_ANEW_MAX
from knownas.service.toxic.list import ToxicList, read_list_as_of
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
    then = await read_list_as_of(store, at_ms)
    apart = {one: seq for one, seq in then.listed.apart(pool).items() if one not in identities}
    for left in reversed(range(GATHERED_ANEW_MAX)):
        released = {*then.ever_released(pool), *(one for one in then.listed.apart(pool) if one not in apart)}
        component = await component_of(store, pool, mpids, identities, apart, released)
        lines = [line for line in component.lines if line.logged.observation.at_ms <= at_ms]
        counting = await _counting(store, pool, then.listed, lines, apart, at_ms)
        if not counting:
            return await _folded(store, pool, lines, apart, at_ms)
        apart = {one: seq for one, seq in apart.items() if left > 1 and one not in counting}
    raise AssertionError("where nothing is left out, nothing has to be taken in")


async def _folded(store: Store, pool: Pool, lines: Sequence[Line], apart: Mapping[Identity, int], at_ms: int) -> Past:
    conditions = conditions_of(corrections_in(lines), apart)
    world = world_of(lines, conditions, await policies_of(store, pool.scope), _nobody)
    return Past(world, at_ms)


async def _counting(
    store: Store, pool: Pool, listed: ToxicList, lines: Sequence[Line], apart: Mapping[Identity, int], at_ms: int
) -> Collection[Identity]:
    """Return which of the values that nothing was gathered by way of may have counted for one of the lines at a time."""
    found: set[Identity] = set()
    met: set[Identity] = set()
    for line in lines:
        observation = line.logged.observation
        aside = set(set_aside_in(observation))
        for one in named_in(observation):
            if one in apart:
                met.add(one)
                if line.seq > apart[one] and one not in aside and not isinstance(observation, Correction):
                    found.add(one)
    for one in met - found:
        value = listed.find(pool, one)
        entry = None if value is None or value.decision_id is None else await store.decision(value.decision_id)
        if entry is None or entry.at_ms > at_ms:
            # It was on the list by then, and its past was not corrected yet.
            found.add(one)
    return found


def _nobody(seq: int) -> int:
    """Return a number that is no profile's: whatever counted then had names for all that it made."""
    return -seq


async def rules_then(store: Store, scope: str, at_ms: int) -> Rules | None:
    """Return the rules of a scope that were in force at a time, with what they set aside; None before its first ones.

    Raises:
        StoreError: the store does not answer.
    """
    versions = [one for one in await store.policies(scope) if one.since_ms <= at_ms]
    if not versions:
        return None
    rules = screened_rules(scope, decode_policy(versions[-1]))
    if rules.screen is not None:
        listed = (await read_list_as_of(store, at_ms)).listed
        rules.screen.take_up(listed.quarantined(), listed.released())
    return rules
