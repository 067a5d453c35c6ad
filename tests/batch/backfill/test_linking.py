"""Whoever shares an identity is in one component, however long the chain, and few rounds find that."""

import logging
import random
from pathlib import Path

import pytest

from knownas.batch.backfill.duck import Duck
from knownas.batch.backfill.jobs import Read, Stage
from knownas.batch.backfill.linking import Linker
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Strategy, policy
from tests.batch.backfill.histories import START_MS, Observation, differences, draw_history, job_of, write_rows
from tests.batch.backfill.histories import local_engine as engine_of
from tests.store.places import PLACES

CHAIN = 3_000
ROUNDS_MAX = 30
RULES = policy(Strategy.BEST_MATCH)
DEVICE, EMAIL = IdentityType.DEVICE_APPLICATION_STAMP, IdentityType.EMAIL


def test_a_long_chain_takes_few_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who changes one identity at a time, thousands of times, is one component after a logarithm of rounds."""
    rows = [
        Observation(
            START_MS + place,
            (Identity(DEVICE, f"device {(place + 1) // 2}"), Identity(EMAIL, f"user{place // 2}@example.com")),
        )
        for place in range(CHAIN)
    ]
    job = job_of(RULES, [write_rows(tmp_path / "chain.jsonl", rows)])
    (tmp_path / "work").mkdir()
    engine = engine_of(tmp_path / "work", job)
    splink = logging.getLogger("splink.internals.connected_components")
    monkeypatch.setattr(splink, "level", logging.INFO)
    splink.addHandler(caplog.handler)
    try:
        linked = engine.link(engine.read(_quiet), _quiet)
    finally:
        splink.removeHandler(caplog.handler)
    rounds = [one for one in caplog.messages if one.startswith("Completed iteration")]
    assert linked.largest == [(CHAIN, 1)]
    assert 1 < len(rounds) <= ROUNDS_MAX


def _quiet(_: Stage) -> None:
    """Watch nothing."""


def test_a_link_that_is_forgotten_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with folding one by one is worth something: a linker that forgets a type of identity is caught."""
    original = Linker.__init__

    def forgetful(self: Linker, frames: Duck, rules: object, types: object, largest: int) -> None:
        original(self, frames, rules, types, largest)  # type: ignore[arg-type]
        self._linking = self._linking[1:]

    monkeypatch.setattr(Linker, "__init__", forgetful)
    rows = draw_history(random.Random(5), histories=6, steps=40)
    with PLACES["postgres"](tmp_path) as place:
        try:
            found = differences(place, policy(Strategy.PROFILE_CONVERSION), rows, tmp_path)
        except Exception as error:  # noqa: BLE001 - one value in two components can't be loaded
            found = [str(error)]
    assert found


def test_a_history_of_nothing_is_a_history(tmp_path: Path) -> None:
    """A file without a single observation makes no profiles and no trouble."""
    path = tmp_path / "nothing.jsonl"
    path.write_text("\n")
    (tmp_path / "work").mkdir()
    engine = engine_of(tmp_path / "work", job_of(RULES, [path]))
    assert engine.read(_quiet) == Read(0, 0, [], [])
