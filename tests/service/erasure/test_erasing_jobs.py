"""An erasure waits for jobs that may have read the person, and erases what they report."""

import msgspec

from knownas.core.privacy.request import RequestState
from knownas.service.jobs import Job, JobKind, JobState
from knownas.service.privacy.subject_request_form import kept_request
from tests.service.erasing_stage import ErasingStage, asked, holds, subject

REQUEST = "11111111-1111-4111-8111-111111111111"
PERSON = ("canary-customer", "canary@example.com")


async def state_of(at: ErasingStage) -> RequestState:
    """Return what has become of the request."""
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    return kept_request(row).request.state


async def test_a_job_that_has_read_the_person_is_waited_for() -> None:
    """What it reports after the erasure has begun is erased too; one that is asked for later is not waited for."""
    at = await ErasingStage().open()
    mpid = await at.login(customerid=PERSON[0], email=PERSON[1])
    job = Job("j", JobKind.REHEARSAL, "shop", at.now_ms, {}, 0, JobState.RUNNING)
    assert await at.store.keep("jobs", msgspec.json.encode([job]))
    await at.service.erasing.carry_out(await asked(at, subject(mpid)))
    assert await state_of(at) is RequestState.IN_PROGRESS
    report = {"examples": [{"identities": [["email", PERSON[1]]]}]}
    assert await at.store.keep("job/0", msgspec.json.encode({"job": "j", "report": report}))
    later = Job("k", JobKind.REHEARSAL, "shop", at.now_ms + 1, {}, 1, JobState.RUNNING)
    ended = [msgspec.structs.replace(job, state=JobState.DONE), later]
    assert await at.store.replace_kept("jobs", msgspec.json.encode([job]), msgspec.json.encode(ended))
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    assert row.due_ms is not None
    at.now_ms = row.due_ms
    await at.service.erasing.carry_out(row)
    assert await state_of(at) is RequestState.COMPLETED
    assert holds(at.store, PERSON[0], PERSON[1]) == []
