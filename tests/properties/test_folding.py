"""Plays random histories, keeps their logs as a server does, and folds them: the log is the truth (design §2).

Visits that change nothing are not in the log, but can decide who answers later. What a decision knew of them
stands in its line, and must be enough: also where a device is on more profiles than a lookup considers, where the
policy changed meanwhile, and where a restart made the server forget visits that an earlier line knows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest

from knownas.core.history import fold as folding
from knownas.core.history import plain
from knownas.core.history.fold import Logged, fold_line
from knownas.core.identity.observation import IdentityRequest, Recency
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from tests.properties.histories import Happening, History, Server, divergence, histories, served
from tests.properties.trials import cut_down, first_failing, seed_of_this_run

STEPS = 50
EXAMPLES = 400
KINDS = {
    "plain": histories(STEPS),
    "policy-changes": histories(STEPS, policies=2),
    "restarts": histories(STEPS, restarts=True),
    "captures-all": histories(STEPS, captures_all=True),
}


def fault_of(history: History) -> str | None:
    """Say where the fold of a history's log parts from what the server held, None if nowhere."""
    return divergence(served(history))


def smallest(history: History, fault: Callable[[History], str | None]) -> History:
    """Cut a failing history down; the steps before and after the change of policy each by themselves."""
    before, since = history.program[: history.switch_at], history.program[history.switch_at :]

    def joined(one: list[Happening], other: list[Happening]) -> History:
        return replace(history, program=[*one, *other], switch_at=len(one))

    before = cut_down(before, lambda steps: fault(joined(steps, since)) is not None)
    since = cut_down(since, lambda steps: fault(joined(before, steps)) is not None)
    return joined(before, since)


@pytest.mark.parametrize("kind", KINDS)
def test_folding_the_log_gives_the_records(kind: str) -> None:
    """Whatever happened, the fold of what was logged decides every line as it was decided, and holds the same."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], fault_of, examples=EXAMPLES, seeded=seeded)
    if failing is not None:
        history = smallest(failing, fault_of)
        steps = "\n".join(map(str, history.program))
        pytest.fail(f"{fault_of(history)}\n{history.policies}\n{steps}\nKNOWNAS_TEST_SEED={seeded}", pytrace=False)


def test_a_log_without_the_activity_of_candidates_does_not_fold() -> None:
    """Control: a server that leaves `recency` out of its log is caught within a few hundred histories."""

    def fault_without_recency(history: History) -> str | None:
        server = served(history)
        return divergence(_forgetful(server))

    assert first_failing(KINDS["plain"], fault_without_recency, examples=EXAMPLES, seeded=1) is not None


def _forgetful(server: Server) -> Server:
    log = [
        line._replace(observation=line.observation._replace(recency=()))
        if isinstance(line.observation, IdentityRequest)
        else line
        for line in server.log
    ]
    return replace(server, log=log)


def test_a_fold_that_remembers_what_a_restart_forgot_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a fold that adds up what its lines know of visits parts from a server that forgot some."""

    def remember(records: Records, recency: Recency) -> None:
        for mpid, at_ms in recency:
            records.saw(mpid, at_ms)

    monkeypatch.setattr(Records, "recall", remember)
    assert first_failing(KINDS["restarts"], fault_of, examples=EXAMPLES, seeded=1) is not None


def test_a_fold_that_plays_captured_lines_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a fold that decides what was captured without a change parts from the server."""

    def fold_all(log: Iterable[Logged], policies: Mapping[int, Policy]) -> Records:
        records = Records()
        for line in log:
            fold_line(line, policies[line.policy_version], records)
        return records

    monkeypatch.setattr(folding, "fold", fold_all)
    assert first_failing(KINDS["captures-all"], fault_of, examples=EXAMPLES, seeded=1) is not None


def test_a_short_cut_that_passes_a_guard_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that lets a known profile learn from whoever has its device parts from the rules."""

    def nobody(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(plain, "guard_against", nobody)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None


def test_a_short_cut_that_lets_a_hindered_value_in_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that knows of nothing that keeps a value out parts from the rules."""
    real = plain.PlainRules.__init__

    def unhindered(rules: plain.PlainRules, policy: Policy) -> None:
        real(rules, policy)
        object.__setattr__(rules, "hindered", frozenset())

    monkeypatch.setattr(plain.PlainRules, "__init__", unhindered)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None


def test_random_histories_have_plain_lines() -> None:
    """The short cut is taken in them, or nothing would hold it against the rules."""
    taken: list[str] = []

    def note(history: History) -> None:
        server, records = served(history), Records()
        rules = {version: plain.PlainRules(policy) for version, policy in server.policies.items()}
        for line in server.log:
            asked, made = line.observation, line.created_mpid
            mine = rules[line.policy_version]
            record = (
                mine.take(asked, records, made, may_find=made is None) if isinstance(asked, IdentityRequest) else None
            )
            if record is None:
                fold_line(line, server.policies[line.policy_version], records)
            else:
                taken.append(f"{asked.endpoint} {'finds' if made is None else 'makes'}")

    first_failing(KINDS["plain"], note, examples=60, seeded=1)
    assert {*taken} >= {"identify makes", "identify finds", "login makes", "logout makes"}
