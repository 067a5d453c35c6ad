"""Every store hands out the same, counts the same, and carries requests of access out the same way (design §8-7)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.request import Subject
from knownas.service.evidence.chain import Evidence
from knownas.store.port import Store
from tests.service.access.test_archive import ann
from tests.service.access.test_work import Leads, waiting, work
from tests.service.privacy.test_subject_preview import previewed
from tests.service.subject_stage import APP, REQUEST_ID, SHOP, SubjectStage
from tests.store.places import PLACES, Place


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place of each kind, with nothing in it."""
    with PLACES[request.param](tmp_path) as made:
        yield made


async def answers_of(store: Store | None) -> dict[str, Any]:
    """Play a history over a store, and return all that is told of its persons."""
    stage = await SubjectStage(store).open()
    try:
        mpid = await ann(stage)
        other = await stage.ask(Endpoint.LOGIN, customerid="bob", device_application_stamp="stamp-ann")
        await stage.modify(other, "email", None, "ann@new.example")
        await work(stage, Leads(mpid)).carry_out(await waiting(stage))
        told = [dict(one.happening.facts) for one in await Evidence(stage.store.privacy).of_request(REQUEST_ID)]
        answers: dict[str, Any] = {"evidence": told}
        for asked, workspace in ((mpid, SHOP), (mpid, APP), (other, SHOP)):
            archive = await stage.archive(asked, workspace)
            lines = {name: archive.lines(name) for name in archive.files if name.endswith(".jsonl")}
            for batch in lines.get("events-001.jsonl", ()):
                # Numbers of rows are a store's own.
                del batch["batch_id"]
            answers[f"{asked} for {workspace}"] = lines
            answers[f"preview of {asked} for {workspace}"] = await previewed(stage, Subject(mpid=asked), workspace)
        return answers
    finally:
        await stage.close()


async def test_every_store_answers_alike(place: Place) -> None:
    """The same history comes to the same lines, counts and evidence as in memory."""
    found, wanted = await answers_of(place.open()), await answers_of(None)
    assert json.dumps(found, indent=1, sort_keys=True) == json.dumps(wanted, indent=1, sort_keys=True)
