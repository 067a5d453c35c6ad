"""Wishes and connections for the tests of their documents, drawn by Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from knownas.core.identity.observation import Environment
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import Wish
from knownas.core.translation.rule import OnIdentityChange, Take, Users
from tests.core.translation.profiles import MARKETING, SALE, TARGETS

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
chains = st.lists(st.sampled_from(TARGETS), max_size=3).map(tuple)
environments = st.frozensets(st.sampled_from(Environment), min_size=1)
settings = st.dictionaries(
    names, st.text(max_size=3) | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans(), max_size=3
)


def wishes(on_change: st.SearchStrategy[OnIdentityChange | None]) -> st.SearchStrategy[Wish]:
    """Draw any wish, whether a destination could meet it or not."""
    flag = st.booleans()
    members: dict[str, st.SearchStrategy[Any]] = {
        "identities": st.none() | chains,
        "places": st.dictionaries(names, chains, max_size=3),
        "encoding": st.none() | st.sampled_from(Encoding),
        "values": st.none() | st.sampled_from(Take),
        "devices": st.none() | st.sampled_from(Take),
        "excluded": st.frozensets(st.sampled_from(TARGETS), max_size=3),
        "users": st.sampled_from(Users),
        "send_anonymous_users": flag,
        "consents": st.frozensets(st.sampled_from([MARKETING, SALE])),
        "numbering": st.builds(Numbering, st.none() | names, flag),
        "send_limited_ad_tracking": flag,
        "send_opted_out_users": flag,
        "send_unlike_a_person": flag,
        "on_identity_change": on_change,
    }
    return st.builds(Wish, **members)
