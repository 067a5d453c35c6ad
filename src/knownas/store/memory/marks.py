"""Keeps in memory which workspaces are watched, and who has to be judged."""

from collections.abc import Iterable, Sequence
from itertools import count

from knownas.store.audiences import EVERYWHERE, StoredMark
from knownas.store.user_data import Marks, SectionKey


class MemoryMarks:
    """The watches and the marks of one store."""

    def __init__(self) -> None:
        self.watches: dict[int, int] = {}
        self.marks: dict[int, StoredMark] = {}
        self._seqs = count(1)

    def watch(self, workspace: int) -> None:
        """Count a document of a workspace."""
        for one in (workspace, EVERYWHERE):
            self.watches[one] = self.watches.get(one, 0) + 1

    def add(self, workspace: int, environment: str, mpid: int, document: bytes = b"") -> None:
        """Leave a mark."""
        seq = next(self._seqs)
        self.marks[seq] = StoredMark(seq, workspace, environment, mpid, document)

    def concerned(self, keys: Iterable[SectionKey]) -> None:
        """Mark sections of watched workspaces."""
        for key in keys:
            if key.workspace in self.watches:
                self.add(*key)

    def changed(self, mpids: Iterable[int]) -> None:
        """Mark profiles whose record changed."""
        if self.watches:
            for mpid in mpids:
                self.add(EVERYWHERE, "", mpid)

    def committed(self, marks: Marks, keys: Sequence[SectionKey]) -> None:
        """Leave the marks of a commit of batches: those that it gives, and of workspaces of which it knows too little everybody.

        Of these, marks that it gives are left if they last.
        """
        if not self.watches:
            return
        up_to_date = {one for one, watch in self.watches.items() if marks.known.get(one) == watch}
        for key, document, lasts in marks.marks:
            if lasts or key.workspace in up_to_date:
                self.add(*key, document)
        self.concerned(key for key in keys if key.workspace not in up_to_date)
