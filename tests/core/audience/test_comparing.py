"""What is prepared to compare many values with the same ones compares as one value is compared with another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.audience.comparing import compare, meets
from knownas.core.audience.expression import Comparison
from knownas.core.profile.attributes import Scalar
from tests.core.audience.drawn import SCALARS

SPECIAL = st.sampled_from(
    (10**18, 10**18 + 1, -(10**18) - 1, 1e30, "1e3", "\u212a", "k", "TRUE", "stra\u00dfe", "STRASSE", " 7 ")
)
VALUES = st.one_of(SCALARS, SPECIAL)


@settings(max_examples=2_000)
@given(
    comparison=st.sampled_from(Comparison),
    left=VALUES,
    wanted=st.lists(VALUES, min_size=1, max_size=3),
    of_list=st.booleans(),
)
def test_short_ways_lead_where_the_long_one_does(
    *, comparison: Comparison, left: Scalar, wanted: list[Scalar], of_list: bool
) -> None:
    """Whatever is compared with whatever."""
    slowly = any(compare(comparison, left, one, of_list=of_list) for one in wanted)
    assert meets(comparison, wanted, of_list=of_list)(left) is slowly
