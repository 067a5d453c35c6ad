"""Holds what a process remembers that an erasure has to see to."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from knownas.service.audience.forgetting import AudienceForgetting
from knownas.service.delivery.erasure_forwarding import ErasureForwarding
from knownas.service.erasure.keeping_out import KeepingOut
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.live.feed import Feed
from knownas.service.toxic.following import Following


class Remembered(NamedTuple):
    """What this process remembers of decisions, of what came through inputs, of toxic values and of whom to keep out, if it follows them.

    `noting` lets the ledger remember what is kept (`service.evidence.ledger`): it is asked before each step, and while it fails none is taken.
    `audiences` forgets a profile in the audiences of a workspace, and has outputs told; `erasures` has them told that somebody is erased.
    """

    recent: RecentDecisions
    following: Following | None = None
    keeping_out: KeepingOut | None = None
    noting: Callable[[], Awaitable[object]] | None = None
    audiences: AudienceForgetting | None = None
    erasures: ErasureForwarding | None = None
    live: Feed | None = None

    def forget(self) -> None:
        """Forget what may name somebody who is erased."""
        self.recent.clear()
        if self.live is not None:
            self.live.forget_sentences()
