"""Folds each share of a log into two worlds, as it counts now and as it would under another policy, and compares them.

Both worlds are those that a correction is made from (`service.correcting`), names included: what is told here is what
resolving the history under the policy comes to.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from knownas.batch.folding_shares import Share, answered_alone, touched_of
from knownas.batch.folding_working import Place
from knownas.core.history.compare import differing
from knownas.core.history.conditions import RulesSince, conditions_of
from knownas.core.history.fold import Logged
from knownas.core.history.plain import PlainRules
from knownas.core.history.rehearsal import Comparison, Found
from knownas.core.history.swift_world import SwiftWorld
from knownas.core.history.world import FoldStopped
from knownas.core.history.world import Line as WorldLine
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Erasure, IdentityRequest, ModifyRequest, SeedRequest
from knownas.service.correcting import fresh_mpid_of
from knownas.service.log_form import Damaged, is_correction, observation_from
from knownas.service.policies import decode_policy
from knownas.service.resolving import resolution_reason
from knownas.service.subjects import named_in
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
        """Fold a share twice and compare."""
        twice = TwoWorlds(share, self.policy)
        twice.fold(keeps_answers=self.tells_starts)
        found, concerned = twice.comparison.found(twice.unreadable)
        moving = await _with_user_data(concerned.moving, place)
        joined = await _with_user_data(concerned.joined, place)
        found = replace(found, with_user_data=moving + joined, user_data_moves=moving)
        return ShareRehearsed(found, twice.starts() if self.tells_starts else ())


class TwoWorlds:
    """A share that is folded into two worlds: as it counts, and as it would under a policy."""

    def __init__(self, share: Share, policy: StoredPolicy) -> None:
        self._share = share
        self._version = policy.version
        rules = {**share.rules, policy.version: PlainRules(decode_policy(policy))}
        self._conditions = conditions_of((seq, replace(one, policy_version=None)) for seq, one in share.corrections())
        self._before = SwiftWorld(self._conditions, rules, self._fresh)
        self._after = SwiftWorld(self._conditions, rules, self._fresh)
        login_types = frozenset(kind for one in rules.values() for kind in one.policy.login_types)
        self.comparison: Final = Comparison(self._before.world, self._after.world, login_types)
        self.unreadable = 0
        self._answers: list[tuple[int | None, int | None]] = []
        self._reason = resolution_reason(policy.version)
        self._decision_id = b""

    def fold(self, *, keeps_answers: bool) -> None:
        """Fold all lines."""
        versions = _Versions(self._share)
        undone, new = self._conditions.undone, self._version
        for place, raw in enumerate(self._share.raw()):
            self._decision_id = raw[6]
            answers: tuple[int | None, int | None] = (None, None)
            try:
                line = _line(raw)
                answers = self._before.take(line, versions.of(place, raw)), self._after.take(line, new)
                if raw[0] not in undone and not isinstance(line.logged.observation, Correction | Erasure):
                    self.comparison.note(*answers)
            except (Damaged, FoldStopped):
                self.unreadable += 1
            if keeps_answers:
                self._answers.append(answers)

    def _fresh(self, _seq: int) -> int:
        """Return what the line that is being folded calls a new profile."""
        return fresh_mpid_of(self._decision_id.hex(), self._reason)

    def starts(self) -> tuple[Start, ...]:
        """Return the components that are not the same in both worlds."""
        apart = set(differing(self._before.world.records, self._after.world.records))
        if not apart:
            return ()
        roots = self._share.roots()
        concerned = {root for root, pair in zip(roots, self._answers, strict=True) if not apart.isdisjoint(pair)}
        profiles: dict[int, dict[int, None]] = {root: {} for root in concerned}
        identities: dict[int, dict[Identity, None]] = {root: {} for root in concerned}
        lines: Counter[int] = Counter()
        for root, pair, raw in zip(roots, self._answers, self._share.raw(), strict=True):
            if root not in concerned:
                continue
            lines[root] += 1
            there = [*(touched_of(raw[4]) or answered_alone(raw)), *(() if pair[0] is None else (pair[0],))]
            profiles[root].update(dict.fromkeys(there))
            if not there:
                with suppress(Damaged):
                    identities[root].update(dict.fromkeys(named_in(observation_from(raw[5]))))
        return tuple(Start(tuple(profiles[root]), tuple(identities[root]), lines[root]) for root in sorted(concerned))


class _Versions:
    """Under which policy version the lines of a share count, as corrections of their components say.

    A line that nobody answered may share nothing with the correction by which it makes a profile; that one names the line.
    """

    def __init__(self, share: Share) -> None:
        self._of_lines: dict[int, RulesSince] = {}
        for seq, one in share.corrections():
            if one.policy_version is not None:
                self._of_lines.update((line, RulesSince(seq, one.policy_version)) for line, _ in one.names)
        said: list[tuple[int, RulesSince]] = []
        for place, raw in enumerate(share.raw()):
            if is_correction(raw[5]):
                with suppress(Damaged):
                    observation = observation_from(raw[5])
                    if isinstance(observation, Correction) and observation.policy_version is not None:
                        said.append((place, RulesSince(raw[0], observation.policy_version)))
        self._roots = share.roots() if said else None
        self._of_components: dict[int, RulesSince] = {}
        if self._roots is not None:
            self._of_components = {self._roots[place]: since for place, since in said}

    def of(self, place: int, line: Line) -> int:
        """Return the version of a line, which has a place in the share."""
        seq, logged = line[0], line[2]
        since = None if self._roots is None else self._of_components.get(self._roots[place])
        since = since or self._of_lines.get(seq)
        return logged if since is None or seq >= since.seq else since.version


def _line(raw: Line) -> WorldLine:
    """Read a line.

    Raises:
        Damaged: it can't be read.
    """
    seq, _, version, created, touched, written, _, _ = raw
    observation = observation_from(written)
    changed = touched_of(touched)
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
