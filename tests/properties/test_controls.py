"""Breaks one rule of the core at a time and sees the comparison with the naive model notice (positive controls).

A comparison that never fails proves nothing. Each fault here is one that a person could make; each must be caught
within a few hundred programs, of which a run of `test_against_reference` tries two thousand.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from knownas.core.identity import decide, lookup, resolve, settle
from knownas.core.identity.decision import Guard, RecordWrite
from knownas.core.identity.policy import Policy, Settings, TieBreak
from knownas.core.identity.records import Records
from tests.properties.programs import TYPES, cases
from tests.properties.test_against_reference import fault_of
from tests.properties.trials import first_failing

EXAMPLES = 400
SEED = 20_240_102

Patch = Callable[[pytest.MonkeyPatch], None]


def without(policy: Policy, **members: Any) -> Policy:
    """Return a policy with some members replaced."""
    return replace(policy, **members)


def under(module: Any, name: str, change: Callable[[Any], Any], position: int = 1) -> Patch:
    """Let one function of the core work with a changed argument, a policy unless `position` says otherwise."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        right = getattr(module, name)

        def wrong(*args: Any, **named: Any) -> Any:
            changed = [*args]
            changed[position] = change(args[position])
            return right(*changed, **named)

        monkeypatch.setattr(module, name, wrong)

    return patch


def setting(**members: Any) -> Callable[[Policy], Policy]:
    """Return a change of settings."""
    return lambda policy: without(policy, settings=replace(policy.settings, **members))


def ignore_guard(ignored: Guard) -> Patch:
    """Let profiles through that one guard holds back."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        right = lookup.guard_against

        def wrong(*args: Any, **named: Any) -> Guard | None:
            guard = right(*args, **named)
            return None if guard is ignored else guard

        monkeypatch.setattr(lookup, "guard_against", wrong)

    return patch


def oldest_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the tie-break by activity around."""

    class Backwards:
        def __init__(self, records: Records) -> None:
            self.records = records

        def activity(self, records: Any) -> dict[int, int]:
            return {mpid: -at_ms for mpid, at_ms in self.records.activity(records).items()}

        def __getattr__(self, name: str) -> Any:
            return getattr(self.records, name)

    right = resolve.look_up
    monkeypatch.setattr(
        resolve,
        "look_up",
        lambda wanted, policy, records, *rest, **named: right(wanted, policy, Backwards(records), *rest, **named),
    )


def previous_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up without the previous MPID."""
    right = resolve.look_up
    monkeypatch.setattr(
        resolve,
        "look_up",
        lambda wanted, policy, records, _previous, **named: right(wanted, policy, records, None, **named),
    )


def decisions_waver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hidden counter take part in decisions."""
    right, calls = decide.decide, count()

    def wrong(observation: Any, policy: Policy, *rest: Any, **named: Any) -> Any:
        return right(observation, without(policy, version=1 + next(calls) % 2), *rest, **named)

    monkeypatch.setattr(decide, "decide", wrong)


def deciding_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let decisions take hold by themselves."""
    right = decide.decide

    def wrong(observation: Any, policy: Policy, records: Records, *rest: Any, **named: Any) -> Any:
        decision = right(observation, policy, records, *rest, **named)
        records.apply(decision.writes)
        return decision

    monkeypatch.setattr(decide, "decide", wrong)


def activity_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget visits that change nothing."""
    monkeypatch.setattr(Records, "saw", lambda *_args: None)


def lost_values_stay_in_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a donor among the holders of the value that it lost."""
    right = Records.apply
    monkeypatch.setattr(
        Records, "apply", lambda self, writes: right(self, [RecordWrite(None, write.after) for write in writes])
    )


def shortcut_is_taken_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settle a request by a profile that lacks one of its identities."""
    monkeypatch.setattr(settle, "has_all", lambda *_args: True)


FAULTS: dict[str, Patch] = {
    "the short cut is taken too often": shortcut_is_taken_too_often,
    "the short cut ignores the guards": lambda monkeypatch: monkeypatch.setattr(
        settle, "guard_against", lambda *_args, **_named: None
    ),
    "the short cut refuses nothing": lambda monkeypatch: monkeypatch.setattr(settle, "refusal", lambda *_args: None),
    "the login guard is ignored": ignore_guard(Guard.LOGIN),
    "the immutable guard is ignored": ignore_guard(Guard.IMMUTABLE),
    "search is content with the plain guards": ignore_guard(Guard.SEARCH_IMMUTABLE),
    "the tie-break by activity is turned around": oldest_wins,
    "the smallest MPID decides alone": under(resolve, "look_up", setting(tie_break=(TieBreak.SMALLEST_MPID,))),
    "the previous MPID is forgotten": previous_is_forgotten,
    "the priority is turned around": under(
        resolve, "look_up", lambda policy: without(policy, priority=policy.priority[::-1])
    ),
    "known does not beat anonymous": lambda monkeypatch: monkeypatch.setattr(
        lookup, "_known_owner", lambda *_args, **_named: None
    ),
    "a unique value is shared": under(
        resolve, "learn", lambda policy: without(policy, unique_ids=frozenset(), immutable_ids=frozenset()), 2
    ),
    "an immutable type takes a second value": under(
        resolve, "learn", lambda policy: without(policy, immutable_ids=frozenset()), 2
    ),
    "max_values is ignored at learning": under(resolve, "learn", setting(max_values={}), 2),
    "max_values is ignored by modify": under(decide, "modify", setting(max_values={})),
    "modify shares a unique value": under(
        decide, "modify", lambda policy: without(policy, unique_ids=frozenset(), immutable_ids=frozenset())
    ),
    "modify changes an immutable value": under(
        decide, "modify", lambda policy: without(policy, immutable_ids=frozenset())
    ),
    "modify moves what the input may not move": under(
        decide, "modify", lambda request: replace(request, may_move_unique=True), 0
    ),
    "seeding takes a unique value": under(
        decide, "seed", lambda policy: without(policy, unique_ids=frozenset(), immutable_ids=frozenset())
    ),
    "types outside the priority are looked up": under(
        resolve, "look_up", lambda policy: without(policy, priority=tuple(dict.fromkeys([*policy.priority, *TYPES])))
    ),
    "a setting is not honoured": under(
        decide, "resolve", lambda policy: without(policy, settings=Settings(implicit_das=policy.settings.implicit_das))
    ),
    "a decision depends on something hidden": decisions_waver,
    "deciding alone changes records": deciding_writes,
    "visits leave no trace": activity_is_not_kept,
    "a donor stays in the index": lost_values_stay_in_the_index,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the model notices each of these faults within a few hundred programs."""
    FAULTS[fault](monkeypatch)
    assert first_failing(cases(), fault_of, examples=EXAMPLES, seeded=SEED) is not None
