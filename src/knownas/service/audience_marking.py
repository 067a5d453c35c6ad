"""Says, for a group of batches that is kept together, who has to be judged because of it, as far as the server knows of audiences.

It may know too little, since somebody else has just defined an audience. The store notices, and marks everybody.
"""

from collections.abc import Callable

from knownas.core.profile.event import EventBatch
from knownas.core.profile.section import Section
from knownas.service.audience_catalogue import Catalogue, Catalogues
from knownas.service.audience_mark_form import told_by
from knownas.store.user_data import NO_MARKS, Marks, NewMark, SectionKey


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

    def learn(self, key: SectionKey, before: Section | None, after: Section, batch: EventBatch) -> None:
        """Take note of a batch that was folded into a section."""
        document = told_by(self._catalogue.of(key.workspace), before, after, batch.events)
        if document is not None:
            self._marks.append(NewMark(key, document))

    def marks(self) -> Marks:
        """Return the marks, and by which watches they are all."""
        return Marks(self._catalogue.watches, self._marks) if self._catalogue.watches else NO_MARKS

    def end(self) -> None:
        """Let whoever judges look, if there is somebody to be judged."""
        if self._marks:
            self._wake()
