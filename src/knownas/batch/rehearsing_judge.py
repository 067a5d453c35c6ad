"""Folds each share of a log into two worlds, as it counts now and as it would under another policy, and compares them.

Both worlds are those that a correction is made from (`service.history.correcting`), names included: what is told here is what
resolving the history under the policy comes to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from knownas.batch.folding_limits import WORLD_LINES
from knownas.batch.folding_shares import Batch, Share, answered_alone, touched_by, touched_of
from knownas.batch.folding_working import Place
from knownas.core.history.compare import differing
from knownas.core.history.conditions import Conditions, RulesSince, conditions_of
from knownas.core.history.fold import Logged
from knownas.core.history.plain import PlainRules
from knownas.core.history.rehearsal import Comparison, Found, together
from knownas.core.history.swift_world import SwiftWorld
from knownas.core.history.world import FoldStopped
from knownas.core.history.world import Line as WorldLine
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.service.history.correcting import fresh_mpid_of
from knownas.service.history.resolving import resolution_reason
from knownas.service.history.subjects import named_in
from knownas.service.identity.log_form import Damaged, is_correction, observation_from, requests_from
from knownas.service.identity.policies import decode_policy
from knownas.store.port import StoredPolicy
from knownas.store.whole import Line

USER_DATA_ASKED: Final = 500
"""Profiles of which the database is asked at once whether a workspace knows something of them."""


class Start(NamedTuple):
    """Where a component that would be another is gathered from: its profiles, and identities that lead to nobody yet.

    `lines` is how many lines it has.
    """

    profiles: tuple[int, ...]
    identities: tuple[Identity, ...]
    lines: int


@dataclass(frozen=True, slots=True)
class ShareRehearsed:
    """What a share comes to; `starts` are its components that would be others, if they were asked for."""

    found: Found
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True, slots=True)
class RehearseJudge:
    """Compares what shares come to under their own policies with what they come to under another one."""

    policy: StoredPolicy
    tells_starts: bool = False

    async def judge(self, share: Share, place: Place) -> ShareRehearsed:
        """Fold a share twice, some components at a time, and compare."""
        every: list[Found] = []
        starts: list[Start] = []
        for twice in two_worlds(share, self.policy):
            found, concerned = twice.comparison.found(twice.unreadable)
            moving = await _with_user_data(concerned.moving, place)
            joined = await _with_user_data(concerned.joined, place)
            every.append(replace(found, with_user_data=moving + joined, user_data_moves=moving))
            if self.tells_starts:
                starts += twice.starts()
        return ShareRehearsed(together(every), tuple(starts))


def two_worlds(share: Share, policy: StoredPolicy) -> "Iterator[TwoWorlds]":
    """Fold whole components of a share, some at a time, into two worlds, and yield what they come to."""
    rules = {**share.rules, policy.version: PlainRules(decode_policy(policy))}
    count = _Count(
        conditions_of((seq, replace(one, policy_version=None)) for seq, one in share.corrections()),
        rules,
        policy.version,
        {
            line: RulesSince(seq, one.policy_version)
            for seq, one in share.corrections()
            if one.policy_version is not None
            for line, _ in one.names
        },
    )
    for batch in share.batches(WORLD_LINES):
        twice = TwoWorlds(batch, count)
        twice.fold()
        yield twice


class _Count(NamedTuple):
    """What holds for all lines: what counts of them, the rules by version, and the version that is rehearsed.

    `of_lines` is under which version lines count that may share nothing with the correction by which they make a profile:
    nobody answered them. The correction names them.
    """

    conditions: Conditions
    rules: Mapping[int, PlainRules]
    version: int
    of_lines: Mapping[int, RulesSince]


class _Names:
    """What the line that is being folded calls a new profile that has no other name."""

    def __init__(self, version: int) -> None:
        self.decision_id = b""
        """That of the line."""
        self._reason = resolution_reason(version)

    def fresh(self, _seq: int) -> int:
        """Return the name."""
        return fresh_mpid_of(self.decision_id.hex(), self._reason)


class TwoWorlds:
    """Components that are folded into two worlds: as they count, and as they would under a policy."""

    def __init__(self, batch: Batch, count: _Count) -> None:
        self._batch = batch
        self._count = count
        self._names = _Names(count.version)
        self._before = SwiftWorld(count.conditions, count.rules, self._names.fresh)
        self._after = SwiftWorld(count.conditions, count.rules, self._names.fresh)
        login_types = frozenset(kind for one in count.rules.values() for kind in one.policy.login_types)
        self.comparison: Final = Comparison(self._before.world, self._after.world, login_types)
        self.unreadable = 0
        self._answers: list[tuple[int | None, int | None]] = []

    def fold(self) -> None:
        """Fold all lines."""
        versions = _Versions(self._batch, self._count.of_lines)
        undone, new = self._count.conditions.undone, self._count.version
        raws = self._batch.lines
        requests = requests_from([raw[5] for raw in raws])
        for place, (raw, touched, request) in enumerate(zip(raws, touched_by(raws), requests, strict=True)):
            self._names.decision_id = raw[6]
            answers: tuple[int | None, int | None] = (None, None)
            try:
                line = _line(raw, touched, request or observation_from(raw[5]))
                answers = self._before.take(line, versions.of(place, raw)), self._after.take(line, new)
                if raw[0] not in undone and not isinstance(line.logged.observation, Correction | Erasure):
                    self.comparison.note(*answers)
            except (Damaged, FoldStopped):
                self.unreadable += 1
            self._answers.append(answers)

    def starts(self) -> list[Start]:
        """Return the components that are not the same in both worlds."""
        others = set(differing(self._after.world.records, self._before.world.records))
        if not others:
            return []
        roots = self._batch.roots()
        concerned = {root for root, pair in zip(roots, self._answers, strict=True) if not others.isdisjoint(pair)}
        profiles: dict[int, dict[int, None]] = {root: {} for root in concerned}
        identities: dict[int, dict[Identity, None]] = {root: {} for root in concerned}
        lines: Counter[int] = Counter()
        for root, pair, raw in zip(roots, self._answers, self._batch.lines, strict=True):
            if root not in concerned:
                continue
            lines[root] += 1
            there = [*(touched_of(raw[4]) or answered_alone(raw)), *(() if pair[0] is None else (pair[0],))]
            profiles[root].update(dict.fromkeys(there))
            if not there:
                with suppress(Damaged):
                    identities[root].update(dict.fromkeys(named_in(observation_from(raw[5]))))
        return [Start(tuple(profiles[root]), tuple(identities[root]), lines[root]) for root in sorted(concerned)]


class _Versions:
    """Under which policy version lines count, as corrections of their components say."""

    def __init__(self, batch: Batch, of_lines: Mapping[int, RulesSince]) -> None:
        self._of_lines = of_lines
        said: list[tuple[int, RulesSince]] = []
        for place, raw in enumerate(batch.lines):
            if is_correction(raw[5]):
                with suppress(Damaged):
                    observation = observation_from(raw[5])
                    if isinstance(observation, Correction) and observation.policy_version is not None:
                        said.append((place, RulesSince(raw[0], observation.policy_version)))
        self._roots = batch.roots() if said else None
        self._of_components: dict[int, RulesSince] = {}
        if self._roots is not None:
            self._of_components = {self._roots[place]: since for place, since in said}

    def of(self, place: int, line: Line) -> int:
        """Return the version of a line, which has a place among them."""
        seq, logged = line[0], line[2]
        since = None if self._roots is None else self._of_components.get(self._roots[place])
        since = since or self._of_lines.get(seq)
        return logged if since is None or seq >= since.seq else since.version


def _line(raw: Line, changed: tuple[int, ...], observation: Observation) -> WorldLine:
    """Return a line that was read.

    Raises:
        Damaged: its decision can't be.
    """
    seq, _, version, created, _, _, _, _ = raw
    answered: int | None
    match observation:
        case IdentityRequest():
            # What changes something changes the profile that answers, and no other.
            answered = changed[0] if changed else None
        case ModifyRequest(mpid=mpid):
            answered = mpid if changed else None
        case SeedRequest():
            answered = created
        case Correction() | Erasure():
            answered = None
    if not changed:
        alone = answered_alone(raw)
        answered = alone[0] if alone else None
    return WorldLine(seq, Logged(observation, version, created, bool(changed)), answered)


async def _with_user_data(mpids: frozenset[int], place: Place) -> int:
    """Count those of some profiles of which a workspace knows something."""
    ordered, count = sorted(mpids), 0
    for start in range(0, len(ordered), USER_DATA_ASKED):
        count += len(await place.whole.with_user_data(ordered[start : start + USER_DATA_ASKED]))
    return count
