"""Sets aside what of a request is quarantined, before any rule looks at it.

Every request becomes a question in one place (`question.Rules.ask`), whoever asks: an SDK, a batch of events, a seeding, a
row of a file. There its toxic identities are taken out of what it names and put into its `set_aside`. The answer is as if
they had not been sent; the log keeps them, so that a release can count them again.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.toxic import unlike_a_person
from knownas.core.identity.toxic_limits import ToxicMode, ToxicReason, ToxicSettings
from knownas.store.port import Pool

NOTED_MAX: Final = 1_000
"""Values that fit a pattern and wait to be listed; further ones are set aside all the same."""

_NOBODY: Final[frozenset[Identity]] = frozenset()
_NOTHING: Final[Mapping[Identity, ToxicReason]] = {}


class Screen:
    """What is set aside in one scope. One process, one of these a scope.

    `counted` are the values set aside so far, by reason. `noted` are those set aside by their looks that may not be on
    the list yet.
    """

    def __init__(self, settings: ToxicSettings) -> None:
        self.settings: Final = settings
        self._by_pattern: Final = settings.mode is ToxicMode.QUARANTINE and settings.patterns
        self._allowed: Final = frozenset(settings.allowed)
        self._quarantined: Mapping[Pool, Mapping[Identity, ToxicReason]] = {}
        self._released: Mapping[Pool, Collection[Identity]] = {}
        self._sets_aside = self._by_pattern
        self.counted: Counter[ToxicReason] = Counter()
        self.noted: dict[tuple[Pool, Identity], None] = {}

    def take_up(
        self, quarantined: Mapping[Pool, Mapping[Identity, ToxicReason]], released: Mapping[Pool, Collection[Identity]]
    ) -> None:
        """Set these values aside from now on, beside those that fit a pattern and are not among the released."""
        self._quarantined, self._released = quarantined, released
        is_on = self.settings.mode is not ToxicMode.OFF
        self._sets_aside = self._by_pattern or (is_on and any(quarantined.values()))

    @property
    def is_busy(self) -> bool:
        """Whether anything can be set aside at all."""
        return self._sets_aside

    def is_allowed(self, pool: Pool, one: Identity) -> bool:
        """Whether a value is never toxic, by the policy or because somebody has released it."""
        return one in self._allowed or one in self._released.get(pool, _NOBODY)

    def sets_aside(self, pool: Pool, one: Identity) -> bool:
        """Whether a value would be set aside now."""
        return self._sets_aside and self._is_set_aside(pool, one, counts=False)

    def screened(self, observation: Observation, pool: Pool, *, counts: bool = True) -> Observation:
        """Return an observation with what is quarantined set aside. `counts` False for one that is only looked at."""
        if not self._sets_aside:
            return observation
        match observation:
            case IdentityRequest() | SeedRequest():
                aside = tuple([one for one in observation.identities if self._is_set_aside(pool, one, counts=counts)])
                return _without(observation, aside) if aside else observation
            case ModifyRequest(changes=changes):
                waits = tuple([one for one in changes if self._waits(pool, one, counts=counts)])
                if waits:
                    left = tuple([one for one in changes if one not in waits])
                    return replace(observation, changes=left, set_aside=waits)
            case Correction() | Erasure():
                pass
        return observation

    def _waits(self, pool: Pool, change: IdentityChange, *, counts: bool) -> bool:
        """Whether a change is set aside: one that gives a profile a toxic value. Taking one away is carried out."""
        new = change.new_value
        return new is not None and self._is_set_aside(pool, Identity(change.type, new), counts=counts)

    def _is_set_aside(self, pool: Pool, one: Identity, *, counts: bool) -> bool:
        reason = self._quarantined.get(pool, _NOTHING).get(one)
        if reason is None:
            if not self._by_pattern or unlike_a_person(one) is None or self.is_allowed(pool, one):
                return False
            reason = ToxicReason.PATTERN
            if counts and len(self.noted) < NOTED_MAX:
                self.noted[pool, one] = None
        if counts:
            self.counted[reason] += 1
        return True


def _without(observation: IdentityRequest | SeedRequest, aside: tuple[Identity, ...]) -> Observation:
    left = tuple([one for one in observation.identities if one not in aside])
    if isinstance(observation, IdentityRequest):
        return observation._replace(identities=left, set_aside=aside)
    return replace(observation, identities=left, set_aside=aside)
