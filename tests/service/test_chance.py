"""Ids come from the operating system's generator, are well-formed, and don't repeat."""

import os

import pytest

from knownas.core.identity.record import valid_mpid
from knownas.service.chance import MPID_BITS, SystemChance
from knownas.service.identity.decisions import is_decision_id
from tests.store.world import START_MS

SEVERAL_BLOCKS = 5_000


def test_mpids_are_positive_and_differ() -> None:
    """Thousands of fresh MPIDs, of two sources, are positive 63-bit numbers and all different."""
    one, other = SystemChance(), SystemChance()
    mpids = [source.fresh_mpid() for _ in range(SEVERAL_BLOCKS) for source in (one, other)]

    assert len(set(mpids)) == 2 * SEVERAL_BLOCKS
    assert all(0 < mpid < 2**MPID_BITS and valid_mpid(mpid) == mpid for mpid in mpids)


def test_every_bit_of_an_mpid_is_drawn() -> None:
    """No bit of an MPID is fixed: over thousands of them each is set about as often as not."""
    chance = SystemChance()
    mpids = [chance.fresh_mpid() for _ in range(SEVERAL_BLOCKS)]

    for bit in range(MPID_BITS):
        share = sum(mpid >> bit & 1 for mpid in mpids) / SEVERAL_BLOCKS
        # Eight standard deviations: a sound generator never gets there.
        assert abs(share - 0.5) < 8 * 0.5 / SEVERAL_BLOCKS**0.5, bit


def test_zero_is_never_an_mpid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the generator draws 0, which means "no user" to the SDKs, the next number is taken."""
    blocks = iter([bytes(8 * 512 - 8) + b"\xff" * 8])
    monkeypatch.setattr(os, "urandom", lambda _: next(blocks))

    assert SystemChance().fresh_mpid() == 2**MPID_BITS - 1


def test_decision_ids_sort_by_time() -> None:
    """Decision ids have 32 hex digits, begin with their time, so that they sort by it, and all differ."""
    chance = SystemChance()
    times = [0, 1, START_MS, START_MS + 1, 2**48 - 1]

    ids = [chance.decision_id(at_ms) for at_ms in times]

    assert ids == sorted(ids)
    assert all(map(is_decision_id, ids))
    assert [int(one[:12], 16) for one in ids] == times
    assert len({chance.decision_id(START_MS) for _ in range(SEVERAL_BLOCKS)}) == SEVERAL_BLOCKS


def test_decision_ids_end_in_chance() -> None:
    """The last 80 bits of ids of one millisecond are drawn: none of their digits is fixed."""
    chance = SystemChance()
    ids = [chance.decision_id(START_MS) for _ in range(SEVERAL_BLOCKS)]

    for place in range(12, 32):
        assert len({one[place] for one in ids}) == 16
