"""Says what every store must do with what outputs are told: keep it until it is told, and say afterwards what was.

This is the fifth part of the port. A delivery is written in the same transaction as what it tells of (`store.audiences`), so nothing is told that
did not happen, and nothing that happened is not told. It waits, in the order of its output; it is settled when the output has it or will never
have it. Settled deliveries stay for as long as deliveries are kept: they are the ledger of what was sent about a profile.

What is written about one profile is shown in the order in which it was written: once a delivery was shown as waiting, none of the same profile
and output appears before it. Of different profiles, where others write as well, one with a lower `seq` may appear later.

All methods are called from one event loop, any of them while others are under way. Every method raises only `store.errors`. Documents are bytes
that the store never looks into. Times are Unix milliseconds.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

FORGOTTEN: Final = "forgotten"
"""Said of a delivery that waits: its document is emptied when it is settled."""


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """The output will not have it as it is; somebody may look at it and have it sent again."""
    DROPPED = "dropped"
    """It was given up by somebody, or by what came later."""


class NewDelivery(NamedTuple):
    """Something that an output is to be told. `delivery_id` is unique.

    `connection` is 0 where it is of none, and `mpid` where it is about nobody.
    """

    delivery_id: str
    output: int
    connection: int
    workspace: int
    environment: str
    mpid: int
    at_ms: int
    document: bytes


class StoredDelivery(NamedTuple):
    """A delivery as it is kept. Of one output's that wait, `seq` is the order; it is never reused.

    `settled_ms` and `why`, a sentence, are of one that is settled; of one that waits `why` is `FORGOTTEN` if its profile was forgotten meanwhile, or None. `document` is empty where what it told was erased since.
    """

    seq: int
    delivery_id: str
    output: int
    connection: int
    workspace: int
    environment: str
    mpid: int
    at_ms: int
    state: DeliveryState
    settled_ms: int | None
    why: str | None
    document: bytes


class Settlement(NamedTuple):
    """What has become of a delivery that waited."""

    seq: int
    state: DeliveryState
    at_ms: int
    why: str | None = None


class DeliveryStore(Protocol):
    """A place to keep deliveries. See the module for the contract."""

    async def waiting_outputs(self) -> Sequence[int]:
        """Return the outputs for which anything waits, in order."""
        ...

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        """Return what waits for an output by ascending `seq`, those after one, at most `limit`."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Note what has become of deliveries, durably. Those that do not wait any more stay as they are."""
        ...

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        """Let dead deliveries wait again, at the end of their output, with new `seq`s in the given order. Returns which do, by what they were.

        One for which `later` is so before the call stays as it is, which is decided in the same transaction: nobody is told something old after
        something new. So does what is not dead, and what was erased since.
        """
        ...

    async def later(self, delivery: StoredDelivery) -> bool:
        """Whether the output was told, or waits to be told, anything later about the same profile over the same connection.

        Later is what was written later: what waits again keeps its place in that, though its `seq` is a new one. So of several dead ones the
        older can wait again before the newer. What is dead or dropped was never told, and does not count.
        """
        ...

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return the deliveries of an output, in a state or in all, by descending `seq`, those before one, at most `limit`."""
        ...

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return what outputs of a workspace were told about a profile, by descending `seq`: the ledger."""
        ...

    async def delivery(self, seq: int) -> StoredDelivery | None:
        """Return a delivery."""
        ...

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        """Count the deliveries of an output in a state, at most up to a limit: there may be years of them."""
        ...

    async def count_settled(self, settled_ms: int) -> int:
        """Count the deliveries settled before a time, all that `forget_deliveries` would remove. Its time grows with them."""
        ...

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        """Remove at most `limit` deliveries settled before a time, durably, and return how many: 0 when nothing is left."""
        ...
