"""Compares what a share of the log folds to with what the database holds of its profiles, and explains each difference.

Servers may go on writing: where
a record differs, the lines that changed it after the log was read are looked at, and what they say they changed is carried
out on the folded record. Where it still differs, the profile's lines are gone through once more, to find the first
observation after which what is stored can't be explained:

- the first line that was logged with other changes than its fold makes (`LOGGED_OTHERWISE`), or that can't be folded;
- else the line after the last one that the stored record is the fold of: its changes are missing (`NOT_IN_RECORD`);
- else the last line about the profile: after it, the record was changed past the log (`CHANGED_PAST_LOG`).
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from knownas.batch.folding_limits import BATCH_LINES, DIFFERENCES_MAX, LOOKS_MAX, NEWER_LINES_MAX, RECORDS_COMPARED
from knownas.batch.folding_shares import Share, fold_lines, fold_raw, touched_of
from knownas.batch.folding_working import Place
from knownas.core.history.plain import PlainRules
from knownas.core.identity.decision import Change, ChangeKind
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, Values, emptied, is_known, lasts_as, with_value, without_value
from knownas.core.identity.records import Records
from knownas.service.identity.log_form import Damaged, erased_in, is_correction, observation_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.receipts import changes_of
from knownas.store.port import LogEntry
from knownas.store.whole import Line

_ENCODE: Final = msgspec.json.Encoder().encode
_NOTHING: Final = b"{}"


class Why(StrEnum):
    """What is wrong with a profile, and so what its first unexplained observation is."""

    LOGGED_OTHERWISE = "logged_otherwise"
    NOT_IN_RECORD = "not_in_record"
    CHANGED_PAST_LOG = "changed_past_log"
    NOT_IN_LOG = "not_in_log"


class LineName(NamedTuple):
    """A line of the log, as people look for it."""

    seq: int
    decision_id: str
    at_ms: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A profile that is not stored as its log folds, or one of the two only.

    `stored` or `folded` is None where there is none. `first` is the first observation after which what is stored can't be
    explained, None if no line is about the profile. `more` says what else is known.
    """

    mpid: int | None
    why: Why
    stored: Record | None
    folded: Record | None
    first: LineName | None
    more: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a share came to: the profiles that it folds to, and which of them differ.

    At most `DIFFERENCES_MAX` are named; `further` is the number of others.
    """

    mpids: "array[int]"
    differences: Sequence[Difference]
    further: int = 0


@dataclass(slots=True)
class _Case:
    """A profile under suspicion."""

    stored: Record | None
    folded: Record | None
    lines: list["_Told"] = field(default_factory=list["_Told"])


class _Told(NamedTuple):
    """A line about a profile: what it has made of it, and what is wrong with that, if anything."""

    seq: int
    after: Record | None
    wrong: str | None


@dataclass(frozen=True, slots=True)
class VerifyJudge:
    """Compares what shares fold to with what is stored. `named_max` is how many differences of a share are looked into."""

    named_max: int = DIFFERENCES_MAX

    async def judge(self, share: Share, place: Place) -> Verdict:
        """Fold a share, some components at a time, and compare their profiles."""
        suspects = _Suspects(self.named_max)
        mpids = array("q")
        some: dict[int, tuple[Record, int]] = {}
        for number, batch in enumerate(share.batches(BATCH_LINES)):
            records, parted = fold_lines(batch.lines, share.rules)
            for record in records:
                some[record.mpid] = record, number
            for one in parted:
                for mpid in one.touched:
                    if suspects.takes(mpid):
                        suspects.add(number, mpid, _Case(await _stored(mpid, place), records.record(mpid)))
            if len(some) >= RECORDS_COMPARED:
                await _compare(some, suspects, place)
                mpids.extend(some)
                some = {}
        await _compare(some, suspects, place)
        mpids.extend(some)
        return Verdict(mpids, await suspects.explained(share, place), suspects.further)


class _Suspects:
    """Profiles of a share that may not be stored as they fold: at most so many, of others only how many."""

    def __init__(self, most: int) -> None:
        self.further = 0
        self._cases: dict[int, dict[int, _Case]] = {}
        """By the number of the batch that they were folded in, and their MPID."""
        self._most = most
        self._named: set[int] = set()

    def takes(self, mpid: int) -> bool:
        """Whether a profile is not among them yet, and can be."""
        return len(self._named) < self._most and mpid not in self._named

    def add(self, number: int, mpid: int, case: _Case) -> None:
        """Take one more, or count it."""
        if self.takes(mpid):
            self._named.add(mpid)
            self._cases.setdefault(number, {})[mpid] = case
        elif mpid not in self._named:
            self.further += 1

    async def explained(self, share: Share, place: Place) -> list[Difference]:
        """Say of each where it begins."""
        found: list[Difference] = []
        if self._cases:
            for number, batch in enumerate(share.batches(BATCH_LINES)):
                if number in self._cases:
                    found += await _explained(self._cases[number], batch.lines, share.rules, place)
        return found


async def _compare(some: Mapping[int, tuple[Record, int]], suspects: _Suspects, place: Place) -> None:
    """Compare folded records with what is stored, and note those that differ even if later lines are considered."""
    for mpid in await _unequal(some, place) if some else ():
        record, number = some[mpid]
        case = _Case(None, record)
        if await _differs(case, mpid, place):
            suspects.add(number, mpid, case)


async def _unequal(some: Mapping[int, tuple[Record, int]], place: Place) -> set[int]:
    """Return the profiles that are not stored byte for byte as their folded records would be written."""
    unequal = set(some)
    for mpid, known, created_ms, source_mpid, identities, carried in await place.whole.states_of(
        place.pool, list(some)
    ):
        _, held, carries, is_known_user, made_ms, _, source, _ = some[mpid][0]
        if (
            identities == _ENCODE(held)
            and carried == (_ENCODE(carries) if carries else _NOTHING)
            and created_ms == made_ms
            and known == is_known_user
            and source_mpid == source
        ):
            unequal.remove(mpid)
    return unequal


async def _stored(mpid: int, place: Place) -> Record | None:
    found = await place.store.profile(mpid)
    return found.record if found is not None and found.pool == place.pool else None


async def _differs(case: _Case, mpid: int, place: Place) -> bool:
    """Whether a record still differs when later lines about it are taken into account."""
    if case.folded is None:
        return True
    for _ in range(LOOKS_MAX):
        before = await place.store.history(mpid, place.until_seq, NEWER_LINES_MAX)
        case.stored = await _stored(mpid, place)
        after = await place.store.history(mpid, place.until_seq, NEWER_LINES_MAX)
        if len(after) == NEWER_LINES_MAX:
            return False
        states = list(_later(case.folded, after, await _policies(after, place)))
        if any(lasts_as(case.stored, state) for state in states[len(before) :]):
            return False
        if len(after) == len(before):
            case.folded = states[-1]
            return True
    return False


async def _policies(entries: Sequence[LogEntry], place: Place) -> Mapping[int, Policy]:
    """Return the policies that lines were decided under; a version may have been published since the fold began."""
    if all(entry.policy_version in place.policies for entry in entries):
        return place.policies
    return await policies_of(place.store, place.pool.scope)


def _later(record: Record, entries: Sequence[LogEntry], policies: Mapping[int, Policy]) -> Iterator[Record]:
    """Yield a record, and what each of some lines has made of it by what it says that it changed."""
    yield record
    for entry in entries:
        record = _corrected(record.mpid, entry) or _after(record, entry, policies.get(entry.policy_version))
        yield record


def _after(record: Record, entry: LogEntry, policy: Policy | None) -> Record:
    """Carry out what a line says that it changed of a record. A line that is only about it changes nothing of it."""
    if record.mpid not in entry.touched:
        return record
    try:
        changes = changes_of(entry)
    except Damaged:
        changes = ()
    for change in changes:
        record = _changed(record, change)
    if erased_in(entry.observation) == record.mpid:
        record = emptied(record)
    return record if policy is None else record._replace(known=is_known(record.identities, policy))


def _corrected(mpid: int, entry: LogEntry) -> Record | None:
    """Return what a correction has made of a profile, which it says whole: also when that began, and what it carries."""
    if not is_correction(entry.observation):
        return None
    try:
        observation = observation_from(entry.observation)
    except Damaged:
        return None
    records = observation.records if isinstance(observation, Correction) else ()
    return next((one for one in records if one.mpid == mpid), None)


def _changed(record: Record, change: Change) -> Record:
    """Carry a change out, if it is about the record."""
    mpid, one = record.mpid, change.identity
    if change.mpid == mpid:
        match change.kind:
            case ChangeKind.ADDED | ChangeKind.MOVED:
                return record._replace(identities=_with(record.identities, one))
            case ChangeKind.REMOVED:
                return record._replace(identities=without_value(record.identities, one))
            case ChangeKind.CARRIED:
                return record._replace(carried=_with(record.carried, one))
            case ChangeKind.DROPPED:
                return record._replace(carried=without_value(record.carried, one))
    if change.from_mpid == mpid:
        return record._replace(identities=without_value(record.identities, one))
    return record


def _with(values: Values, one: Identity) -> Values:
    """Return the values with one more; a value that was taken from several moves several times."""
    return values if one.value in values.get(one.type, ()) else with_value(values, one)


async def _explained(
    cases: Mapping[int, _Case], lines: Sequence[Line], rules: Mapping[int, PlainRules], place: Place
) -> list[Difference]:
    """Go through the lines of a batch again and say of each case where it begins."""
    records = Records()
    for line in lines:
        otherwise = fold_raw(line, rules, records)
        concerned = touched_of(line[4]) if otherwise is None else (*otherwise.touched, *otherwise.changed)
        for mpid in dict.fromkeys(concerned):
            if mpid in cases:
                told, after = cases[mpid].lines, records.record(mpid)
                why = otherwise.why if otherwise else None
                was = told[-1].after if told else None
                told.append(_Told(line[0], after, why or await _logged_otherwise(line[0], was, after, place)))
    return [await _difference(mpid, case, place) for mpid, case in cases.items()]


async def _logged_otherwise(seq: int, before: Record | None, after: Record | None, place: Place) -> str | None:
    """Compare what a line says that it changed of a profile with what its fold changes."""
    entry = await _entry(seq, place)
    if entry is None or after is None:
        return None
    try:
        changes = changes_of(entry)
    except Damaged as error:
        return f"its decision can't be read: {error}"
    said = before or after._replace(identities={}, carried={})
    for change in changes:
        said = _changed(said, change)
    if erased_in(entry.observation) == said.mpid:
        said = emptied(said)
    if (said.identities, said.carried) == (after.identities, after.carried):
        return None
    return "it was logged with other changes than its fold makes"


async def _entry(seq: int, place: Place) -> LogEntry | None:
    found = await place.store.log(place.pool, seq - 1, 1)
    return found[0] if found and found[0].seq == seq else None


async def _difference(mpid: int, case: _Case, place: Place) -> Difference:
    """Name the first observation after which what is stored can't be explained."""
    for line in case.lines:
        if line.wrong is not None:
            first = await _named(line.seq, place)
            return Difference(mpid, Why.LOGGED_OTHERWISE, case.stored, case.folded, first, line.wrong)
    if not case.lines:
        return Difference(mpid, Why.NOT_IN_LOG, case.stored, case.folded, None)
    states = [None, *(line.after for line in case.lines)]
    matching = [
        number
        for number, state in enumerate(states)
        if (state is None and case.stored is None) or lasts_as(state, case.stored)
    ]
    last = len(case.lines)
    if matching and matching[-1] < last:
        first = await _named(case.lines[matching[-1]].seq, place)
        return Difference(mpid, Why.NOT_IN_RECORD, case.stored, case.folded, first)
    first = await _named(case.lines[-1].seq, place)
    return Difference(mpid, Why.CHANGED_PAST_LOG, case.stored, case.folded, first)


async def _named(seq: int, place: Place) -> LineName | None:
    entry = await _entry(seq, place)
    return None if entry is None else line_name(entry)


def line_name(entry: LogEntry) -> LineName:
    """Name a line of the log."""
    try:
        endpoint = str(observation_from(entry.observation).endpoint)
    except Damaged:
        endpoint = "unreadable"
    return LineName(entry.seq, entry.decision_id, entry.at_ms, endpoint)
