"""The head of the evidence is published in the log, at most hourly, and holds against the chain later."""

import logging

import pytest

from knownas.service.evidence.anchoring import PUBLISH_EVERY_MS, Anchoring
from knownas.service.evidence.verifying import read_anchors
from tests.service.evidence_stage import EvidenceStage, checked


async def test_the_head_is_logged_when_the_chain_has_grown(caplog: pytest.LogCaptureFixture) -> None:
    """One line an hour at most, over several processes too, and none while nothing happens; each is an anchor."""
    stage = EvidenceStage()

    def job() -> Anchoring:
        return Anchoring(stage.store, stage.evidence, stage.certificates, lambda: stage.now_ms)

    one, other = job(), job()
    assert not await one.look()
    await stage.fill()
    assert [await one.look(), await other.look()] == [True, False]
    await stage.fill([1])
    assert [await one.look(), await other.look()] == [False, False]
    stage.now_ms += PUBLISH_EVERY_MS
    assert [await one.look(), await other.look()] == [True, False]
    stage.now_ms += PUBLISH_EVERY_MS
    assert not await one.look()
    lines = [record.getMessage().encode() for record in caplog.records if record.levelno == logging.WARNING]
    anchors = read_anchors(lines)
    assert [anchor.head.number for anchor in anchors] == [29, 58]
    assert checked(await stage.exported(), anchors).findings == []


async def test_the_job_starts_and_stops() -> None:
    """It can be started, and closed while it waits."""
    stage = EvidenceStage()
    one = Anchoring(stage.store, stage.evidence, stage.certificates, lambda: stage.now_ms)
    one.start()
    await one.close()
