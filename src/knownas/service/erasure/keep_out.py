"""Turns away whoever was erased and is to stay out, before any rule looks at what they are called (platform §5.5).

Every request becomes a question in one place (`question.Rules.ask`), whoever asks: an SDK, a batch of events, a seeding, a row of a
file. One that names somebody who is to stay out is refused there, whole, and what it named is forgotten at once: neither its
receipt nor the log has it. It is counted.
"""

from dataclasses import replace
from typing import Final

from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.privacy.suppression import KEY_BYTES, Suppressed, brought_by
from knownas.store.port import Pool

_NOBODY: Final = Suppressed(bytes(KEY_BYTES), ())


class KeepOut:
    """Who is kept out of one scope. One process, one of these a scope.

    `is_busy` says whether anybody is kept out at all. `counted` are the requests that were turned away, `untold` those of
    them of which the evidence does not tell yet.
    """

    def __init__(self) -> None:
        self._suppressed = _NOBODY
        self.is_busy = False
        self.counted = 0
        self.untold = 0

    def take_up(self, suppressed: Suppressed) -> None:
        """Keep these out from now on."""
        self._suppressed = suppressed
        self.is_busy = len(suppressed) > 0

    def turns_away(self, observation: Observation, pool: Pool, *, counts: bool) -> bool:
        """Whether an observation would bring somebody who is to stay out. `counts` False for one that is only looked at."""
        if not self.is_busy or _is_search(observation):
            return False
        turned_away = any(self._suppressed.has(*pool, one) for one in brought_by(observation))
        if turned_away and counts:
            self.counted += 1
            self.untold += 1
        return turned_away


def _is_search(observation: Observation) -> bool:
    """Whether an observation only asks, and so brings nobody: who was erased is not found, like anybody else who is not there."""
    return isinstance(observation, IdentityRequest) and observation.endpoint is Endpoint.SEARCH


def nameless(observation: Observation) -> Observation:
    """Return an observation without anything that it named."""
    match observation:
        case IdentityRequest():
            return observation._replace(identities=(), set_aside=())
        case ModifyRequest():
            return replace(observation, changes=(), set_aside=())
        case SeedRequest():
            return replace(observation, identities=(), set_aside=())
        case Correction() | Erasure():
            return observation
