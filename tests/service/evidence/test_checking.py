"""A running server checks its own chain of evidence."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from knownas.core.privacy.evidence import Entry, Fault, Head, Step
from knownas.service.evidence import checking
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.checking import check_chain
from knownas.store.memory.store import MemoryStore
from tests.service.privacy_stage import given, stage


class Tampered(Evidence):
    """A chain in which somebody has changed one entry."""

    async def entries(self, after_number: int, limit: int) -> Sequence[Entry]:
        found = await super().entries(after_number, limit)
        return [replace(one, happening=one.happening._replace(at_ms=1)) if one.number == 2 else one for one in found]


async def test_a_whole_chain_is_whole() -> None:
    """All entries are read, up to the head, and counted by what they tell."""
    on = await stage()
    for _ in range(3):
        asked = given()
        await on.privacy.requests.take(on.place(), asked, on.clock.now_ms)
        await on.privacy.requests.cancel(on.place(), asked.request_id, on.clock.now_ms)
    checked = await check_chain(on.privacy.evidence, [await on.privacy.evidence.head()])
    assert (checked.findings, checked.entries, checked.head, checked.is_all) == (
        [],
        9,
        await on.privacy.evidence.head(),
        True,
    )
    assert checked.steps == {Step.RECEIVED: 3, Step.VERIFIED: 3, Step.CANCELLED: 3}


async def test_an_empty_chain_is_whole() -> None:
    """Before the first request there is nothing that could be wrong."""
    checked = await check_chain(Evidence(MemoryStore().privacy))
    assert (checked.findings, checked.entries, checked.head) == ([], 0, Head())


@pytest.mark.parametrize("page", [1, 2, 1_000])
async def test_what_was_changed_is_found(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """An entry that was altered, and a head that was published and is not there any more; over the ends of pages too."""
    monkeypatch.setattr(checking, "PAGE_MAX", page)
    on = await stage()
    for _ in range(3):
        asked = given()
        await on.privacy.requests.take(on.place(), asked, on.clock.now_ms)
        await on.privacy.requests.cancel(on.place(), asked.request_id, on.clock.now_ms)
    tampered = await check_chain(Tampered(on.store))
    assert [(one.fault, one.number) for one in tampered.findings] == [(Fault.ALTERED, 2)]
    rewritten = await check_chain(on.privacy.evidence, [Head(4, "0" * 64)])
    assert [(one.fault, one.number) for one in rewritten.findings] == [(Fault.REWRITTEN, 4)]
    cut = await check_chain(on.privacy.evidence, [Head(40, "0" * 64)])
    assert [one.fault for one in cut.findings] == [Fault.CUT_OFF]


async def test_a_long_chain_is_checked_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it goes, and that is said; a head beyond it is not held against it."""
    on = await stage()
    for _ in range(3):
        asked = given()
        await on.privacy.requests.take(on.place(), asked, on.clock.now_ms)
        await on.privacy.requests.cancel(on.place(), asked.request_id, on.clock.now_ms)
    monkeypatch.setattr(checking, "EVIDENCE_CHECKED_MAX", 4)
    checked = await check_chain(on.privacy.evidence, [await on.privacy.evidence.head()])
    assert (checked.entries, checked.is_all, checked.findings) == (4, False, [])
