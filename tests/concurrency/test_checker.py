"""The judge of histories: what can have come about is accepted, what can't is not, and a judge that tries everything agrees."""

from itertools import permutations
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.concurrency import linearizability
from tests.concurrency.check import main as check
from tests.concurrency.examples import ABOUT, BAD, GOOD, IS_ANN, LOGIN, MS, history
from tests.concurrency.history import (
    Answer,
    Call,
    Census,
    History,
    Modified,
    Named,
    Operation,
    Shown,
    Told,
    read_history,
    values_of,
    write_history,
)
from tests.concurrency.households import SCOPES, draw, household
from tests.concurrency.linearizability import judge, parted
from tests.concurrency.sequential import NOTHING, Sequential, ask_model
from tests.properties.reference import Model

SAMPLE = Path(__file__).with_name("sample.jsonl.gz")
APART_MS = 10
LONG_MS = 35
EXAMPLES = 20
SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("name", GOOD)
def test_what_can_have_come_about_is_accepted(name: str) -> None:
    """A history that some order explains holds."""
    verdict = judge(GOOD[name])
    assert verdict.holds, str(verdict)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_have_come_about_is_refused(name: str) -> None:
    """A history that no order explains does not hold."""
    assert not judge(BAD[name]).holds


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_what_came_about_is_accepted(seed: int) -> None:
    """Calls that the model answered one by one hold, however long each seems to have taken."""
    verdict = judge(came_about(Random(seed), 40))
    assert verdict.holds, str(verdict)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_what_was_never_answered_may_have_happened(seed: int) -> None:
    """They still hold when some answers did not come."""
    verdict = judge(came_about(Random(seed), 16, lost=0.2))
    assert verdict.holds, str(verdict)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_whoever_tries_all_orders_agrees(seed: int) -> None:
    """Of a small history in which an answer was changed, the judge says what trying each order says."""
    random = Random(seed)
    operations = list(came_about(random, 6).operations)
    place = random.randrange(len(operations))
    operations[place] = msgspec.structs.replace(operations[place], answer=another(operations, place, random))
    assert judge(History(ABOUT, operations)).holds is all(map(some_order_explains, parted(operations)))


def test_changed_answers_are_noticed() -> None:
    """Most histories in which one answer was changed no longer hold."""
    noticed = 0
    for seed in range(25):
        random = Random(seed)
        operations = list(came_about(random, 20).operations)
        place = random.randrange(len(operations))
        operations[place] = msgspec.structs.replace(operations[place], answer=another(operations, place, random))
        noticed += not judge(History(ABOUT, operations)).holds
    assert noticed > 18


def came_about(random: Random, calls: int, lost: float = 0.0) -> History:
    """Let the model answer calls of one household one by one, say of each that it took longer, and lose some answers."""
    home = household(random.randrange(20), 1, tuple(SCOPES))
    model = Model(SCOPES[home.pool.partition("/")[0]].of_model())
    made: dict[int, int] = {}
    operations: list[Operation] = []
    for number in range(calls):
        at_ms = LONG_MS + number * APART_MS
        started, ended = at_ms - random.randint(0, LONG_MS), at_ms + random.randint(0, LONG_MS)
        call = draw(home, random)
        asked = Operation(number, number, 0, call, started * MS, started, ended * MS, ended, decision_id=f"{number}")
        fresh = random.getrandbits(62) + 1
        answer = look(model, call, made) if call.kind == "profile" else ask_model(model, asked, at_ms, fresh)
        made.setdefault(fresh, at_ms)
        if random.random() < lost:
            operations.append(msgspec.structs.replace(asked, ended_ns=None, ended_ms=None))
            continue
        home.heard(answer)
        operations.append(msgspec.structs.replace(asked, answer=answer))
    return History(ABOUT, sorted(operations, key=lambda one: one.started_ns))


def look(model: Model, call: Call, made: dict[int, int]) -> Answer:
    """Show a profile of the model."""
    assert call.mpid is not None
    profile = model.profiles[call.mpid]
    held, carried = values_of(profile.held), values_of(profile.carried)
    return Shown(call.mpid, model.known(profile), profile.source, made[call.mpid], profile.active, held, carried)


def another(operations: list[Operation], place: int, random: Random) -> Answer:
    """Return another answer than the one at a place: one of a similar call, or another MPID, or none."""
    answer = operations[place].answer
    mpids = [one.answer.mpid for one in operations if isinstance(one.answer, Named)] or [1]
    match answer:
        case Named():
            others = [mpid for mpid in (*mpids, 77) if mpid != answer.mpid]
            return msgspec.structs.replace(answer, mpid=random.choice(others))
        case Modified(mpid, known, results):
            kept = frozenset(one for one in results if random.random() < 0.3)
            return Modified(mpid, known, kept) if kept != results else Modified(mpid, not known, results)
        case Shown():
            return msgspec.structs.replace(answer, held=answer.held[1:]) if answer.held else Told("unknown_profile")
        case _:
            return Named(random.choice(mpids), known=False, matched=())


def some_order_explains(operations: list[Operation]) -> bool:
    """Whether any order does, all being tried."""
    model = Sequential(SCOPES[operations[0].call.pool.partition("/")[0]].of_model(), operations)
    places = range(len(operations))
    for order in permutations(places):
        if any(
            operations[later].ended_ns < operations[one].started_ns
            for number, one in enumerate(order)
            for later in order[number + 1 :]
        ):
            continue
        states = {NOTHING}
        for place in order:
            states = {after for state in states for after in model.after(state, place)}
        if states:
            return True
    return False


def test_a_judge_that_gives_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component that is not judged within the limit counts as wrong."""
    monkeypatch.setattr(linearizability, "CONFIGURATIONS_MAX", 3)
    verdict = judge(came_about(Random(1), 40))
    assert not verdict.holds
    assert "not judged" in str(verdict)


def test_components_are_what_touches() -> None:
    """Operations belong together if they share an identity or a profile, directly or through others."""
    operations = came_about(Random(3), 30).operations
    apart = history((0, 1, LOGIN, IS_ANN), (2, 3, Call("census", "converts/production"), Census(())))
    assert len(parted([*operations, *apart.operations])) == len(parted(operations)) + 1


def test_the_sample_holds() -> None:
    """The kept sample is a history of two processes, and it holds."""
    sample = read_history(SAMPLE)
    assert sample.about.servers == 2
    assert judge(sample).holds


def test_a_kept_history_is_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history comes back from its file as it was, and the command tells a good one from a bad one."""
    for name, one in (("good", came_about(Random(2), 30)), ("bad", BAD["a lost update"])):
        file = tmp_path / f"{name}.jsonl.gz"
        write_history(file, one)
        assert read_history(file) == one
        monkeypatch.setattr("sys.argv", ["check", str(file)])
        assert check() == (name == "bad")
