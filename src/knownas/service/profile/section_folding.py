"""Folds kept batches into the sections of a workspace: all that is known of some profiles there, from nothing.

Several sections are folded side by side, in the order in which their batches were kept, since an alias request gives one the
past of another (`core.profile.alias`). Before that, `settle_aliases` says what the copies of events are that alias requests
make of batches as they are sorted now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from knownas.core.profile.alias import AliasClaim, destination_after, source_after
from knownas.core.profile.event import EventBatch
from knownas.core.profile.remainder import with_remainder
from knownas.core.profile.section import NO_CALCULATIONS, Calculations, Section, fold
from knownas.service.identity.alias_settling import claim_of, copy_of
from knownas.service.profile.kept_batches import AliasMark, KeptBatch, Remainder
from knownas.service.profile.sections import section_from
from knownas.store.user_data import AliasRow, SectionKey, StoredEvents


@dataclass(slots=True)
class Row:
    """Something kept among the events of a section: where it is, and to which profile it belongs."""

    key: SectionKey
    stored: StoredEvents
    kept: KeptBatch
    batch: EventBatch | None
    mpid: int
    is_aside: bool
    is_resaid: bool = False
    """Whether its document says something else than when it was read."""

    @property
    def is_changed(self) -> bool:
        """Whether it is to be written: it belongs to somebody else, counts or counts no longer, or says something else."""
        return self.mpid != self.key.mpid or self.is_aside != self.kept.is_aside or self.is_resaid

    @property
    def place(self) -> SectionKey:
        """The section to which it belongs."""
        return self.key._replace(mpid=self.mpid)


class Ends(NamedTuple):
    """The profiles between which an alias request is carried out."""

    source: int
    destination: int


@dataclass(slots=True)
class Folding:
    """The batches of one workspace and environment, in the order in which they were kept, and its alias requests."""

    rows: Sequence[Row]
    aliases: Mapping[str, AliasRow]
    calculations: Calculations = NO_CALCULATIONS
    ends: dict[str, Ends] = field(default_factory=dict[str, Ends])
    """Between whom the alias requests are carried out that are; of those whose mark is not aside."""

    def sections(self, wanted: Iterable[int]) -> dict[int, Section]:
        """Return what the batches of some profiles come to, by MPID. Sources of their aliases must be among them."""
        state: dict[int, Section] = {}
        asked = set(wanted)
        for row in self.rows:
            if row.is_aside or row.mpid not in asked:
                continue
            if row.batch is not None:
                state[row.mpid] = fold(state.get(row.mpid), row.batch, self.calculations).section
            elif row.kept.mark is not None:
                self._carry_out(row.kept.mark, state)
            elif row.kept.remainder is not None:
                add_remainder(state, row.mpid, row.kept.remainder)
        return state

    def _carry_out(self, mark: AliasMark, state: dict[int, Section]) -> None:
        claim = self.claim(mark.request_id)
        source = state.get(claim.source_mpid) or Section(*mark.source_seen_ms)
        destination = state.get(claim.destination_mpid) or Section(*mark.destination_seen_ms)
        state[claim.source_mpid] = source_after(source, claim)
        state[claim.destination_mpid] = destination_after(destination, source, claim)

    def claim(self, request_id: str) -> AliasClaim:
        """Return an alias request as it is carried out: between those who are its profiles now."""
        source, destination = self.ends[request_id]
        return claim_of(self.aliases[request_id])._replace(source_mpid=source, destination_mpid=destination)

    def settle_aliases(self, sorted_anew: Iterable[str]) -> list[tuple[Row, KeptBatch]]:
        """Say which copies of events there are of alias requests that something was sorted anew for.

        Copies that there are no more are set aside, others come back. Returns those to be made, each with the mark of its
        request.
        """
        missing: list[tuple[Row, KeptBatch]] = []
        marks = {row.kept.mark.request_id: row for row in self.rows if row.kept.mark is not None}
        by_seq = {row.stored.seq: row for row in self.rows}
        for request_id in sorted_anew:
            mark = marks[request_id]
            held = {row.kept.of: row for row in self.rows if row.kept.alias == request_id and row.kept.of}
            wanted = {} if mark.is_aside else self._copies(mark, request_id)
            for seq, copy in held.items():
                if mark.is_aside or (seq in by_seq and seq not in wanted):
                    copy.is_aside = True
                else:
                    # Where the batch was removed since, its copy stays.
                    copy.mpid, copy.is_aside = mark.mpid, False
                    source = str(self.ends[request_id].source)
                    if copy.kept.alias_of != source:
                        copy.kept, copy.is_resaid = msgspec.structs.replace(copy.kept, alias_of=source), True
            missing += [(mark, copy) for seq, copy in wanted.items() if seq not in held]
        return missing

    def _copies(self, mark: Row, request_id: str) -> dict[int, KeptBatch]:
        """Return the copies that a request makes of what its source has, by the number of what is copied."""
        claim, stamp = self.claim(request_id), self.aliases[request_id].stamp
        found: dict[int, KeptBatch] = {}
        for row in self.rows:
            if row.stored.seq < mark.stored.seq and row.mpid == claim.source_mpid and not row.is_aside:
                copy = copy_of(row.kept, row.stored.seq, claim, stamp)
                if copy is not None:
                    found[row.stored.seq] = copy
        return found


def add_remainder(state: dict[int, Section], mpid: int, rest: Remainder) -> None:
    """Fold a remainder into the section of a profile, among others."""
    if rest.is_all:
        state.pop(mpid, None)
    if rest.document is not None:
        state[mpid] = with_remainder(state.get(mpid), section_from(rest.document))
