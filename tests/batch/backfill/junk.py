"""Draws what is put into histories that is nobody's, and what is done about it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.policy import EnvironmentPools, Policy
from knownas.core.identity.toxic_limits import ToxicMode, ToxicReason, ToxicSettings
from knownas.service.toxic.list import ToxicState, ToxicValue, toxic
from knownas.store.port import Pool
from tests.batch.backfill.histories import SCOPE, START_MS, Observation, draw_history, draw_policy

EMAIL, STAMP = IdentityType.EMAIL, IdentityType.DEVICE_APPLICATION_STAMP
ZEROS: Final = "00000000-0000-0000-0000-000000000000"


def junk_of(kind: IdentityType) -> Sequence[str]:
    """Return values of a type that are nobody's, by their looks."""
    if kind in DEVICE_TYPES:
        return (ZEROS, "null", "9774d56d682e549c")
    return ("guest@example.com", "n/a") if kind is EMAIL else ("null", "0000000")


def with_junk(chance: random.Random, rows: Sequence[Observation], share: float) -> list[Observation]:
    """Return rows in some of which junk stands in place of values, now and then of all."""
    found: list[Observation] = []
    for row in rows:
        odds = 1.0 if chance.random() < share / 2 else share
        named = [
            Identity(one.type, chance.choice(junk_of(one.type))) if chance.random() < odds else one
            for one in row.identities
        ]
        found.append(replace(row, identities=tuple(named)))
    return found


def draw_settings(chance: random.Random) -> ToxicSettings:
    """Draw what is done about toxic values, quarantine more often than not."""
    allowed = [Identity(kind, chance.choice(junk_of(kind))) for kind in (EMAIL, STAMP) if chance.random() < 0.2]
    mode = chance.choice([*ToxicMode, ToxicMode.QUARANTINE, ToxicMode.QUARANTINE])
    return ToxicSettings(mode, chance.random() < 0.8, allowed=tuple(allowed))


def draw_listed(chance: random.Random, rules: Policy, rows: Sequence[Observation]) -> list[ToxicValue]:
    """Draw values that somebody has blocked or released before the history comes."""
    shared = rules.settings.environment_pools is EnvironmentPools.SHARED
    found: list[ToxicValue] = []
    for row in chance.sample(rows, k=min(3, len(rows))):
        pool = Pool(SCOPE, "" if shared else row.environment)
        state = chance.choice([ToxicState.QUARANTINED, ToxicState.RELEASED, ToxicState.WATCHED])
        one = chance.choice(row.identities)
        found.append(toxic(pool, one, state, ToxicReason.BY_HAND, START_MS))
    return found


def draw_with_junk(
    chance: random.Random, histories: int, steps: int
) -> tuple[Policy, list[Observation], list[ToxicValue]]:
    """Draw a policy with settings about toxic values, histories with junk, and what was listed before them."""
    drawn = draw_policy(chance)
    rules = replace(drawn, settings=replace(drawn.settings, toxic=draw_settings(chance)))
    rows = with_junk(chance, draw_history(chance, histories=histories, steps=steps), chance.choice([0.05, 0.3]))
    return rules, rows, draw_listed(chance, rules, rows)
