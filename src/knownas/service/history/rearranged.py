"""Says what a change of user data comes to: what is to be written, and what is told of it.

Sections are folded from their batches as those were sorted and as they are to be. Where the first does not give what is kept,
the rest of that becomes a batch of its own, a remainder, so that from then on everything is explained.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from knownas.core.identity.observation import TakenAlias
from knownas.core.profile.remainder import is_explained, remainder, told, with_remainder
from knownas.core.profile.section import Section
from knownas.service.profile.kept_batches import KeptBatch, Remainder, kept_document, remainder_of
from knownas.service.profile.section_folding import Folding, Row, add_remainder
from knownas.service.profile.sections import read, section_from, written
from knownas.store.user_data import (
    AliasState,
    AliasTurn,
    EventsMove,
    EventsWrite,
    MessageKey,
    Rearrangement,
    SectionKey,
    SectionRemoval,
    SectionWrite,
    StoredSection,
)

Sections = Mapping[SectionKey, StoredSection | None]


class Moved(NamedTuple):
    """Batches of a workspace that are another profile's now. From None: they count again. To None: they count no longer."""

    workspace: int
    environment: str
    from_mpid: int | None
    to_mpid: int | None
    batches: int
    events: int


class Left(NamedTuple):
    """What stayed in a section although batches left it: no kept batch says where it came from."""

    key: SectionKey
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rearranged:
    """What is written, and what is told."""

    change: Rearrangement = field(default_factory=Rearrangement)
    moved: Sequence[Moved] = ()
    left: Sequence[Left] = ()


def compared(
    before: Folding, after: Folding, kept: Sections, copies: Sequence[tuple[Row, KeptBatch]], now_ms: int
) -> Rearranged:
    """Compare how the batches of some sections were sorted with how they are to be.

    `kept` are these sections, `copies` those of events that alias requests make anew, each with the mark of its request.
    """
    comparing = _Comparing(before, after, kept, now_ms)
    comparing.find_remainders()
    comparing.write_sections()
    comparing.write_rows(copies)
    return comparing.result()


def together(parts: Iterable[Rearranged], aliases: Sequence[TakenAlias]) -> Rearranged:
    """Join what was worked out for each workspace and environment."""
    found = list(parts)
    changes = [one.change for one in found]
    turns = [AliasTurn(one.request_id, *(_TURNS if one.counts_again else reversed(_TURNS))) for one in aliases]
    change = Rearrangement(
        sections=[one for part in changes for one in part.sections],
        removed=[one for part in changes for one in part.removed],
        moved=[one for part in changes for one in part.moved],
        events=[one for part in changes for one in part.events],
        messages={key: at_ms for part in changes for key, at_ms in part.messages.items()},
        aliases=turns,
    )
    return Rearranged(
        change, [one for part in found for one in part.moved], [one for part in found for one in part.left]
    )


_TURNS: Final = (AliasState.UNDONE, AliasState.DONE)


@dataclass(slots=True)
class _Comparing:
    before: Folding
    after: Folding
    kept: Sections
    now_ms: int
    found: dict[int, Remainder] = field(default_factory=dict[int, Remainder])
    """The remainders that are found out now, by profile."""
    sections: list[SectionWrite] = field(default_factory=list[SectionWrite])
    removed: list[SectionRemoval] = field(default_factory=list[SectionRemoval])
    moved: list[EventsMove] = field(default_factory=list[EventsMove])
    events: list[EventsWrite] = field(default_factory=list[EventsWrite])
    messages: dict[MessageKey, int] = field(default_factory=dict[MessageKey, int])

    def find_remainders(self) -> None:
        folded = self.before.sections(key.mpid for key in self.kept)
        for key, stored in self.kept.items():
            was = None if stored is None else read(stored)
            there = _as_kept(folded.get(key.mpid))
            if is_explained(was, there):
                continue
            rest = remainder(was, there)
            if rest is not None and is_explained(was, with_remainder(there, rest)):
                self.found[key.mpid] = remainder_of(written(rest))
            else:
                # Something is no longer known that kept batches tell: it must not come back.
                self.found[key.mpid] = remainder_of(None if was is None else written(was), is_all=True)

    def write_sections(self) -> None:
        state = self.after.sections(key.mpid for key in self.kept)
        for mpid, rest in self.found.items():
            add_remainder(state, mpid, rest)
        touched = self._touched()
        for key, stored in self.kept.items():
            now = state.get(key.mpid)
            if now is None:
                if stored is not None:
                    self.removed.append(SectionRemoval(key, stored.version))
            elif key in touched or stored is None or not is_explained(read(stored), _as_kept(now)):
                version = None if stored is None else stored.version
                self.sections.append(SectionWrite(key, version, written(now), self._last_seen_ms(key, now)))

    def _touched(self) -> set[SectionKey]:
        """Return the sections whose batches move, or that get some."""
        touched = {row.place for row in self.after.rows if row.is_changed} | {
            key for key in self.kept if key.mpid in self.found
        }
        return touched | {row.key for row in self.after.rows if row.is_changed}

    def _last_seen_ms(self, key: SectionKey, section: Section) -> int:
        """Return when a section is as old as: what an alias copied ages from the time of the alias (platform §13)."""
        marks = [row.stored.at_ms for row in self.after.rows if row.kept.mark and row.place == key and not row.is_aside]
        return max([section.last_seen_ms, *marks])

    def write_rows(self, copies: Sequence[tuple[Row, KeptBatch]]) -> None:
        for row in self.after.rows:
            if row.is_changed:
                kept = msgspec.structs.replace(row.kept, is_aside=row.is_aside)
                self.moved.append(EventsMove(row.key, row.stored.seq, row.mpid, kept_document(kept)))
                self._name_messages(row)
        by_seq = {row.stored.seq: row.stored for row in self.after.rows}
        for mark, copy in copies:
            times = [one.at_ms for one in copy.events]
            at_ms = by_seq[copy.of].at_ms
            self.events.append(EventsWrite(mark.place, at_ms, min(times), max(times), kept_document(copy)))
        for key in self.kept:
            rest = self.found.get(key.mpid)
            if rest is not None:
                document = kept_document(KeptBatch(None, None, "", [], remainder=rest))
                self.events.append(EventsWrite(key, self.now_ms, self.now_ms, self.now_ms, document))

    def _name_messages(self, row: Row) -> None:
        """Have a repeat of a moved event be known for one where it is now."""
        said = row.kept.said
        if said is not None and said.input_key:
            for event in row.kept.events:
                if event.message_id:
                    self.messages[MessageKey(said.input_key, row.mpid, event.message_id)] = row.stored.at_ms

    def result(self) -> Rearranged:
        change = Rearrangement(self.sections, self.removed, self.moved, self.events, self.messages)
        return Rearranged(change, self._moves(), self._left())

    def _moves(self) -> list[Moved]:
        counted: dict[tuple[int, str, int | None, int | None], list[int]] = {}
        for row in self.after.rows:
            was_aside = row.kept.is_aside
            ends = (None if was_aside else row.key.mpid, None if row.is_aside else row.mpid)
            if ends[0] != ends[1] and (row.kept.said or row.kept.events):
                count = counted.setdefault((row.key.workspace, row.key.environment, *ends), [0, 0])
                count[0] += 1
                count[1] += len(row.kept.events)
        return [Moved(*name, *count) for name, count in counted.items()]

    def _left(self) -> list[Left]:
        """Say what stayed in sections that batches have left."""
        gone_from = {
            row.key for row in self.after.rows if row.is_changed and (row.is_aside or row.mpid != row.key.mpid)
        }
        found: list[Left] = []
        for key in self.kept:
            rests = [row.kept.remainder for row in self.after.rows if row.place == key and row.kept.remainder]
            rests += [self.found[key.mpid]] if key.mpid in self.found else []
            what = [name for rest in rests if rest.document is not None for name in told(section_from(rest.document))]
            if key in gone_from and what:
                found.append(Left(key, tuple(dict.fromkeys(what))))
        return found


def _as_kept(section: Section | None) -> Section | None:
    """Return a section as it is after it was kept: numbers and lists as JSON has them."""
    return None if section is None else section_from(written(section))
