"""Runs a primary with a synchronous replica for the tests alone: kill the one, promote the other, bring the first back."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import PrivateServer
from tests.waiting import wait_until

DATABASE = "pair"
FOLLOWS_WITHIN_SECONDS = 30
_PROMOTE = "SELECT pg_promote(true, 30)"


class Pair:
    """Two servers with the settings that they have by themselves, of which the second follows the first."""

    def __init__(self) -> None:
        self.primary = PrivateServer(settings=(), in_memory=True)
        self.primary.start()
        self.primary.ask(f"CREATE DATABASE {DATABASE}")
        self.replica = self.primary.replica()
        self.replica.start()
        self.wait_for_replicas("*")
        synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: self.primary.ask(synchronous), FOLLOWS_WITHIN_SECONDS)

    def wait_for_replicas(self, names: str) -> None:
        """Let the primary's commits wait for replicas of these names; "" for none."""
        self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.primary.ask("SELECT pg_reload_conf()")
        shown = "SHOW synchronous_standby_names"
        wait_until(lambda: self.primary.ask(shown) == [(names,)], FOLLOWS_WITHIN_SECONDS)

    def url(self, *, primary_only: bool = True) -> str:
        """Return the URL that names both servers, the first primary first."""
        folders = ",".join(str(one.folder) for one in (self.primary, self.replica))
        which = "&target_session_attrs=read-write" if primary_only else ""
        return f"postgresql://tests@/{DATABASE}?host={folders}{which}"

    def fail_over(self) -> None:
        """Kill the primary the hard way and promote its replica, whose commits then wait for nobody."""
        self.primary.end(signal.SIGKILL)
        self.replica.ask(_PROMOTE)
        # It has inherited that its commits wait for a replica, of which it has none.
        self.replica.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.replica.ask("SELECT pg_reload_conf()")

    def remove(self) -> None:
        """End both servers and remove their data."""
        for one in (self.replica, self.primary):
            one.remove()


@contextmanager
def pair() -> Iterator[Pair]:
    """Run a pair until the block ends."""
    made = Pair()
    try:
        yield made
    finally:
        made.remove()
