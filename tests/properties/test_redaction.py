"""Erases a random person from the log of a random history: what is left folds to what the others are, and names nobody.

The truth is the history itself: the fold of the redacted log must be the records that there were, with the erased
person's identities replaced; each decision of it must be the one that was made, replaced likewise.
"""

from itertools import count
from typing import NamedTuple

import pytest

from knownas.core.history import fold as folding
from knownas.core.history.fold import Logged
from knownas.core.identity import erase as erasing
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.core.privacy import redaction
from knownas.core.privacy.redaction import Replacements, redacted, redacted_decision, redacted_record, replacements
from knownas.service.identity.log_form import decision_bytes, observation_bytes, value_bytes
from tests.properties.comparison import policy_of
from tests.properties.histories import History, Server, divergence, histories, read_back, served, state
from tests.properties.trials import first_failing, seed_of_this_run

STEPS = 24
EXAMPLES = 200
KINDS = {"plain": histories(STEPS), "policy-changes": histories(STEPS, policies=2)}


def own(server: Server, record: Record) -> list[Identity]:
    """Return what a profile holds that no other profile holds."""
    others = {one for other in server.records if other.mpid != record.mpid for one in held(other)}
    return [one for one in held(record) if one not in others]


class Erased(NamedTuple):
    """Who was erased, what was theirs alone, and how long the log was then."""

    mpid: int
    own: list[Identity]
    lines: int


def after_erasing(history: History, number: int) -> tuple[Server, Erased]:
    """Play a history in which one of its persons is erased in the middle, and return who that was."""
    policies = {number: policy_of(rules, number) for number, rules in enumerate(history.policies, start=1)}
    server = Server(policies, captures_all=history.captures_all)
    server.play(history.program[: history.switch_at])
    server.version = len(policies)
    people = list(server.records)
    if not people:
        return server, Erased(0, [], 0)
    record = people[number % len(people)]
    found = own(server, record)
    server.erase(record.mpid)
    erased = Erased(record.mpid, found, len(server.log))
    server.play(history.program[history.switch_at :])
    return server, erased


def fault_of_erasing(history: History) -> str | None:
    """Say where a log with an erasure folds otherwise, before or after it is redacted, or still leads to who was erased."""
    for number in range(3):
        server, erased = after_erasing(history, number)
        fault = divergence(server) or _found_again(server, erased)
        if fault is not None:
            return f"before redacting {erased}: {fault}"
        numbers = count()
        given = replacements(erased.own, lambda numbers=numbers: f"erased {next(numbers)}")
        fault = _fault(server, given, erased.lines)
        if fault is not None:
            return f"after redacting {erased}: {fault}"
    return None


def _found_again(server: Server, erased: Erased) -> str | None:
    """Say which identity still leads to an erased profile."""
    for one in erased.own:
        for endpoint in (Endpoint.SEARCH, Endpoint.IDENTIFY):
            request = IdentityRequest(endpoint, server.now_ms, Environment.PRODUCTION, "web", (one,), erased.mpid)
            decision = decide(request, server.policies[server.version], server.records, -1)
            if erased.mpid in (decision.answered, getattr(decision.outcome, "source_mpid", None)):
                return f"{one} leads to {erased.mpid}: {decision}"
    return None


def held(record: Record) -> list[Identity]:
    """Return all identities of a profile, carried ones as well."""
    return [
        Identity(kind, value)
        for values in (record.identities, record.carried)
        for kind, given in values.items()
        for value in given
    ]


def fault_of(history: History) -> str | None:
    """Say where the log without some persons folds otherwise, or still names them; None if nowhere."""
    server = served(history)
    for record in list(server.records)[:: max(1, len(server.records) // 3)]:
        numbers = count()
        given = replacements(own(server, record), lambda numbers=numbers: f"erased {next(numbers)}")
        fault = _fault(server, given)
        if fault is not None:
            return f"without {record}: {fault}"
    return None


def _fault(server: Server, given: Replacements, until: int | None = None) -> str | None:
    """Redact the lines up to one, and say where that folds otherwise; what comes after it is somebody else's."""
    log = [
        line._replace(observation=redacted(line.observation, _given(given, number, until)))
        for number, line in enumerate(read_back(server.log))
    ]
    records = Records()
    for number, (line, decision) in enumerate(zip(log, server.decisions, strict=True)):
        wanted = redacted_decision(decision, _given(given, number, until))
        named = _named(line, wanted, _given(given, number, until))
        if named is not None:
            return f"line {number} still names {named}"
        if line.changed:
            found = folding.fold_line(line, server.policies[line.policy_version], records)
            if decision_bytes(found) != decision_bytes(wanted):
                return f"line {number} folds as {found}, wanted {wanted}"
    wanted_records = Records()
    left = _given(given, len(log), until)
    wanted_records.load([redacted_record(one, left) for one in server.records])
    if state(records) != state(wanted_records):
        return f"folds to {state(records)}, wanted {state(wanted_records)}"
    return None


def _given(given: Replacements, number: int, until: int | None) -> Replacements:
    return given if until is None or number < until else {}


def _named(line: Logged, decision: Decision, given: Replacements) -> Identity | None:
    kept = observation_bytes(line.observation) + decision_bytes(decision)
    # Types share the values of these histories, so a value is looked for beside its type.
    return next(
        (one for one in given if b'["%s",%s]' % (one.type.value.encode(), value_bytes(one.value)) in kept), None
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_without_a_person_folds_to_what_the_others_are(kind: str) -> None:
    """Whoever is erased, every decision stays what it was, and no line says who it was about."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], fault_of, examples=EXAMPLES, seeded=seeded)
    assert failing is None, f"{fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


@pytest.mark.parametrize("kind", KINDS)
def test_an_erasure_in_the_middle_of_a_history_leaves_nothing(kind: str) -> None:
    """The log with it folds to the records, before and after it is redacted, and nothing leads to the erased profile."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], fault_of_erasing, examples=EXAMPLES // 2, seeded=seeded)
    assert failing is None, f"{fault_of_erasing(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


def test_an_erasure_that_leaves_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a profile that keeps one type is found again."""

    def some(record: Record) -> Record:
        return record._replace(identities=dict(list(record.identities.items())[:1]), carried={}, source_mpid=None)

    monkeypatch.setattr(erasing, "emptied", some)
    assert first_failing(KINDS["plain"], fault_of_erasing, examples=EXAMPLES, seeded=1) is not None


def test_a_person_who_is_left_in_a_receipt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a redaction that passes over receipts leaves names behind."""
    monkeypatch.setattr(redaction, "redacted_decision", lambda decision, _: decision)
    monkeypatch.setitem(globals(), "redacted_decision", redaction.redacted_decision)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None


def test_identities_that_become_one_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: if all of a person's identities of a type become the same one, the log folds to somebody else."""

    def same(erased: list[Identity], _: object) -> Replacements:
        return {one: Identity(one.type, "erased") for one in erased}

    monkeypatch.setitem(globals(), "replacements", same)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None
