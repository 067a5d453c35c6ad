"""A request of the second version reaches all profiles that it names, each as if it were the only one, and tells of each (platform §5.8)."""

import pytest

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.request import RequestState, Subject
from knownas.service.erasure import erasing
from knownas.service.privacy.subject_finding import Why
from knownas.service.privacy.subject_request_form import NOBODY, kept_request
from knownas.service.privacy.subject_request_telling import request_document
from tests.service.erasing_stage import APP, OTHER, SHOP, ErasingStage, asked, erase, holds, raw, subject, told
from tests.service.erasure.test_erasing import explained
from tests.service.privacy.test_subject_finding import found_all

REQUEST = "11111111-1111-4111-8111-111111111111"
FIRST = ("canary-first", "first@example.com")
SECOND = ("canary-second", "second@example.com")
DEVICE = "canary-device-of-both"
SHARED = "shared-device"


async def two(at: ErasingStage) -> tuple[int, int]:
    """Let a person come who has two profiles, with a device on both, and one that somebody else has too."""
    first = await at.login(customerid=FIRST[0], email=FIRST[1], ios_idfv=DEVICE, android_uuid=SHARED)
    second = await at.login(customerid=SECOND[0], email=SECOND[1], ios_idfv=DEVICE)
    assert first != second
    await at.login(customerid="neighbour", android_uuid=SHARED)
    await at.buy(first, "bought-first-1", "bought-first-2", request_id="r1")
    await at.buy(second, "bought-second", request_id="r2")
    await at.service.correcting.settle()
    return first, second


async def stage() -> ErasingStage:
    """Open a service that captures everything."""
    return await ErasingStage(capture="all").open()


async def test_nothing_is_left_of_any_profile() -> None:
    """Neither of what each had nor of what they had in common; what somebody else has stays, and each MPID has its tombstone."""
    at = await stage()
    first, second = await two(at)
    assert holds(at.store, *FIRST, *SECOND, DEVICE) == [*FIRST, *SECOND, DEVICE]
    await erase(at, Subject(mpids=(first, second)))
    assert holds(at.store, *FIRST, *SECOND, DEVICE, "bought-") == []
    assert holds(at.store, SHARED) == [SHARED]
    for mpid in (first, second):
        assert await at.service.profiles.erased_by(mpid) == REQUEST
        assert not await at.store.user_data.sections_of(mpid)
    (neighbour,) = await at.store.holders(at.place().rules.pools[0], Identity(IdentityType.ANDROID_UUID, SHARED), 10)
    assert await explained(at.store, neighbour, first, second)


async def test_the_evidence_counts_for_each() -> None:
    """What was there of each profile, with its number among them; what is done once for all is told once."""
    at = await stage()
    mpids = await two(at)
    steps = await erase(at, Subject(mpids=mpids))
    rows = {(one["profile"], one["store"]): one["rows"] for step, one in steps if step == "erased" and "rows" in one}
    assert (rows[1, "events"], rows[1, "messages"], rows[2, "events"], rows[2, "messages"]) == (1, 2, 1, 1)
    wanted = [("found", 1), ("started", 1), ("found", 2), ("started", 2), ("searched", 1), ("searched", 2)]
    assert [(step, one["profile"]) for step, one in steps if step in {"found", "started", "searched"}] == wanted
    assert all(one["found"] == one["held"] == one["lines_left"] == 0 for step, one in steps if step == "searched")
    assert [one for step, one in steps if step == "completed"] == [{"profiles": 2, "identity_record": True}]
    assert len([one for step, one in steps if one.get("store") == "free_space"]) == 1
    assert not any(str(mpid) in str(steps) for mpid in mpids)


async def test_the_request_says_which_profiles_it_was_about() -> None:
    """When all is done its row names nobody, and the operator sees each profile."""
    at = await stage()
    first, second = await two(at)
    await erase(at, Subject((raw("email", FIRST[1]),), mpids=(first, second)))
    row = await at.store.privacy.request(REQUEST)
    assert row is not None
    kept = kept_request(row)
    assert (kept.request.state, kept.request.subject, row.open_key) == (RequestState.COMPLETED, NOBODY, None)
    assert [(one.own, one.key) for one in kept.each] == [((), "")] * 2
    shown = request_document(row)
    assert (shown["mpid"], shown["further"]) == (
        str(first),
        [{"mpid": str(second), "environment": "production", "whole": True}],
    )


async def test_a_profile_is_reached_once_and_others_beside_those_that_are_not_there() -> None:
    """Identities and MPIDs can lead to one profile; an MPID of nobody, or of another scope, keeps nothing from being done."""
    at = await stage()
    first, second = await two(at)
    elsewhere = await at.login(workspace=OTHER, customerid="x")
    whom = Subject((raw("customerid", FIRST[0]),), mpids=(77, first, elsewhere, second))
    found = await found_all(at, whom)
    assert [(one.mpid, one.why) for one in found] == [
        (first, Why.SEARCHED),
        (None, Why.UNKNOWN_MPID),
        (None, Why.UNKNOWN_MPID),
        (second, Why.NAMED),
    ]
    steps = await erase(at, whom)
    assert steps[-1] == ("completed", {"profiles": 2, "identity_record": True})
    told_of = [(one["why"], one["profiles"], one.get("profile")) for step, one in steps if step == "found"]
    assert told_of == [
        ("found_by_identities", 1, 1),
        ("unknown_mpid", 0, None),
        ("unknown_mpid", 0, None),
        ("named_by_mpid", 1, 2),
    ]
    stored = await at.store.profile(elsewhere)
    assert stored is not None
    assert stored.record.size == 1


async def test_where_nobody_is_there_it_is_completed() -> None:
    """Several MPIDs of nobody: that is told of each, and nothing happens."""
    at = await stage()
    steps = await erase(at, Subject(mpids=(77, 78)))
    assert [step for step, _ in steps] == ["received", "found", "found", "completed"]
    assert steps[-1][1]["profiles"] == 0


async def test_each_profile_goes_as_far_as_its_own_neighbours_let_it() -> None:
    """One that another workspace knows keeps its identities, also those that it has in common with one that goes as a whole."""
    at = await stage()
    first, second = await two(at)
    await at.login(workspace=APP, customerid=SECOND[0], other="known-there")
    steps = await erase(at, Subject(mpids=(first, second)), SHOP)
    assert [one["identity_record"] for step, one in steps if step == "started"] == [True, False]
    assert steps[-1][1] == {"profiles": 2, "identity_record": False}
    assert holds(at.store, *FIRST, *SECOND, DEVICE, "bought-") == [*SECOND, DEVICE]
    assert (await at.service.profiles.erased_by(first), await at.service.profiles.erased_by(second)) == (REQUEST, None)
    answer = await at.ask(Endpoint.SEARCH, customerid=SECOND[0])
    assert answer.decision.answered == second


async def test_more_than_is_followed_of_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of identities is that of a request, not of a profile: what is kept of one does not grow with its profiles."""
    at = await stage()
    first, second = await two(at)
    monkeypatch.setattr(erasing, "OWN_IDENTITIES_MAX", 3)
    row = await asked(at, Subject(mpids=(first, second)))
    await at.service.erasing.carry_out(row)
    steps = await told(at, REQUEST)
    assert steps[-1][1]["stopped"] == "too_much_history"
    monkeypatch.undo()
    again = await at.store.privacy.request(REQUEST)
    assert again is not None
    await at.service.erasing.carry_out(again)
    assert holds(at.store, *FIRST, *SECOND, DEVICE) == []
    assert (await told(at, REQUEST))[-1][0] == "completed"


async def test_the_same_profiles_are_the_same_request() -> None:
    """In whatever order; one alone is the same in both versions."""
    assert Subject(mpids=(1, 2)).asked == Subject(mpids=(2, 1)).asked
    assert Subject(mpids=(1,)).asked == Subject(mpid=1).asked
    assert Subject(mpids=(1,)).asked != Subject(mpids=(1, 2)).asked
    with pytest.raises(ValueError, match="MPIDs"):
        Subject(mpids=tuple(range(1, 100)))
    with pytest.raises(ValueError, match="either"):
        Subject(mpid=1, mpids=(2,))
    assert subject(5).named == (5,)
