"""Draws observations of every kind."""

from hypothesis import strategies as st

from knownas.core.identity.kinds import Identity, IdentityType, identities, value_fault
from knownas.core.identity.observation import (
    RESOLVING,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.identity.record import MPID_MAX, MPID_MIN

T = IdentityType

TIMES = st.integers(0, 4_102_444_800_000)
VALUES = st.text(min_size=1, max_size=20).filter(lambda value: value_fault(value) is None)
MPIDS = st.integers(MPID_MIN, MPID_MAX).filter(bool)
INPUTS = st.text(max_size=20)

REQUESTS = st.builds(
    IdentityRequest,
    st.sampled_from(sorted(RESOLVING)),
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    st.dictionaries(st.sampled_from(T), VALUES, max_size=5).map(identities),
    st.none() | MPIDS,
    st.lists(st.tuples(MPIDS, TIMES), max_size=4).map(tuple),
)
CHANGES = st.builds(IdentityChange, st.sampled_from(T), st.none() | VALUES, st.none() | VALUES)
MODIFIES = st.builds(
    ModifyRequest,
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    MPIDS,
    st.lists(CHANGES, max_size=5).map(tuple),
    st.booleans(),
)
SEEDS = st.builds(
    SeedRequest,
    TIMES,
    st.sampled_from(Environment),
    INPUTS,
    st.none() | MPIDS,
    st.lists(st.builds(Identity, st.sampled_from(T), VALUES), max_size=6).map(tuple),
)
