"""Forgets an erased person in the audiences of a workspace, and has the outputs told that they have left.

What waited to be told of the person is not told any more, but for that: an output that may have something of them is told to take it away. The
identities under which it is told so are all that stays, in what waits; they go as soon as the output has it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from knownas.core.delivery.message import EventsMessage, MembershipMessage
from knownas.core.identity.observation import Environment
from knownas.core.translation.telling import Action
from knownas.service.audience.catalogue import Catalogues
from knownas.service.audience.judging import Asked, Judging
from knownas.service.audience.limits import FORGOTTEN_A_STEP, WAITING_DROPPED_A_PAGE
from knownas.service.delivery.form import message_from
from knownas.store.deliveries import DeliveryState, Settlement
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

ERASED: Final = "the person was erased"


class AudienceForgetting:
    """Forgets over one store."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        judging: Judging,
        clock: Callable[[], int],
        told: Callable[[int], None],
    ) -> None:
        """`told` hears which outputs have something to be told."""
        self._store = store
        self._catalogues = catalogues
        self._judging = judging
        self._clock = clock
        self._told = told

    def is_watched(self, workspace: int) -> bool:
        """Whether a workspace has, or had, anything that is kept of profiles here."""
        return workspace in self._catalogues.now.watches

    async def forget(self, workspace: int, mpid: int) -> int:
        """Forget a profile of which the workspace knows nothing any more. Returns how much went; doing so again changes nothing.

        Raises:
            StoreError: the store could not do it; what is left is forgotten when this is done again.
        """
        catalogue = await self._catalogues.refresh()
        if workspace not in catalogue.watches:
            return 0
        gone = await self._drop_waiting(workspace, mpid)
        connections = frozenset(one.id for one in catalogue.connections.values() if one.workspace == workspace)
        there = await self._store.user_data.sections_of(mpid)
        for environment in Environment:
            key = SectionKey(workspace, environment.value, mpid)
            if key in there:
                # It came back, as somebody new in this workspace.
                continue
            outcome = await self._judging.judge(catalogue, {key: Asked(None, connections=connections, corrects=True)})
            for output in outcome.outputs:
                self._told(output)
        while step := await self._store.audiences.forget_profile(workspace, mpid, FORGOTTEN_A_STEP):
            gone += step
        # Whoever came back has lost the marks by which they would be judged.
        back = [key for key in there if key.workspace == workspace]
        if back:
            outcome = await self._judging.judge(catalogue, {key: Asked(None, translated=True) for key in back})
            for output in outcome.outputs:
                self._told(output)
        return gone

    async def waits(self, workspace: int, mpid: int) -> bool:
        """Whether an output is still to be told of a profile."""
        return bool(await self._waiting(workspace, mpid, lambda _: True))

    async def give_up(self, workspace: int, mpid: int) -> int:
        """Give up whatever outputs are still to be told of a profile that was forgotten. Returns how much it was."""
        return await self._dropped(await self._waiting(workspace, mpid, lambda _: True))

    async def _drop_waiting(self, workspace: int, mpid: int) -> int:
        """Give up what waits to be told of the person, but for what takes something away."""
        return await self._dropped(await self._waiting(workspace, mpid, _tells_more))

    async def _waiting(self, workspace: int, mpid: int, wanted: Callable[[bytes], bool]) -> Sequence[int]:
        before_seq: int | None = None
        found: list[int] = []
        while page := await self._store.deliveries.deliveries_about(
            workspace, mpid, before_seq, WAITING_DROPPED_A_PAGE
        ):
            before_seq = page[-1].seq
            found += [one.seq for one in page if one.state is DeliveryState.WAITING and wanted(one.document)]
        return found

    async def _dropped(self, seqs: Sequence[int]) -> int:
        if seqs:
            now_ms = self._clock()
            await self._store.deliveries.settle(
                [Settlement(one, DeliveryState.DROPPED, now_ms, ERASED) for one in seqs]
            )
        return len(seqs)


def _tells_more(document: bytes) -> bool:
    """Whether a message would give an output something of a person."""
    message = message_from(document, {})
    return isinstance(message, EventsMessage) or (
        isinstance(message, MembershipMessage) and message.action is Action.ADD
    )
