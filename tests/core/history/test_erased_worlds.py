"""In every world of a history an erasure counts, and nothing of what an erased profile knew may change."""

from knownas.core.history.fold import Logged
from knownas.core.history.world import Line, drift, touches_erased
from knownas.core.identity.kinds import Identity, IdentityType
from tests.core.history.logged_pool import LoggedPool

CUSTOMER, EMAIL = IdentityType.CUSTOMER_ID, IdentityType.EMAIL


class Server(LoggedPool):
    """Logs what changed something."""

    def __init__(self) -> None:
        super().__init__(unique="customerid email")

    def explains(self) -> bool:
        """Whether the log folds to what is kept."""
        return not drift(self.world(), {record.mpid: record for record in self.records})


def test_a_log_with_an_erasure_explains_the_profiles() -> None:
    """The erased profile folds to an empty one, and who came after it to themselves."""
    server = Server()
    server.login(customerid="c", email="e")
    server.erase(1)
    server.login(customerid="c", email="e")
    assert server.held(1) == {}
    assert server.held(2) == {"customerid": ["c"], "email": ["e"]}
    assert server.explains()


def test_what_an_erased_profile_answered_can_not_be_taken_back() -> None:
    """Without the line that made it, somebody else would have been it."""
    server = Server()
    server.login(customerid="c")
    server.login(customerid="c", email="e")
    server.erase(1)
    assert touches_erased(server.world(), server.world(1))
    assert touches_erased(server.world(), server.world(2))


def test_nobody_gets_what_an_erased_profile_held() -> None:
    """A value that it had taken from somebody does not go back."""
    server = Server()
    server.login(customerid="a", email="e")
    server.login(customerid="b")
    server.modify(2, ("email", None, "e"))
    server.erase(2)
    assert touches_erased(server.world(), server.world(3))


def test_an_erased_profile_gets_nothing() -> None:
    """A value that somebody took from it before it was erased stays with who has it."""
    server = Server()
    server.login(customerid="a", email="e")
    server.login(customerid="b")
    server.modify(2, ("email", None, "e"))
    server.erase(1)
    assert touches_erased(server.world(), server.world(3))


def test_what_is_not_about_the_erased_can_be_taken_back() -> None:
    """Somebody on the same device, and what they did before and after, is as free as before."""
    server = Server()
    server.login(customerid="a", ios_idfv="d")
    server.login(customerid="b", ios_idfv="d")
    server.login(customerid="b", ios_idfv="d", email="mistaken")
    server.erase(1)
    server.login(customerid="b", ios_idfv="d", email="another")
    before = server.world()
    for seq in (3, 5):
        after = server.world(seq)
        assert not touches_erased(before, after)
    record = server.world(3).records.record(2)
    assert record is not None
    assert not record.holds(Identity(EMAIL, "mistaken"))


def test_nobody_is_led_to_an_erased_profile() -> None:
    """Who still names it names nobody, in any world."""
    server = Server()
    server.login(customerid="c")
    server.erase(1)
    assert server.world().means(1) is None
    assert server.world().erased.keys() == {1}


def test_a_visit_that_was_written_after_the_erasure_makes_nobody() -> None:
    """It was captured before, and its profile is gone; it must not be decided anew."""
    server = Server()
    server.login(customerid="c")
    visit = server.log[0]
    server.erase(1)
    late = visit.logged.observation
    server.log.append(Line(3, Logged(late, server.policy.version, None, changed=False), 1))
    assert server.explains()
