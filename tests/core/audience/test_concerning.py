"""The audiences that something concerns are found without asking each."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.audience.concerning import Concerning
from knownas.core.audience.field import Model
from knownas.core.audience.mentions import Mentions

NAMES = ("", "purchase", "visit", "login")
SETS = st.frozensets(st.sampled_from(NAMES))
MENTIONS = st.builds(
    Mentions, st.none() | SETS, SETS, st.frozensets(st.sampled_from("123")), st.frozensets(st.sampled_from(Model))
)


@given(st.dictionaries(st.sampled_from("abcdef"), MENTIONS), MENTIONS)
def test_those_are_found_that_say_so_when_each_is_asked(all_mentions: dict[str, Mentions], learnt: Mentions) -> None:
    """Whatever they mention, and whatever became known."""
    asked = {one for one, found in all_mentions.items() if found.concerned_by(learnt)}
    assert Concerning(all_mentions).concerned_by(learnt) == asked
