"""A correction gives visits to whom they are to: of two that match alike the one seen last may win."""

from knownas.core.history.world import Difference, difference
from knownas.core.identity.policy import Capture
from tests.core.history.logged_pool import LoggedPool


class Server(LoggedPool):
    """Logs all that was observed, and tells what taking lines back comes to."""

    def __init__(self) -> None:
        super().__init__(capture=Capture.ALL)

    def differs(self, *undone: int, captured_all: bool) -> Difference:
        """Compare what is kept with a world without some lines."""
        kept = {one.mpid: one._replace(active_ms=self.records.active_ms(one)) for one in self.records}
        return difference(self.world(), self.world(*undone), kept, captured_all=captured_all)


def test_a_visit_that_is_taken_back_is_nobodys() -> None:
    """The profile is as it was, but for when it was last seen."""
    server = Server()
    server.login(customerid="a", email="e")
    made_ms = server.now_ms
    server.login(customerid="a")
    server.login(customerid="b", email="e")
    (written,) = server.differs(2, captured_all=True).records
    assert (written.mpid, written.active_ms) == (1, made_ms)


def test_visits_that_were_not_all_captured_stay() -> None:
    """Nobody knows then who else was there: when a profile was last seen is left as it was noted."""
    server = Server()
    server.login(customerid="a", email="e")
    server.login(customerid="a")
    assert server.differs(2, captured_all=False).records == ()


def test_nothing_differs_where_the_same_visits_count() -> None:
    """Taking back a line that led to nobody writes nothing."""
    server = Server()
    server.login(customerid="a")
    server.login(customerid="a")
    server.search(customerid="nobody")
    assert server.differs(3, captured_all=True).records == ()


def test_a_profile_that_was_erased_is_not_written_again() -> None:
    """It is nobody's for good, whoever is said to have been seen."""
    server = Server()
    server.login(customerid="a")
    server.login(customerid="a")
    server.erase(1)
    assert server.differs(2, captured_all=True).records == ()


def test_a_new_profile_was_last_seen_when_it_would_have_been() -> None:
    """A correction that makes it knows of its visits."""
    server = Server()
    server.login(customerid="a")
    server.login(customerid="a")
    (made,) = difference(server.world(1, 2), server.world(), {}).records
    assert made.active_ms == server.now_ms


def test_a_profile_that_comes_back_is_written_however_empty() -> None:
    """Nothing is on it, as on what was left when it went; but it answers for itself again."""
    server = Server()
    server.identify(ios_idfv="d")
    server.modify(1, ("ios_idfv", "d", None))
    left = {one.mpid: one for one in server.records}
    assert left[1].size == 0
    back = difference(server.world(1, 2), server.world(), left)
    assert [one.mpid for one in back.records] == [1]
    assert back.gone == ()
