"""Works out what a correction of the history changes of user data: which kept batches are about others, and what follows.

Whom a batch belongs to is asked of the world as it counted and of the world as it is to count (`core.history.belonging`).
Those with another answer move. The sections that they leave and come to are folded anew from their batches. What a section
knew that its batches do not explain stays where it was, and is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from knownas.core.history.belonging import Answers, Decided, Named, Question, Visit
from knownas.core.identity.observation import TakenAlias
from knownas.core.profile.section import NO_CALCULATIONS, Calculations
from knownas.service.history.components import Component, TooLarge
from knownas.service.history.rearranged import Rearranged, compared, together
from knownas.service.limits import (
    BATCH_BYTES_SORTED_MAX,
    BATCHES_SORTED_MAX,
    PROFILES_A_READ_MAX,
    PROFILES_ALIASED_MAX,
)
from knownas.service.profile.kept_batches import AliasMark, Said, batch_from, kept_from
from knownas.service.profile.section_folding import Ends, Folding, Row
from knownas.store.user_data import AliasRow, AliasState, SectionKey, UserDataStore

_BATCHES_A_READ = 1_000


@dataclass(slots=True)
class Group:
    """What is kept of some profiles in one workspace and environment, and what is asked about it.

    `asked` are the places of the questions by the number of the row; a mark has two, for its source and its destination.
    """

    workspace: int
    environment: str
    rows: list[Row] = field(default_factory=list[Row])
    aliases: dict[str, AliasRow] = field(default_factory=dict[str, AliasRow])
    asked: dict[int, int] = field(default_factory=dict[int, int])
    told: set[int] = field(default_factory=set[int])
    """The rows of which the history tells for certain to whom they belong: where it says nobody, they were refused."""

    def key(self, mpid: int) -> SectionKey:
        """Return the name of a profile's section."""
        return SectionKey(self.workspace, self.environment, mpid)


@dataclass(slots=True)
class Gathered:
    """What is kept of the profiles of a component, and of those that alias requests tie to them."""

    mpids: tuple[int, ...]
    last_seq: int
    groups: Sequence[Group]
    questions: Sequence[Question]

    @property
    def marked(self) -> set[str]:
        """The alias requests of which it is kept when they were carried out."""
        return {request_id for group in self.groups for request_id in _marks(group.rows)}


class Sorting(NamedTuple):
    """How batches are to be sorted: whom they belonged to, and whom they belong to.

    `is_there` says of a profile whether it is there then; `aliases` are taken back, or carried out again.
    """

    before: Answers
    after: Answers
    is_there: Callable[[int], bool]
    aliases: Sequence[TakenAlias]
    now_ms: int


class Rearranging:
    """Sorts the user data of one store anew."""

    def __init__(self, store: UserDataStore, calculations: Mapping[int, Calculations]) -> None:
        self._store = store
        self._calculations = calculations

    async def gather(self, component: Component) -> Gathered:
        """Read what is kept of a component's profiles.

        Raises:
            TooLarge: that is more than is sorted at once.
            StoreError: the store does not answer.
        """
        reading = _Reading(self._store)
        await reading.read(component.mpids)
        await reading.read_aliased(component.mpids)
        questions: list[Question] = []
        seqs = {decision_id: seq for seq, decision_id in component.decision_ids.items()}
        for group in reading.groups.values():
            group.rows.sort(key=lambda row: row.stored.seq)
            _ask(group, seqs, questions)
        return Gathered(tuple(reading.mpids), reading.last_seq, list(reading.groups.values()), questions)

    async def is_still_all(self, gathered: Gathered) -> bool:
        """Whether nothing was kept of these profiles since."""
        for part in _parts(gathered.mpids):
            if await self._store.events_about(part, gathered.last_seq, 1):
                return False
        return True

    async def plan(self, gathered: Gathered, sorting: Sorting) -> Rearranged:
        """Work out what changes.

        Raises:
            StoreError: the store does not answer.
        """
        return together([await self._plan(group, sorting) for group in gathered.groups], sorting.aliases)

    async def _plan(self, group: Group, sorting: Sorting) -> Rearranged:
        calculations = self._calculations.get(group.workspace, NO_CALCULATIONS)
        before = Folding(group.rows, group.aliases, calculations, _ends(group.rows))
        rows = [replace(row) for row in group.rows]
        for number, row in enumerate(rows):
            _sort(row, group, number, sorting)
        _sort_signs(rows)
        after = Folding(rows, group.aliases, calculations, _ends(rows))
        mpids = _concerned(before, after)
        if not mpids:
            return Rearranged()
        keys = [group.key(mpid) for mpid in sorted(mpids)]
        kept = (await self._store.load(keys)).sections
        sorted_anew = [request_id for request_id, row in _marks(rows).items() if _ends_of(row) & mpids]
        copies = after.settle_aliases(sorted_anew)
        return compared(before, after, {key: kept.get(key) for key in keys}, copies, sorting.now_ms)


class _Reading:
    """Reads pages until everything is there."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store
        self.groups: dict[tuple[int, str], Group] = {}
        self.mpids: dict[int, None] = {}
        self.last_seq = 0
        self._batches = self._bytes = 0

    async def read(self, mpids: frozenset[int]) -> None:
        new = sorted(mpids - self.mpids.keys())
        self.mpids.update(dict.fromkeys(new))
        for part in _parts(new):
            after_seq = 0
            while page := await self._store.events_about(part, after_seq, _BATCHES_A_READ):
                after_seq = page[-1][1].seq
                self.last_seq = max(self.last_seq, after_seq)
                self._batches += len(page)
                self._bytes += sum(len(stored.document) for _, stored in page)
                if self._batches > BATCHES_SORTED_MAX or self._bytes > BATCH_BYTES_SORTED_MAX:
                    raise TooLarge
                for key, stored in page:
                    kept = kept_from(stored.document)
                    row = Row(key, stored, kept, batch_from(key, stored.at_ms, kept), key.mpid, kept.is_aside)
                    self._group(key).rows.append(row)
                if len(page) < _BATCHES_A_READ:
                    break

    async def read_aliased(self, mpids: frozenset[int]) -> None:
        """Read what is kept of profiles that alias requests tie to those."""
        others = mpids
        while others:
            named: set[int] = set()
            for group in list(self.groups.values()):
                for part in _parts(sorted(others)):
                    rows = await self._store.aliases_about(group.workspace, group.environment, part)
                    for row in rows:
                        if row.state in (AliasState.DONE, AliasState.UNDONE):
                            group.aliases[row.request_id] = row
                            named |= {row.source_mpid, row.destination_mpid}
            for group in self.groups.values():
                named_here = _marks(group.rows).keys() | {row.kept.alias for row in group.rows if row.kept.alias}
                for request_id in named_here - group.aliases.keys():
                    row = await self._store.alias(request_id)
                    if row is not None:
                        group.aliases[request_id] = row
                        named |= {row.source_mpid, row.destination_mpid}
            others = frozenset(named - self.mpids.keys())
            if len(self.mpids) + len(others) - len(mpids) > PROFILES_ALIASED_MAX:
                raise TooLarge
            await self.read(others)

    def _group(self, key: SectionKey) -> Group:
        name = (key.workspace, key.environment)
        if name not in self.groups:
            self.groups[name] = Group(*name)
        return self.groups[name]


def _parts(mpids: Sequence[int]) -> list[Sequence[int]]:
    return [mpids[first : first + PROFILES_A_READ_MAX] for first in range(0, len(mpids), PROFILES_A_READ_MAX)]


def _ask(group: Group, seqs: Mapping[str, int], questions: list[Question]) -> None:
    for number, row in enumerate(group.rows):
        said, mark = row.kept.said, row.kept.mark
        group.asked[number] = len(questions)
        if mark is not None:
            alias, at_ms = group.aliases[mark.request_id], row.stored.at_ms
            questions += [Named(alias.source_mpid, at_ms), Named(alias.destination_mpid, at_ms)]
        elif row.batch is not None and said is not None:
            question = _question(row, said, seqs)
            questions.append(question)
            if isinstance(question, Decided) or (isinstance(question, Named) and question.mpid == row.mpid):
                group.told.add(number)
        else:
            del group.asked[number]


def _question(row: Row, said: Said, seqs: Mapping[str, int]) -> Question:
    batch = row.batch
    if batch is None:
        raise AssertionError("only what was kept whole is asked about")
    if said.named is not None:
        return Named(said.named, batch.at_ms)
    seq = None if said.decision_id is None else seqs.get(said.decision_id)
    if seq is not None:
        return Decided(seq)
    return Visit(batch.identities, batch.environment, batch.at_ms, said.policy_version)


def _marks(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.kept.mark.request_id: row for row in rows if row.kept.mark is not None}


def _ends(rows: Sequence[Row]) -> dict[str, Ends]:
    return {
        row.kept.mark.request_id: Ends(row.kept.mark.source, row.mpid)
        for row in rows
        if row.kept.mark is not None and not row.is_aside
    }


def _ends_of(row: Row) -> set[int]:
    mark = row.kept.mark
    return set() if mark is None else {mark.source, row.mpid, row.key.mpid}


def _sort(row: Row, group: Group, number: int, sorting: Sorting) -> None:
    """Say to whom a row belongs, as far as that is another one now."""
    place = group.asked.get(number)
    if place is None:
        return
    if row.kept.mark is not None:
        ends = list(sorting.before[place : place + 2]), list(sorting.after[place : place + 2])
        _sort_mark(row, row.kept.mark, group.aliases[row.kept.mark.request_id], ends, sorting.aliases)
        return
    before, after = sorting.before[place], sorting.after[place]
    said = row.kept.said
    if said is None or (before == after and not (after is None and number in group.told)):
        return
    if after is None:
        # Had it come then, it would have been refused. What nobody else would see stays in sight.
        row.is_aside = sorting.is_there(row.mpid)
        return
    row.is_aside = False
    if said.judged is None and before is not None and before != row.mpid:
        said = msgspec.structs.replace(said, judged=before, stands_for=row.mpid)
        row.kept, row.is_resaid = msgspec.structs.replace(row.kept, said=said), True
    row.mpid = said.stands_for if after == said.judged and said.stands_for is not None else after


def _sort_mark(
    row: Row, mark: AliasMark, alias: AliasRow, ends: tuple[Answers, Answers], turned: Sequence[TakenAlias]
) -> None:
    """Say between whom an alias request is carried out now, or that it is not."""
    turns = [one.counts_again for one in turned if one.request_id == mark.request_id]
    if ends[0] == ends[1] and not turns:
        return
    (source_before, destination_before), (source_after, destination_after) = ends
    now = mark
    if source_before != source_after:
        source = mark.source if source_after is None else source_after
        now = msgspec.structs.replace(now, source=source, is_source_lost=source_after is None)
    if destination_before != destination_after:
        row.mpid = row.mpid if destination_after is None else destination_after
        now = msgspec.structs.replace(now, is_destination_lost=destination_after is None)
    is_undone = not turns[-1] if turns else alias.state is AliasState.UNDONE
    row.is_aside = is_undone or now.is_source_lost or now.is_destination_lost or now.source == row.mpid
    if now != mark:
        row.kept, row.is_resaid = msgspec.structs.replace(row.kept, mark=now), True


def _sort_signs(rows: Sequence[Row]) -> None:
    """Put the sign of an alias request to its source."""
    marks = _marks(rows)
    for row in rows:
        if row.kept.alias in marks and not row.kept.of:
            mark = marks[row.kept.alias]
            if mark.kept.mark is not None:
                row.mpid, row.is_aside = mark.kept.mark.source, mark.is_aside


def _concerned(before: Folding, after: Folding) -> set[int]:
    """Return the profiles whose sections may be others: those of moved rows, and whoever aliases tie to them."""
    mpids: set[int] = set()
    for was, now in zip(before.rows, after.rows, strict=True):
        if now.is_changed:
            mpids |= {was.mpid, now.mpid} | _ends_of(was) | _ends_of(now)
    if not mpids:
        return mpids
    tied = [_ends_of(was) | _ends_of(now) for was, now in zip(before.rows, after.rows, strict=True) if was.kept.mark]
    grown = True
    while grown:
        grown = False
        for ends in tied:
            if ends & mpids and not ends <= mpids:
                mpids |= ends
                grown = True
    return mpids
