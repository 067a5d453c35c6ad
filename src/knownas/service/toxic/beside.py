"""Puts together what looks for toxic values, for whoever works beside the server: an import, a verb of the command line."""

from knownas.core.identity.toxic_limits import ToxicMode
from knownas.service.chance import SystemChance
from knownas.service.history.correcting import Correcting
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.security.directory import Directory
from knownas.service.server import system_clock
from knownas.service.toxic.deciding import ToxicIdentities
from knownas.service.toxic.watch import ToxicWatch
from knownas.store.port import Store


def toxic_beside(store: Store, directory: Directory, taken_up_after_ms: int = 0) -> tuple[ToxicIdentities, ToxicWatch]:
    """Return the toxic values of a store and a watch over it; nobody else writes to it through this process meanwhile."""
    chance = SystemChance()
    resolver = Resolver(store, chance, RecentDecisions(), ActivityMemory())
    correcting = Correcting(store, directory, resolver, chance, system_clock)
    identities = ToxicIdentities(store, directory.scopes, correcting, system_clock, taken_up_after_ms)
    return identities, ToxicWatch(store, identities, resolver, system_clock)


def quarantines(directory: Directory) -> bool:
    """Whether any scope quarantines; where values are only watched, the next server to run reads what was written."""
    return any(one.policy.settings.toxic.mode is ToxicMode.QUARANTINE for one in directory.scopes.values())
