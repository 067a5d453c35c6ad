"""Tells the story of a profile: every decision about it, the newest first, and which of them count no longer.

The lines are those of `Store.history`, with the alias requests that name the profile. A line is never cut out of the log, so
that one was taken back is told by the corrections after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from knownas.core.identity.chapter import Piece, Profile, chapter
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Endpoint, Environment, Erasure, Observation
from knownas.service.identity.decisions import is_decision_id
from knownas.service.identity.log_form import decision_from, is_correction, observation_from
from knownas.service.identity.receipts import with_set_aside
from knownas.service.limits import PAGE_MAX, STORY_LINES_MAX
from knownas.service.security.directory import Directory
from knownas.store.port import END_OF_LOG, LogEntry, Store
from knownas.store.user_data import AliasRow, AliasState


class Mark(NamedTuple):
    """Whether something counts, and the correction that said so last; `by` is its decision."""

    counts: bool
    by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a decision counts now. `undone_by` is the correction by which it counts no longer, None if it counts.

    `without` are identities that it counts as not having been asked with, each with the correction that said so. `is_all_known`
    is False where more has happened since than is read.
    """

    undone_by: str | None = None
    without: Sequence[tuple[Identity, str]] = ()
    is_all_known: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a story. `id` is that of the decision, or of the alias request; times are Unix milliseconds.

    `kind` is the endpoint that was asked, or "alias". `undoable` says whether it can be asked to be taken back.
    """

    at_ms: int
    id: str
    kind: str
    input: str
    environment: str
    pieces: Sequence[Piece]
    standing: Standing
    undoable: bool
    seq: int = 0

    @property
    def place(self) -> tuple[int, int, str]:
        """Where it stands among the others: by time, then in the order of the log."""
        return self.at_ms, self.seq, self.id


class StoryPlace(NamedTuple):
    """Where a page of a story begins.

    A story that is longer than `STORY_LINES_MAX` is read in stretches, from the newest back: of the lines before `until_seq`, and the alias
    requests before `until_ms`. Within a stretch, a page begins after a line, by its `place`; None at its first.
    """

    until_seq: int = END_OF_LOG
    until_ms: int = END_OF_LOG
    after: tuple[int, int, str] | None = None


NEWEST: Final = StoryPlace()
"""Where a story begins that is told from its newest line on."""


@dataclass(frozen=True, slots=True)
class StoryPage:
    """Some lines of a story, the newest first. `next_place` is where the next page begins, None at the end.

    `is_newest` is False where lines that came later were not read with these: whether one of them takes something back is not told here.
    """

    lines: Sequence[Told]
    next_place: StoryPlace | None
    is_newest: bool


_Target = tuple[str, Identity | None]
"""What a correction is about: a decision or alias request by its id, or one identity of a decision."""


class Telling:
    """Stories over one store."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def story(self, mpid: int, place: StoryPlace, limit: int) -> StoryPage | None:
        """Return lines of a profile's story from a place on, the newest first; None if there is no such profile.

        Raises:
            StoreError: the store does not answer.
        """
        stored = await self._store.profile(mpid)
        if stored is None:
            return None
        entries, is_last = await self._stretch(mpid, place.until_seq)
        marks = _marks(entries)
        begins_ms = None if is_last else min(one.at_ms for one in entries)
        aliases = {
            one.place: one
            for one in await self._aliases(mpid, stored.pool.scope, stored.pool.environment)
            if (begins_ms is None or one.at_ms >= begins_ms) and one.at_ms < place.until_ms
        }
        by_place = {(one.at_ms, one.seq, one.decision_id): one for one in entries}
        found = sorted({*aliases, *by_place}, reverse=True)
        left = [one for one in found if place.after is None or one < place.after]
        lines = [aliases.get(one) or _told(mpid, by_place[one], marks) for one in left[:limit]]
        following: StoryPlace | None = None
        if len(left) > limit:
            following = place._replace(after=lines[-1].place)
        elif begins_ms is not None:
            # Where times don't ascend with the lines, as after an import, no alias request is told twice for that.
            following = StoryPlace(entries[0].seq, min(begins_ms, place.until_ms))
        return StoryPage(lines, following, place.until_seq >= END_OF_LOG)

    async def line(self, decision_id: str) -> Told | None:
        """Return the line of a decision in the story of the first profile that it changed; None if it changed none.

        How it counts is not looked up.

        Raises:
            StoreError: the store does not answer.
        """
        entry = await self._store.decision(decision_id) if is_decision_id(decision_id) else None
        return None if entry is None or not entry.touched else _told(entry.touched[0], entry, {})

    async def standing(self, decision_id: str) -> Standing:
        """Return how a decision counts now; one that changed nothing, or is not kept, counts.

        Raises:
            StoreError: the store does not answer.
        """
        entry = await self._store.decision(decision_id) if is_decision_id(decision_id) else None
        if entry is None or not entry.touched:
            return Standing()
        # A correction of a decision is in the history of every profile that the decision changed.
        after, is_cut = await self._lines(entry.touched[0], entry.seq)
        found = _standing(entry, observation_from(entry.observation), _marks(after))
        return Standing(found.undone_by, found.without, not is_cut)

    async def _stretch(self, mpid: int, before_seq: int) -> tuple[Sequence[LogEntry], bool]:
        """Return the last lines about a profile before a seq, oldest first, and whether there are none before them."""
        found: list[LogEntry] = []
        while page := await self._store.history_back(mpid, before_seq, PAGE_MAX):
            room = STORY_LINES_MAX - len(found)
            found += page[:room]
            if len(page) > room:
                return found[::-1], False
            before_seq = page[-1].seq
        return found[::-1], True

    async def _lines(self, mpid: int, after_seq: int) -> tuple[Sequence[LogEntry], bool]:
        """Return the lines about a profile after a seq, oldest first, and whether there are more than are read."""
        found: list[LogEntry] = []
        while page := await self._store.history(mpid, after_seq, PAGE_MAX):
            room = STORY_LINES_MAX - len(found)
            found += page[:room]
            if len(page) > room:
                return found, True
            after_seq = page[-1].seq
        return found, False

    async def _aliases(self, mpid: int, scope: str, environment: str) -> Sequence[Told]:
        environments = [environment] if environment else list(map(str, Environment))
        return [
            _alias_told(mpid, row, place.workspace.name)
            for place in self._directory.places
            if place.workspace.scope == scope
            for one in environments
            for row in await self._store.user_data.aliases_about(place.workspace.id, one, [mpid])
        ]


def _marks(entries: Iterable[LogEntry]) -> Mapping[_Target, Mark]:
    """Return what the corrections among some lines say last of each thing that they are about."""
    marks: dict[_Target, Mark] = {}
    for entry in entries:
        if is_correction(entry.observation):
            observation = observation_from(entry.observation)
            if isinstance(observation, Correction):
                marks.update((target, Mark(counts, entry.decision_id)) for target, counts in _targets(observation))
    return marks


def _targets(correction: Correction) -> Sequence[tuple[_Target, bool]]:
    decisions = [((one.decision_id, one.identity), one.counts_again) for one in correction.take_back]
    return [*decisions, *(((one.request_id, None), one.counts_again) for one in correction.aliases)]


def _standing(entry: LogEntry, observation: Observation, marks: Mapping[_Target, Mark]) -> Standing:
    if isinstance(observation, Correction):
        # It is taken back when everything that it has changed is as it was before.
        said = [(marks.get(target), counts) for target, counts in _targets(observation)]
        undone = [mark.by for mark, counts in said if mark is not None and mark.counts != counts]
        return Standing(undone[0] if undone and len(undone) == len(said) else None)
    whole = marks.get((entry.decision_id, None))
    without = [
        (target, mark.by)
        for (decision_id, target), mark in marks.items()
        if decision_id == entry.decision_id and target is not None and not mark.counts
    ]
    return Standing(None if whole is None or whole.counts else whole.by, without)


def is_undoable(entry: LogEntry, observation: Observation) -> bool:
    """Whether a line is of a kind that can be taken back."""
    match observation:
        case Erasure():
            return False
        case Correction():
            return bool(observation.take_back or observation.aliases)
        case _:
            return bool(entry.touched)


def _told(mpid: int, entry: LogEntry, marks: Mapping[_Target, Mark]) -> Told:
    observation = observation_from(entry.observation)
    decision = with_set_aside(decision_from(entry.decision), observation)
    return Told(
        entry.at_ms,
        entry.decision_id,
        observation.endpoint.value,
        "" if observation.endpoint in (Endpoint.CORRECT, Endpoint.ERASE) else observation.input,
        observation.environment.value,
        chapter(mpid, observation, decision),
        _standing(entry, observation, marks),
        is_undoable(entry, observation),
        entry.seq,
    )


def _alias_told(mpid: int, row: AliasRow, workspace: str) -> Told:
    """Tell an alias request, from the view of one of its two profiles."""
    is_source = row.source_mpid == mpid
    other = Profile(row.destination_mpid if is_source else row.source_mpid)
    whither = "to" if is_source else "from"
    match row.state:
        case AliasState.QUEUED:
            pieces: Sequence[Piece] = ["What is known is to be copied ", whither, " ", other, " by an alias request."]
        case AliasState.DONE:
            pieces = ["What was known was copied ", whither, " ", other, " by an alias request."]
        case AliasState.REJECTED:
            pieces = ["An alias request to copy what is known ", whither, " ", other, " was rejected."]
        case AliasState.UNDONE:
            pieces = ["What was known was copied ", whither, " ", other, " by an alias request, which was taken back."]
    at_ms = row.requested_ms if row.settled_ms is None else row.settled_ms
    standing = Standing("" if row.state is AliasState.UNDONE else None)
    is_done = row.state is AliasState.DONE
    return Told(at_ms, row.request_id, "alias", workspace, row.environment, pieces, standing, is_done)
