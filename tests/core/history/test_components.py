"""Which lines of a log can influence each other."""

from array import array
from collections.abc import Callable

import pytest

from knownas.core.history.components import Name, flatten, join, names, types_looked_up
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from tests.core.pool import rules

T = IdentityType
TYPES = frozenset({T.CUSTOMER_ID, T.EMAIL})
MAIL, OTHER_MAIL = Identity(T.EMAIL, "a@example.com"), Identity(T.EMAIL, "b@example.com")
Names = Callable[[Observation | None, int | None, tuple[int, ...], frozenset[IdentityType]], list[Name]]
Line = tuple[Observation | None, int | None, tuple[int, ...]]


def asks(*identities: Identity, previous: int | None = None) -> IdentityRequest:
    """Make an identify."""
    return IdentityRequest(Endpoint.IDENTIFY, 1, Environment.PRODUCTION, "web", identities, previous)


def modifies(mpid: int, old: str | None = None, new: str | None = None) -> ModifyRequest:
    """Make a modify of an e-mail."""
    return ModifyRequest(1, Environment.PRODUCTION, "web", mpid, (IdentityChange(T.EMAIL, old, new),))


SHARING: dict[str, tuple[Line, Line]] = {
    "an identity": ((asks(MAIL), 1, (1,)), (asks(MAIL, Identity(T.CUSTOMER_ID, "c")), 2, (2,))),
    "the previous MPID": ((asks(MAIL), 1, (1,)), (asks(OTHER_MAIL, previous=1), 2, (2,))),
    "a profile that is modified": ((asks(MAIL), 1, (1,)), (modifies(1, new="x@example.com"), None, ())),
    "a value that a modify gives": ((asks(MAIL), 1, (1,)), (modifies(2, new=MAIL.value), None, (2,))),
    "a value that a modify takes": ((asks(MAIL), 1, (1,)), (modifies(2, old=MAIL.value), None, (2,))),
    "a profile that lost a value": ((asks(MAIL), 1, (1,)), (modifies(2, new="y@example.com"), None, (2, 1))),
    "the MPID that is brought over": (
        (SeedRequest(1, Environment.PRODUCTION, "web", 7, (OTHER_MAIL,)), 7, (7,)),
        (modifies(7), None, ()),
    ),
    "an identity that is brought over": (
        (SeedRequest(1, Environment.PRODUCTION, "web", None, (MAIL,)), 7, (7,)),
        (asks(MAIL), None, (7,)),
    ),
    "a profile, where one can't be read": ((asks(MAIL), 1, (1,)), (None, None, (1,))),
}


def are_joined(one: Line, other: Line, named: Names = names) -> bool:
    """Whether two lines share a name."""
    first, second = (set(named(*line, TYPES)) for line in (one, other))
    return bool(first & second)


@pytest.mark.parametrize("what", SHARING)
def test_lines_that_share_something_are_joined(what: str) -> None:
    """Every way in which one line can meet what another one has made."""
    assert are_joined(*SHARING[what])


def test_lines_about_others_are_apart() -> None:
    """Other values, other profiles, and a value of a type that nobody is looked up by."""
    assert not are_joined((asks(MAIL), 1, (1,)), (asks(OTHER_MAIL), 2, (2,)))
    carried = Identity(T.GOOGLE, "g")
    assert not are_joined((asks(MAIL, carried), 1, (1,)), (asks(OTHER_MAIL, carried), 2, (2,)))


def test_names_that_forget_the_previous_mpid_are_caught() -> None:
    """Control: a twin that leaves out the previous MPID, or what a line touched, breaks one of the promises above."""

    def without_previous(
        observation: Observation | None, made: int | None, touched: tuple[int, ...], types: frozenset[IdentityType]
    ) -> list[Name]:
        if isinstance(observation, IdentityRequest):
            observation = observation._replace(previous_mpid=None)
        return names(observation, made, touched, types)

    def without_touched(
        observation: Observation | None, made: int | None, _: tuple[int, ...], types: frozenset[IdentityType]
    ) -> list[Name]:
        return names(observation, made, (), types)

    for twin in (without_previous, without_touched):
        assert not all(are_joined(*pair, named=twin) for pair in SHARING.values())


def test_types_of_all_policies_are_looked_up() -> None:
    """A type that only one version of the policy ranks can join lines."""
    types = types_looked_up(
        [rules(priority="email", login="", unique=""), rules(priority="other", login="", unique="")]
    )
    assert {T.EMAIL, T.OTHER} <= types
    assert T.GOOGLE not in types


def test_every_line_names_the_first_of_its_component() -> None:
    """Whatever the order in which lines were joined."""
    parents = array("q", range(7))
    for one, other in ((5, 6), (2, 5), (6, 0), (3, 4)):
        join(parents, one, other)
    flatten(parents)
    assert list(parents) == [0, 1, 0, 3, 3, 0, 0]
