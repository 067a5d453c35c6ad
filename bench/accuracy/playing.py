"""Plays a world against the pure core under one policy, as the SDKs would, and notes on which profile each event ends.

An install keeps the profile that it was answered last: it sends that as `previous_mpid`, names it in a modify, and
sends its events to it. Where a login is answered with another profile than the anonymous one before it, the app asks
for an alias of the time that the SDK knows of, from its own stamp; whether that is taken and carried out is decided
by the core's rules. Aliases change no identity record, so one playing serves with and without them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bench.accuracy.quarantining import Quarantine
from bench.accuracy.world import DAY_MS, Standing, Step
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, Decision, Modified, Returned
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, ModifyRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from knownas.core.identity.toxic_limits import ToxicMode
from knownas.core.profile.alias import (
    AliasAccepted,
    AliasClaim,
    AliasDone,
    AliasRequest,
    AliasTerms,
    is_of_device,
    judge,
    settle,
)

ALIAS_WINDOW_MS: Final = 90 * DAY_MS
_INPUT: Final = "app"
_POOL: Final = Environment.PRODUCTION


class Sent(NamedTuple):
    """Events that went to one profile at one time: how many, whose they are, and how things stood."""

    person: int
    mpid: int
    at_ms: int
    stamp: str | None
    standing: Standing
    events: int


class Alias(NamedTuple):
    """An alias that was carried out, the device whose events it copied, and whether that is a kiosk."""

    claim: AliasClaim
    stamp: str | None
    at_kiosk: bool


class Link(NamedTuple):
    """A profile that names another one as its source, made at a time."""

    source_mpid: int
    mpid: int
    made_ms: int


class Played(NamedTuple):
    """Where all events of a world went under one policy, in their order, and what ties profiles together."""

    sent: Sequence[Sent]
    aliases: Sequence[Alias]
    links: Sequence[Link]
    profiles: int


def play(steps: Sequence[Step], policy: Policy) -> Played:
    """Play a world. Takes some 50 to 100 µs a step. New profiles are numbered from 1.

    Under a policy that quarantines it is played twice: what was found toxic in the end has been set aside from the first.
    """
    quarantine: Quarantine | None = None
    if policy.settings.toxic.mode is ToxicMode.QUARANTINE:
        first = Quarantine(policy)
        _Player(policy, first).take_all(steps)
        quarantine = Quarantine(policy, first.aside)
    player = _Player(policy, quarantine)
    player.take_all(steps)
    return player.played()


class _Player:
    def __init__(self, policy: Policy, quarantine: Quarantine | None = None) -> None:
        self._policy = policy
        self._quarantine = quarantine
        self._terms = AliasTerms(policy.strategy, provisioned=True, window_ms=ALIAS_WINDOW_MS)
        self._records = Records()
        self._current: dict[int, int] = {}
        self._first_seen: dict[tuple[int, int], int] = {}
        self._claims: defaultdict[int, list[AliasClaim]] = defaultdict(list)
        self._sent: list[Sent] = []
        self._aliases: list[Alias] = []

    def take_all(self, steps: Iterable[Step]) -> None:
        """Take steps in their order."""
        for step in steps:
            self.take(step)

    def take(self, step: Step) -> None:
        """Decide one step, and send its events to the profile that the install knows of afterwards."""
        before = None if step.install is None else self._current.get(step.install)
        mpid = self._answered(step, before)
        if mpid is None:
            # A refused call leaves the SDK with the profile that it had.
            mpid = before
        if mpid is None and self._quarantine is not None:
            # Whoever is named by what is nobody's alone is on no profile; what they do is on its own.
            mpid = -len(self._sent) - 1
        if mpid is None:
            raise AssertionError(f"nothing to send events to: {step}")
        if step.install is not None:
            self._current[step.install] = mpid
            self._first_seen.setdefault((step.install, mpid), step.at_ms)
            if step.endpoint is Endpoint.LOGIN and before is not None and before != mpid:
                self._alias(step, step.install, before, mpid)
        if step.events:
            self._sent.append(Sent(step.person, mpid, step.at_ms, step.stamp, step.standing, step.events))

    def played(self) -> Played:
        """Return what came of it."""
        links = [
            Link(record.source_mpid, record.mpid, record.created_ms)
            for record in self._records
            if record.source_mpid is not None
        ]
        return Played(self._sent, self._aliases, links, len(self._records))

    def _answered(self, step: Step, before: int | None) -> int | None:
        """Return the profile that a step is answered with, None if it is refused."""
        if step.endpoint is Endpoint.MODIFY:
            if before is None:
                raise AssertionError(f"nobody to modify: {step}")
            decision = self._decided(ModifyRequest(step.at_ms, _POOL, _INPUT, before, step.changes))
        else:
            request = IdentityRequest(step.endpoint, step.at_ms, _POOL, _INPUT, step.identities, before)
            decision = self._decided(request)
        outcome = decision.outcome
        if isinstance(outcome, Returned):
            self._records.saw(outcome.mpid, step.at_ms)
        return outcome.mpid if isinstance(outcome, Returned | Created | Modified) else None

    def _decided(self, observation: IdentityRequest | ModifyRequest) -> Decision:
        quarantine = self._quarantine
        if quarantine is not None:
            observation = quarantine.without(observation)
        decision = decide(observation, self._policy, self._records, len(self._records) + 1)
        self._records.apply(decision.writes)
        if quarantine is not None:
            quarantine.saw(observation, decision, decision.record)
        return decision

    def _alias(self, step: Step, install: int, before: int, mpid: int) -> None:
        """Ask for the past of the anonymous profile that the login left."""
        source = self._records.record(before)
        if source is None or source.known:
            return
        start_ms = max(self._first_seen[install, before], step.at_ms - ALIAS_WINDOW_MS)
        # The running number, so that of two requests in one millisecond the first one counts as the earlier.
        request_id = f"{len(self._aliases):09d}"
        request = AliasRequest(request_id, _POOL, before, mpid, start_ms, step.at_ms, step.stamp)
        accepted = judge(request, self._terms, {before, mpid}, step.at_ms)
        if not isinstance(accepted, AliasAccepted):
            return
        claim = AliasClaim(request_id, step.at_ms, before, mpid, accepted.window)
        if isinstance(settle(claim, [*self._claims[before], *self._claims[mpid]], ()), AliasDone):
            self._aliases.append(Alias(claim, step.stamp, step.at_kiosk))
            self._claims[before].append(claim)
            self._claims[mpid].append(claim)


def as_sent(played: Played) -> list[int]:
    """Return the profile of each entry of `sent`: the one that it was sent to."""
    return [one.mpid for one in played.sent]


def as_aliased(played: Played, *, at_kiosks: bool = True) -> list[int]:
    """Return the profile of each entry: the one that an alias copied it to, if one did.

    `at_kiosks` false is an app that asks for no alias on a device that belongs to nobody. The copy counts and the original does not: the source is left out of audiences afterwards. No event is copied
    twice, since windows of one source never overlap and a destination never becomes a source.
    """
    by_source: defaultdict[int, list[Alias]] = defaultdict(list)
    for alias in played.aliases:
        if at_kiosks or not alias.at_kiosk:
            by_source[alias.claim.source_mpid].append(alias)

    def profile(one: Sent) -> int:
        for claim, stamp, _ in by_source.get(one.mpid, ()):
            if claim.window.covers(one.at_ms) and is_of_device(stamp, one.stamp):
                return claim.destination_mpid
        return one.mpid

    return [profile(one) for one in played.sent]


def as_linked(played: Played) -> list[int]:
    """Return the profile of each entry, for a reader who follows the links from a known profile to its source.

    What a source had before a profile was made from it counts as that profile's, the first one's if there are several.
    """
    by_source: defaultdict[int, list[Link]] = defaultdict(list)
    for link in sorted(played.links, key=lambda one: (one.made_ms, one.mpid)):
        by_source[link.source_mpid].append(link)

    def profile(one: Sent) -> int:
        made = (link.mpid for link in by_source.get(one.mpid, ()) if link.made_ms >= one.at_ms)
        return next(made, one.mpid)

    return [profile(one) for one in played.sent]
