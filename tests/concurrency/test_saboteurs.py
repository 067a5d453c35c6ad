"""Histories show what is wrong with stores that are broken on purpose, and the real store holds for longer than that takes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Final

import pytest

from tests.concurrency.saboteurs import SABOTEURS, TABLE, Saboteur, needed, run_against

TABLED: Final[Mapping[str, Sequence[int]]] = json.loads(TABLE.read_text())
QUICK_MAX: Final = 600
"""Operations that a test of every day may take; whatever needs more is looked at in the long runs."""

TRIES_MAX: Final = 4
QUICK: Final = [name for name in SABOTEURS if needed(TABLED[name]) <= QUICK_MAX]
SLOW: Final = [name for name in SABOTEURS if name not in QUICK]


def conditions(names: Sequence[str]) -> dict[str, tuple[Saboteur, int]]:
    """Return what the real store has to hold under, and for how many operations: for more than caught any saboteur there."""
    found: dict[str, tuple[Saboteur, int]] = {}
    for name in names:
        one = SABOTEURS[name]
        words = ("slow commits" if one.slow else "commits", "lost answers" if one.loses else "answers", *one.scopes)
        _, so_far = found.get(" ".join(words), (None, 0))
        real = Saboteur(slow=one.slow, scopes=one.scopes, losing=one.losing)
        found[" ".join(words)] = (real, max(so_far, needed(TABLED[name])))
    return found


def is_caught(name: str) -> bool:
    """Whether a saboteur is caught, within what it took when the table was made."""
    return any(run_against(SABOTEURS[name], seed, needed(TABLED[name])).caught_after for seed in range(TRIES_MAX))


def holds(real: Saboteur, operations: int) -> None:
    """See that the real store holds for so many operations."""
    run = run_against(real, 1, operations)
    assert run.caught_after is None, str(run.verdict)
    assert run.operations >= operations


def test_there_are_saboteurs_enough() -> None:
    """At least twelve are caught every day, and the table is about those that there are."""
    assert list(TABLED) == list(SABOTEURS)
    assert len(QUICK) >= 12


def test_the_page_says_what_was_measured() -> None:
    """The table of docs/explanation/consistency.md is the kept one."""
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "consistency.md").read_text(encoding="utf-8")
    for name, samples in TABLED.items():
        assert f"| {name} | {mean(samples):,.0f} | {needed(samples):,} |" in page
    assert f"Those that need more than {QUICK_MAX:,} are" in page


@pytest.mark.parametrize("name", QUICK)
def test_a_saboteur_is_caught(name: str) -> None:
    """Over a broken store, histories soon come about that no order explains."""
    assert is_caught(name)


@pytest.mark.parametrize("condition", conditions(QUICK))
def test_the_store_holds_for_longer(condition: str) -> None:
    """The real store holds for more operations than the mean plus three standard deviations of what caught a broken one."""
    holds(*conditions(QUICK)[condition])


@pytest.mark.soak
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_saboteur_is_caught(name: str) -> None:
    """The same over stores that are seldom wrong."""
    assert is_caught(name)


@pytest.mark.soak
@pytest.mark.parametrize("condition", conditions([*SABOTEURS]))
def test_the_store_holds_for_long(condition: str) -> None:
    """The real store holds for longer than any of them, by far."""
    real, operations = conditions([*SABOTEURS])[condition]
    holds(real, 4 * operations)
