"""Folds linked observations into what a store keeps: profiles, who holds which value, and the log's lines.

Observations that share no identity, directly or through others, can't influence each other's answers. So the components
of a history are folded by themselves, each in the order of time, by the same core that answers requests, into records
of its own; nothing is known of any other. What comes out is what a store would hold had every observation been sent
one after the other: the same records, the same log, line for line. Only visits are known more exactly than a store
knows them, which writes one down when the last is an hour old.

Names of new profiles come of the row that makes them (`names`), so that a step that is repeated makes the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import msgspec

from knownas.batch.backfill.kinds import ATTRIBUTES, ENDPOINTS, ENVIRONMENTS, SET_ASIDE, TYPES, Kind, table_of
from knownas.batch.backfill.limits import FOLD_ROWS
from knownas.batch.backfill.names import Names
from knownas.batch.backfill.screening import read_aside
from knownas.batch.import_mapping import BY_NAME
from knownas.batch.import_results import RowOutcome
from knownas.batch.import_rows import Content, Reading, event_batch
from knownas.core.identity.decision import ChangeKind, Created, Decision, NotFound, Refused, Returned
from knownas.core.identity.kinds import KIND_OF, Identity, IdentityType
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.policy import Capture, EnvironmentPools, Policy
from knownas.core.identity.records import Records
from knownas.core.identity.resolve import resolve
from knownas.core.identity.straight import StraightCases
from knownas.core.profile.event import Channel
from knownas.core.profile.section import Section
from knownas.core.profile.section import fold as fold_section
from knownas.service.history.subjects import subjects_of
from knownas.service.identity.log_form import decision_bytes, observation_bytes
from knownas.service.identity.policies import decode_policy, encode_policy
from knownas.service.profile.sections import written
from knownas.store.port import Pool, StoredPolicy

COMPONENT: Final = "component"
NUMBER: Final = "number"
"""The columns that linking adds: rows of one component come one after the other, by their numbers in the history."""

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode
_CODES: Final = {kind: kind_of.code for kind, kind_of in KIND_OF.items()}
_NOTHING: Final = b"{}"
_UNTOUCHED: Final = b"[]"
NOT_FOUND: Final = ("not_found", "No profile may answer for the row, and the input makes none.")


class Sender(NamedTuple):
    """An input that observations came through: its name, whether it may make profiles, and where it belongs."""

    name: str
    may_create: bool
    workspace: int
    channel: Channel


@dataclass(frozen=True, slots=True)
class FoldJob:
    """What holds for a whole backfill, in a form that goes to other processes and machines."""

    policy: StoredPolicy
    senders: tuple[Sender, ...]
    secret: bytes


def fold_job(policy: Policy, scope: str, senders: Sequence[Sender], secret: bytes) -> FoldJob:
    """Return a job under a policy's version."""
    return FoldJob(stored_policy(policy, scope), tuple(senders), secret)


def stored_policy(policy: Policy, scope: str) -> StoredPolicy:
    """Return a policy in a form that goes to other processes and machines."""
    return StoredPolicy(scope, policy.version, 0, encode_policy(policy))


class Component:
    """What is known while one component is folded."""

    __slots__ = ("made", "pool", "records", "sections")

    def __init__(self, pool: int) -> None:
        self.pool = pool
        self.records = Records()
        self.made: dict[int, int] = {}
        """The number of the row that made each profile."""
        self.sections: dict[tuple[int, int, int], Section] = {}
        """What workspaces know of profiles: by MPID, workspace, and the place of the environment."""


class Folder:
    """Folds components, one after the other. What comes out gathers in `made`, as rows in the order of `COLUMNS`."""

    def __init__(self, job: FoldJob) -> None:
        self._policy = policy = decode_policy(job.policy)
        self._senders = job.senders
        self._names = Names(job.secret)
        self._straight = StraightCases(policy)
        self._one_pool = policy.settings.environment_pools is EnvironmentPools.SHARED
        scope = job.policy.scope
        self._pools = [Pool(scope, "")] if self._one_pool else [Pool(scope, one.value) for one in ENVIRONMENTS]
        self._captures_all = policy.settings.capture is Capture.ALL
        self._exclusive = frozenset(_CODES[kind] for kind in policy.unique_ids)
        self._readings = [Reading(BY_NAME, ENVIRONMENTS[0], sender.channel) for sender in job.senders]
        self._last: object = None
        self._component: Component | None = None
        self._counted: dict[str, int] = {}
        self.made: dict[Kind, list[tuple[object, ...]]] = {kind: [] for kind in Kind}

    def fold(self, table: Any) -> None:
        """Fold the next rows: whole components or parts of them, in their order."""
        last, component = self._last, self._component
        source: int
        straight = self._straight
        of_rows = cast("Iterable[tuple[Any, ...]]", self._rows(table))
        for name, row, number, at_ms, place, endpoint, source, said, aside, mpid, decision_id, identities in of_rows:
            if name != last or component is None:
                self.finish()
                last, component = name, Component(0 if self._one_pool else place)
                self._component = component
            told = tuple([one for one in identities if one is not None]) if None in identities else identities
            sender: Sender = self._senders[source]
            request = IdentityRequest(
                ENDPOINTS[endpoint], at_ms, ENVIRONMENTS[place], sender.name, told, set_aside=read_aside(aside)
            )
            records = component.records
            decision = straight.decide(request, records, mpid, may_create=sender.may_create)
            if decision is None:
                decision = resolve(request, self._policy, records, mpid, may_create=sender.may_create)
            answer = decision.record
            if decision.writes:
                # Who asks for an identity gives one up for nobody: only a modify does that.
                gained = [one for how, one, _, _ in decision.changes if how is ChangeKind.ADDED]
                records.extend(decision.writes[0].after, gained)
            if answer is None:
                self._refuse(row, decision, request)
            elif type(decision.outcome) is Returned and endpoint != _SEARCH:
                records.saw(answer.mpid, at_ms)
            if decision.writes or self._captures_all:
                self._log(component, number, decision_id, request, decision, may_create=sender.may_create)
            if answer is not None:
                self._count(decision)
                if said is not None:
                    self._say(component, answer.mpid, source, request, said)
        self._last = last

    def _rows(self, table: Any) -> Iterable[tuple[object, ...]]:
        """Return the rows of a table with the names that they give; the last cell has the identities."""
        columns = {name: table.column(name) for name in table.column_names}
        numbers: list[int] = columns[NUMBER].to_pylist()
        times: list[int] = columns["at_ms"].to_pylist()
        cells = [_cells(columns, name, len(numbers)) for name in _CELLS]
        names = self._names.mpids(numbers), self._names.decision_ids(numbers, times)
        return zip(*cells, *names, _identities_of(columns, len(numbers)), strict=True)

    def finish(self) -> None:
        """Put down what the component that was folded last has come to."""
        component, self._component = self._component, None
        if component is None:
            return
        pool, records, made = component.pool, component.records, self.made
        profiles, values, holdings = made[Kind.PROFILES], made[Kind.VALUES], made[Kind.HOLDINGS]
        for record in records:
            mpid, identities, carried, known, created_ms, _, source, _ = record
            active_ms = records.active_ms(record)
            number = component.made[mpid]
            written_down = _ENCODE(identities), _ENCODE(carried) if carried else _NOTHING
            profiles.append((pool, mpid, int(known), created_ms, active_ms, source, number, *written_down))
        for (kind, value), mpids in records.holding.items():
            code = _CODES[kind]
            if isinstance(mpids, int):
                values.append((pool, code, value, 1, mpids, int(code in self._exclusive)))
            else:
                values.append((pool, code, value, len(mpids), None, int(code in self._exclusive)))
                for mpid in mpids:
                    record = records.record(mpid)
                    if record is None:
                        raise AssertionError("a holder has a record")
                    active_ms = 0 if record.known else records.active_ms(record)
                    holdings.append((pool, code, value, mpid, int(record.known), active_ms))
        for (mpid, workspace, environment), section in component.sections.items():
            told = written(section)
            made[Kind.SECTIONS].append((mpid, workspace, ENVIRONMENTS[environment], section.last_seen_ms, told))

    def take(self) -> Iterator[tuple[Kind, Any]]:
        """Yield what came out since the last time, as a table of each kind that there is something of."""
        self.made[Kind.COUNTED] += self._counted.items()
        self._counted = {}
        for kind, rows in self.made.items():
            if rows:
                yield kind, table_of(kind, rows)
                rows.clear()

    def _log(
        self,
        component: Component,
        number: int,
        decision_id: bytes,
        request: IdentityRequest,
        decision: Decision,
        *,
        may_create: bool,
    ) -> None:
        if decision.recency or not may_create:
            request = request._replace(recency=decision.recency, may_create=may_create)
        outcome, created = decision.outcome, None
        touched = _UNTOUCHED
        if decision.writes:
            mpids = list(decision.touched)
            touched = _ENCODE(mpids)
            if isinstance(outcome, Created):
                created = outcome.mpid
                component.made[created] = number
            else:
                self.made[Kind.TOUCHED] += [(mpid, number) for mpid in mpids]
        subjects = subjects_of(self._pools[component.pool], request, decision)
        if subjects:
            self.made[Kind.TOUCHED] += [(one, number) for one in subjects if one not in decision.touched]
        line = number, decision_id, component.pool, request.at_ms, created, touched
        self.made[Kind.LOG].append((*line, observation_bytes(request), decision_bytes(decision)))

    def _count(self, decision: Decision) -> None:
        outcome = RowOutcome.MATCHED
        if decision.writes:
            outcome = RowOutcome.CREATED if isinstance(decision.outcome, Created) else RowOutcome.EXTENDED
        self._counted[outcome] = self._counted.get(outcome, 0) + 1

    def _refuse(self, row: int, decision: Decision, request: IdentityRequest) -> None:
        outcome = decision.outcome
        if request.endpoint is Endpoint.SEARCH and isinstance(outcome, NotFound):
            # It only looked, and that is what it was told.
            self._count(decision)
            return
        reason, sentence = (outcome.reason.value, outcome.message) if isinstance(outcome, Refused) else NOT_FOUND
        self._counted[RowOutcome.REFUSED] = self._counted.get(RowOutcome.REFUSED, 0) + 1
        self.made[Kind.REFUSED].append((row, reason, sentence))

    def _say(self, component: Component, mpid: int, source: int, request: IdentityRequest, said: bytes) -> None:
        sender, at_ms, aside = self._senders[source], request.at_ms, request.set_aside
        # What a device says of itself is kept as it was said.
        named = tuple(sorted((*request.identities, *aside))) if aside else request.identities
        content = Content(request.environment, None, named, _DECODE(said))
        key = mpid, sender.workspace, ENVIRONMENTS.index(content.environment)
        batch = event_batch(content, self._readings[source], sender.name, at_ms)
        component.sections[key] = fold_section(component.sections.get(key), batch).section


_SEARCH: Final = ENDPOINTS.index(Endpoint.SEARCH)
_CELLS: Final = (
    *(COMPONENT, "row_id", NUMBER, "at_ms", "environment", "endpoint", "input"),
    *(ATTRIBUTES, SET_ASIDE),
)


def _cells(columns: Mapping[str, Any], name: str, rows: int) -> Sequence[object]:
    """Return a column's values; of one that is not there, nothing for each row."""
    return columns[name].to_pylist() if name in columns else [None] * rows


def _identities(kind: IdentityType, column: Any) -> Sequence[Identity | None]:
    values = cast("Sequence[str | None]", column.to_pylist())
    return [None if value is None else Identity(kind, value) for value in values]


def _identities_of(columns: Mapping[str, Any], rows: int) -> Iterable[tuple[Identity | None, ...]]:
    """Return the identities of each row, None where it names none of a type that others name."""
    kinds = [kind for kind in TYPES if kind.value in columns and columns[kind.value].null_count < rows]
    return zip(*[_identities(kind, columns[kind.value]) for kind in kinds], strict=True) if kinds else [()] * rows


def folded(tables: Iterable[Any], job: FoldJob) -> Iterator[Mapping[Kind, Any]]:
    """Fold linked observations, component after component, and yield what comes out now and then.

    The tables come in the order of components, and within one of the rows' numbers; a component may go on in the next.
    """
    folder = Folder(job)
    for table in tables:
        for start in range(0, table.num_rows, FOLD_ROWS):
            folder.fold(table.slice(start, FOLD_ROWS))
            yield dict(folder.take())
    folder.finish()
    yield dict(folder.take())
