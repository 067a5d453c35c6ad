"""Lists what is compared: a policy a contender, and the ways to read what it leaves behind."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from bench.accuracy.playing import Played, as_aliased, as_linked, as_sent
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Settings, Strategy, policy
from knownas.core.identity.toxic_limits import ToxicMode, ToxicSettings

_QUARANTINE: Final = Settings(toxic=ToxicSettings(ToxicMode.QUARANTINE))
_BY_EMAIL_TOO: Final = (IdentityType.CUSTOMER_ID, IdentityType.EMAIL)


class Reading(NamedTuple):
    """A way to say which profile an event is on; `name` is what the report calls it."""

    name: str
    profiles: Callable[[Played], list[int]]


AS_SENT: Final = Reading("", as_sent)
ALIASED: Final = Reading("aliased", as_aliased)
NOT_AT_KIOSKS: Final = Reading("aliased but at kiosks", partial(as_aliased, at_kiosks=False))
LINKED: Final = Reading("links followed", as_linked)


class Contender(NamedTuple):
    """A policy, and how its profiles are read."""

    name: str
    policy: Policy
    readings: Sequence[Reading] = (AS_SENT,)


CONTENDERS: Final[Sequence[Contender]] = (
    Contender("default", policy(Strategy.DEFAULT), (AS_SENT, ALIASED)),
    Contender("profile_conversion", policy(Strategy.PROFILE_CONVERSION), (AS_SENT, ALIASED, NOT_AT_KIOSKS)),
    Contender(
        "profile_conversion, e-mail a login ID",
        policy(Strategy.PROFILE_CONVERSION, login_ids=_BY_EMAIL_TOO, unique_ids=_BY_EMAIL_TOO),
        (AS_SENT, ALIASED),
    ),
    Contender(
        "profile_conversion, with quarantine",
        policy(Strategy.PROFILE_CONVERSION, settings=_QUARANTINE),
        (AS_SENT, ALIASED),
    ),
    Contender("profile_link", policy(Strategy.PROFILE_LINK), (AS_SENT, LINKED, ALIASED)),
    Contender("profile_isolation", policy(Strategy.PROFILE_ISOLATION)),
    Contender("best_match", policy(Strategy.BEST_MATCH)),
    Contender("best_match, with quarantine", policy(Strategy.BEST_MATCH, settings=_QUARANTINE)),
)
"""All with their strategy's presets but for the third. Those with quarantine meet the same worlds, junk and all."""


def named(contender: Contender, reading: Reading) -> str:
    """Return what a line of the report is called: its parts from the policy on, divided by commas."""
    return f"{contender.name}, {reading.name}" if reading.name else contender.name
