"""Tallies drawn at random, and some by hand."""

from typing import Final

from hypothesis import strategies as st

from knownas.core.health.tally import Came, Decided, RefusedFor, Source
from knownas.core.identity.decision import DecidedBy
from knownas.core.identity.kinds import IdentityType

WEB: Final = Source("shop", "production", "web-key")
CRM: Final = Source("shop", "production", "crm-key")
RETURNED: Final = Decided(Came.KNOWN, DecidedBy.LAST_CANDIDATE, IdentityType.EMAIL)
TIED: Final = Decided(Came.ANONYMOUS, DecidedBy.MOST_RECENT, IdentityType.DEVICE_APPLICATION_STAMP)
MADE: Final = Decided(Came.CREATED, DecidedBy.NO_CANDIDATE, None)
MADE_KNOWN: Final = Decided(Came.CREATED_KNOWN, DecidedBy.NEW_KNOWN_USER, IdentityType.CUSTOMER_ID)
TURNED_AWAY: Final = Decided(Came.REFUSED, DecidedBy.REFUSED, None)
BAD_KEY: Final = RefusedFor("idsync", "unknown_key")
SUPPRESSED: Final = RefusedFor("idsync", "suppressed")

sources: Final = st.sampled_from([WEB, CRM, Source("shop", "development", "web-key"), Source("club"), Source()])
things: Final = st.sampled_from([RETURNED, TIED, MADE, MADE_KNOWN, TURNED_AWAY, BAD_KEY, SUPPRESSED])
tallies: Final = st.dictionaries(st.tuples(sources, things), st.integers(1, 9), max_size=12)
