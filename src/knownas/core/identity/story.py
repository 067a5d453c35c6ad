"""Tells a decision in plain words: who was answered and why, lookup by lookup, and what changed.

The story is made of what the log keeps, the documents of an observation and of its decision, so that an old
receipt can be told without the records of its day. Given the policy it was decided under, a story says more: the
strategy's name, which types stand outside the priority, and how many values a type may have. The sentences hold
identity values whole and as they came; whoever shows them escapes and shortens them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, assert_never

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Corrected,
    Created,
    DecidedBy,
    Decision,
    Erased,
    Guard,
    LookupEffect,
    LookupStep,
    Modified,
    NotFound,
    Refused,
    Returned,
    Seeded,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    IdentityRequest,
    ModifyRequest,
    Observation,
)
from knownas.core.identity.phrases import (
    NOT_MADE,
    REFUSALS,
    all_named,
    anonymity,
    listed,
    named,
    plural,
    profile_named,
    profiles_named,
    sentence,
)
from knownas.core.identity.policy import Policy
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, RECORD_IDENTITIES_MAX

CHANGES_TOLD_MAX: Final = 8
"""Changes that one sentence tells; further ones get a sentence of their own."""


@dataclass(frozen=True, slots=True)
class Story:
    """A decision in words: one sentence that answers who and why, and the way there, one sentence a step."""

    headline: str
    sentences: tuple[str, ...]


def story(observation: Observation, decision: Decision, policy: Policy | None = None) -> Story:
    """Tell a decision, fresh or from the log.

    `policy` is the version that the receipt names; without it the story leaves out what only a policy knows.
    """
    told = _Telling(observation, decision, policy)
    return Story(told.headline(), tuple(told.sentences()))


def _types(types: Sequence[IdentityType]) -> str:
    """Name the types in brackets, to stand behind the word for what they are; nothing if they are not known."""
    return f" ({', '.join(kind.value for kind in types)})" if types else ""


def _change(kind: ChangeKind, some: Sequence[Identity], mpid: int, from_mpid: int | None, why_removed: str) -> str:
    """Tell one kind of change that identities of one profile went through."""
    words, was = all_named(some), plural(some, "was", "were")
    match kind:
        case ChangeKind.ADDED:
            return f"{words} {was} added to {profile_named(mpid)}"
        case ChangeKind.REMOVED:
            return f"{words} {was} removed from profile {mpid}{why_removed}"
        case ChangeKind.MOVED:
            unique = plural(some, "its type is unique", "their types are unique")
            return f"{words} moved from profile {from_mpid} to profile {mpid}, since {unique}"
        case ChangeKind.CARRIED:
            return f"{words} {was} noted on {profile_named(mpid)} without leading to it, being outside the priority"
        case ChangeKind.DROPPED:
            return f"{words} {was} struck from what profile {mpid} carries{why_removed}"
        case _:
            assert_never(kind)


def _tie_rule(decided_by: Literal[DecidedBy.PREVIOUS_MPID, DecidedBy.MOST_RECENT, DecidedBy.SMALLEST_MPID]) -> str:
    """Name the one of several profiles that a tie goes to."""
    match decided_by:
        case DecidedBy.PREVIOUS_MPID:
            return "the one that the client had before"
        case DecidedBy.MOST_RECENT:
            return "the one active most recently"
        case DecidedBy.SMALLEST_MPID:
            return "the one with the smallest MPID"


@dataclass(frozen=True, slots=True)
class _Telling:
    """One decision with its observation, and the policy if it is given."""

    observation: Observation
    decision: Decision
    policy: Policy | None

    def headline(self) -> str:
        call, outcome = self.observation.endpoint.value, self.decision.outcome
        match outcome:
            case Returned(mpid, known, became_known):
                state = "now known" if became_known else anonymity(known=known)
                told = f"{call} answered with profile {mpid} ({state}): {self._why()}."
            case Created(mpid, known, _):
                new = "a new profile" if mpid == NOT_MADE else f"the new profile {mpid}"
                told = f"{call} answered with {new} ({anonymity(known=known)}): {self._why()}."
            case NotFound():
                makes_none = "" if self.observation.endpoint is Endpoint.SEARCH else ", and this request may make none"
                told = f"{call} found nobody: {self._why()}{makes_none}."
            case Refused(reason, _):
                told = f"{call} was refused: {REFUSALS[reason]}."
            case Modified(mpid, known, _):
                told = f"{call} {self._modified(mpid, known=known)}."
            case Seeded(mpid, known):
                told = f"{call} brought profile {mpid} ({anonymity(known=known)}) over from another system."
            case Corrected(mpids):
                told = f"The history was corrected: {self._corrected()}; {profiles_named(mpids) if mpids else 'no profile'} changed."
            case Erased(mpid):
                told = f"Profile {mpid} was erased: nothing leads to it any more, and what it held is not told."
            case _:
                assert_never(outcome)
        return told

    def sentences(self) -> Iterator[str]:
        candidates: tuple[int, ...] = ()
        for step in self.decision.receipt.steps:
            yield from self._lookup(step, candidates)
            candidates = step.left
        yield from self._not_looked_up()
        yield from self._decided(candidates)
        yield from self._came_out()
        yield from self._changed()
        for skipped in self.decision.skipped:
            yield self._left_out(skipped)
        if not self.decision.changes and not isinstance(self.decision.outcome, Created | Seeded | Erased):
            yield "Nothing changed."

    def _corrected(self) -> str:
        """Tell what counts no longer, or again, or otherwise."""
        observation = self.observation
        if not isinstance(observation, Correction):
            return "nothing"
        told = [
            f"{'all of' if one.identity is None else all_named([one.identity]) + ' in'} decision {one.decision_id} "
            f"{'counts again' if one.counts_again else 'counts no longer'}"
            for one in observation.take_back
        ]
        told += [
            f"{all_named([one.identity])} {'counts again' if one.counts else 'counts no longer'}, whoever named it"
            for one in observation.quarantine
        ]
        if observation.policy_version is not None:
            told.append(f"what came before counts as decided under policy version {observation.policy_version}")
        told += [
            f"the alias request {one.request_id} {'is carried out again' if one.counts_again else 'is taken back'}"
            for one in observation.aliases
        ]
        return listed(told)

    def _why(self) -> str:
        """Give the rule that settled the answer; follows the answer and a colon."""
        decided_by = self.decision.receipt.decided_by
        match decided_by:
            case DecidedBy.LAST_CANDIDATE:
                why = self._leads_to_it()
            case DecidedBy.PREVIOUS_MPID | DecidedBy.MOST_RECENT | DecidedBy.SMALLEST_MPID:
                why = f"of {len(self.decision.receipt.steps[-1].left)} profiles left it is {_tie_rule(decided_by)}"
            case DecidedBy.KNOWN_BEATS_ANONYMOUS:
                why = f"{self._deciding()} belongs to it, and a known profile goes before an anonymous one"
            case DecidedBy.NO_CANDIDATE:
                why = self._nobody()
            case DecidedBy.NEW_KNOWN_USER:
                why = "its login ID meets an anonymous profile, and a new known user gets another one"
            case DecidedBy.LOGOUT:
                why = "every logout starts a new anonymous profile"
            case DecidedBy.NAMED:
                why = "the request names it by its MPID"
            case DecidedBy.REFUSED:
                why = "the request was refused"
            case DecidedBy.CORRECTED:
                why = "the history was corrected"
            case _:
                assert_never(decided_by)
        return why

    def _leads_to_it(self) -> str:
        steps = self.decision.receipt.steps
        led = [step for step in steps if step.effect in (LookupEffect.FIRST, LookupEffect.NARROWED)]
        # The one profile left is not the only holder where others were rejected or not looked at.
        closed = any(step.rejected or step.more for step in led)
        alone = ", and to no other that may answer" if closed else " alone"
        return f"{all_named(step.identity for step in led)} {plural(led, 'leads', 'together lead')} to it{alone}"

    def _deciding(self) -> str:
        """Name the identity that settled the answer."""
        decided_at = self.decision.receipt.decided_at
        return all_named(one for one in self._asked() if one.type is decided_at)

    def _nobody(self) -> str:
        steps = self.decision.receipt.steps
        if not steps:
            return "none of its identities is of a type that is looked up"
        if any(step.rejected for step in steps):
            return "no profile that holds one of its identities may answer"
        return "no profile holds any of its identities"

    def _asked(self) -> tuple[Identity, ...]:
        observation = self.observation
        return observation.identities if isinstance(observation, IdentityRequest) else ()

    def _modified(self, mpid: int, *, known: bool) -> str:
        changes = self.decision.changes
        profile = f"profile {mpid} ({anonymity(known=known)})"
        if not changes:
            return f"left {profile} as it was"
        types = dict.fromkeys(change.identity.type.value for change in changes)
        donors = tuple(dict.fromkeys(change.from_mpid for change in changes if change.from_mpid is not None))
        taken = dict.fromkeys(change.identity for change in changes if change.kind is ChangeKind.MOVED)
        taking = f", taking {all_named(taken)} from {profiles_named(donors)}" if donors else ""
        return f"changed {listed(types)} of {profile}{taking}"

    def _lookup(self, step: LookupStep, candidates: tuple[int, ...]) -> Iterator[str]:
        """Tell one lookup: who holds the value, who of them may answer, and whom that leaves."""
        yield sentence(self._held(step, candidates))
        for guard in Guard:
            mpids = [one.mpid for one in step.rejected if one.guard is guard]
            if mpids:
                yield self._rejected(guard, mpids, step.identity)
        if step.more:
            considered = f"of the anonymous ones it took the {HOLDERS_CONSIDERED_MAX} active most recently, and those the request leads to anyway"
            yield f"More profiles hold {named(step.identity)} than one lookup considers: {considered}."

    @staticmethod
    def _held(step: LookupStep, candidates: tuple[int, ...]) -> str:
        one, hits, left = named(step.identity), step.returnable, step.left
        match step.effect:
            case LookupEffect.NONE:
                nobody = f"no profile that holds {one} may answer" if step.rejected else f"no profile holds {one}"
                return f"{nobody}, so the candidates stay" if candidates else nobody
            case LookupEffect.FIRST:
                return f"{one} leads to {profiles_named(hits)}{plural(hits, '', ', the first candidates')}"
            case LookupEffect.NARROWED:
                others = [mpid for mpid in hits if mpid not in candidates]
                also = f"; it also leads to {profiles_named(others)}, as no lookup before did" if others else ""
                if left == candidates:
                    return f"all candidates hold {one} too, so it separates none of them{also}"
                return f"of the candidates only {profiles_named(left)} {plural(left, 'holds', 'hold')} {one} too{also}"
            case LookupEffect.KEPT:
                return f"{one} leads to {profiles_named(hits)}, none of them a candidate, so it is ignored"
            case _:
                assert_never(step.effect)

    def _rejected(self, guard: Guard, mpids: Sequence[int], one: Identity) -> str:
        """Tell which holders of an identity a guard kept from answering, and what the guard wants."""
        holders = f"{profiles_named(mpids)} {plural(mpids, 'holds', 'hold')} {named(one)} but"
        login = _types(self.policy.login_ranking if self.policy else ())
        immutable = _types(self.policy.immutable_ranking if self.policy else ())
        match guard:
            case Guard.LOGIN:
                belongs = plural(mpids, "belongs to a known user", "belong to known users")
                alone = "a device" if one.type in DEVICE_TYPES else one.type.value
                why = f"{belongs} whose login ID{login} is not named; {alone} alone never opens a known profile"
            case Guard.IMMUTABLE:
                has = plural(mpids, "has an immutable ID", "have immutable IDs")
                why = f"{has}{immutable} that the request does not name, and nothing else opens such a profile"
            case Guard.SEARCH_IMMUTABLE:
                why = f"no immutable ID{immutable} led there, and a search finds by nothing else"
            case _:
                assert_never(guard)
        return sentence(f"{holders} {why}")

    def _not_looked_up(self) -> Iterator[str]:
        """Tell which identities took no part in the lookup, and why."""
        receipt, decision = self.decision.receipt, self.decision
        if receipt.decided_by in (DecidedBy.LOGOUT, DecidedBy.REFUSED):
            return
        ignored = {one.identity for one in decision.skipped if one.why is Skip.LOGOUT_LOGIN_ID}
        seen = {step.identity for step in receipt.steps} | ignored
        others = [one for one in self._asked() if one not in seen]
        settled = bool(receipt.steps) and len(receipt.steps[-1].left) == 1
        carried = {one.identity for one in decision.changes if one.kind is ChangeKind.CARRIED}
        if not settled:
            outside = others
        elif self.policy is not None:
            outside = [one for one in others if one.type not in self.policy.ranked]
        else:
            outside = [one for one in others if one in carried]
        unneeded = [one for one in others if one not in outside]
        if unneeded:
            was = plural(unneeded, "was", "were")
            yield sentence(f"{all_named(unneeded)} {was} not looked up: one profile was left already")
        if outside:
            stands, it = plural(outside, "stands", "stand"), plural(outside, "it", "them")
            yield sentence(f"{all_named(outside)} {stands} outside the priority, so no lookup uses {it}")

    def _decided(self, left: tuple[int, ...]) -> Iterator[str]:
        """Tell what settled the answer where the lookups alone did not."""
        strategy = f" under the strategy {self.policy.strategy.value}" if self.policy else ""
        decided_by = self.decision.receipt.decided_by
        match decided_by:
            case DecidedBy.LAST_CANDIDATE | DecidedBy.NAMED | DecidedBy.REFUSED:
                return
            case DecidedBy.NO_CANDIDATE:
                yield "That leaves no profile that may answer."
            case DecidedBy.PREVIOUS_MPID | DecidedBy.MOST_RECENT | DecidedBy.SMALLEST_MPID:
                were_left = f"{profiles_named(left)} were left after the last lookup"
                yield sentence(f"{were_left}; the tie goes to {_tie_rule(decided_by)}")
            case DecidedBy.KNOWN_BEATS_ANONYMOUS:
                known = f"{self._deciding()} belongs to a known one that may answer"
                yield f"The lookups led to an anonymous profile, but {known}, and known goes before anonymous."
            case DecidedBy.NEW_KNOWN_USER:
                new = f"a new known user gets a profile of their own{strategy}"
                yield f"The profile found is anonymous while the request names a login ID: {new}."
            case DecidedBy.LOGOUT:
                yield f"Nothing was looked up: every logout starts a new anonymous profile{strategy}."
            case DecidedBy.CORRECTED:
                yield "Everything that it could have influenced was decided again."
            case _:
                assert_never(decided_by)

    def _came_out(self) -> Iterator[str]:
        """Tell what the headline leaves out of the outcome."""
        outcome = self.decision.outcome
        match outcome:
            case Returned(mpid, _, became_known):
                if became_known:
                    yield f"Profile {mpid} was anonymous and is known now: it has got its first login ID."
            case Created(mpid, _, source_mpid):
                if source_mpid is not None:
                    yield sentence(f"{profile_named(mpid)} remembers the anonymous profile {source_mpid} as its source")
            case Refused(_, message):
                yield message
            case Modified():
                for old in self._stale():
                    yield f"The profile did not hold {named(old)}, so there was nothing to remove."
            case NotFound() | Seeded() | Corrected() | Erased():
                return
            case _:
                assert_never(outcome)

    def _stale(self) -> list[Identity]:
        """Return the values that a modify wanted to replace although its profile did not hold them."""
        kinds = (ChangeKind.REMOVED, ChangeKind.DROPPED)
        removed = {one.identity for one in self.decision.changes if one.kind in kinds}
        return [old for old in self._given_old() if old not in removed]

    def _given_old(self) -> tuple[Identity, ...]:
        """Return the values that a modify wants to be gone."""
        if not isinstance(self.observation, ModifyRequest):
            return ()
        replaced = (
            Identity(one.type, one.old_value)
            for one in self.observation.changes
            if one.old_value is not None and one.old_value != one.new_value
        )
        return tuple(dict.fromkeys(replaced))

    def _changed(self) -> Iterator[str]:
        given_old = self._given_old()

        def alike(change: Change) -> tuple[ChangeKind, int, int | None, bool]:
            return change.kind, change.mpid, change.from_mpid, change.identity in given_old

        for (kind, mpid, from_mpid, asked_for), group in groupby(self.decision.changes, key=alike):
            some = [change.identity for change in group]
            # A modify that removes what it did not name made room for a newer value of a limited type.
            why = (
                ""
                if asked_for or not isinstance(self.observation, ModifyRequest)
                else " to make room, being the oldest of a limited type"
            )
            for at in range(0, len(some), CHANGES_TOLD_MAX):
                yield sentence(_change(kind, some[at : at + CHANGES_TOLD_MAX], mpid, from_mpid, why))

    def _left_out(self, skipped: SkippedIdentity) -> str:
        one, kind = named(skipped.identity), skipped.identity.type
        match skipped.why:
            case Skip.IMMUTABLE_SET:
                why = f"the profile has another {kind.value}, which is immutable"
            case Skip.UNIQUE_HELD:
                why = f"{kind.value} is unique and this one belongs to profile {skipped.holder}; only a modify moves it"
            case Skip.MAX_VALUES:
                most = self.policy.settings.max_values.get(kind) if self.policy else None
                limit = f" ({most})" if most is not None else ""
                why = f"the profile has as many values of {kind.value} as the policy allows{limit}"
            case Skip.RECORD_FULL:
                why = f"the profile holds {RECORD_IDENTITIES_MAX} values, the most there can be"
            case Skip.LOGOUT_LOGIN_ID:
                why = "a logout says whom to switch to, and login IDs in it do not count"
            case Skip.QUARANTINED:
                why = "it is quarantined as a value that is nobody's own, so it was looked up by nobody either"
            case _:
                assert_never(skipped.why)
        return sentence(f"{one} was left out: {why}")
