"""Says, for a group of batches that is kept together, who has to be judged because of it, and what is to be forwarded, as far as the server knows.

It may know too little, since somebody else has just defined an audience. The store notices, and marks everybody. What is forwarded follows from
the connections that the server knew when it kept the batch: one that somebody makes is known everywhere a moment later.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from knownas.core.identity.observation import Environment
from knownas.core.profile.event import EventBatch
from knownas.core.profile.section import Section
from knownas.service.audience.catalogue import Catalogue, Catalogues
from knownas.service.audience.mark_form import ToForward, told_by
from knownas.store.user_data import NO_MARKS, EventsWrite, Marks, NewMark, SectionKey


@dataclass(frozen=True, slots=True)
class Came:
    """A batch as it is kept: through which input, by its lasting key, under which receipt; `is_news` unless all of its events came before."""

    input_key: str
    receipt_id: str
    batch: EventBatch
    write: EventsWrite
    is_news: bool


class Marking:
    """Marks for one server. `wake` is called when a group that left marks was kept."""

    def __init__(self, catalogues: Catalogues, wake: Callable[[], None]) -> None:
        self._catalogues = catalogues
        self._wake = wake

    def begin(self) -> "GroupMarking | None":
        """Begin with a group; None where nobody watches, as far as is known."""
        return GroupMarking(self._catalogues.now, self._wake) if self._catalogues.is_watching else None


class GroupMarking:
    """The marks of one group."""

    def __init__(self, catalogue: Catalogue, wake: Callable[[], None]) -> None:
        self._catalogue = catalogue
        self._wake = wake
        self._marks: list[NewMark] = []

    def learn(self, key: SectionKey, before: Section | None, after: Section, came: Came) -> None:
        """Take note of a batch that was folded into a section."""
        to_forward = self._to_forward(key, came)
        document = told_by(self._catalogue.of(key.workspace), before, after, came.batch.events, to_forward)
        if document is not None:
            self._marks.append(NewMark(key, document, lasts=to_forward is not None))

    def _to_forward(self, key: SectionKey, came: Came) -> ToForward | None:
        """Return what has to be forwarded of a batch. Old history is not, nor what came before (platform §2.1, §2.7)."""
        forwarding = self._catalogue.of(key.workspace).forwarding
        if not forwarding or came.batch.is_historical or not came.is_news:
            return None
        environment = Environment(key.environment)
        connections = tuple(
            one.id for one in forwarding.get(came.input_key, ()) if environment in one.asked.environments
        )
        if not connections:
            return None
        return ToForward(came.receipt_id, came.batch.at_ms, connections, msgspec.Raw(came.write.document))

    def marks(self) -> Marks:
        """Return the marks, and by which watches they are all."""
        return Marks(self._catalogue.watches, self._marks) if self._catalogue.watches else NO_MARKS

    def end(self) -> None:
        """Let whoever judges look, if there is somebody to be judged."""
        if self._marks:
            self._wake()
