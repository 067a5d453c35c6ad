"""A preview says whom a request would reach, where and how much, and what not; it changes nothing and names nobody else."""

from collections.abc import AsyncIterator
from hashlib import sha256
from random import Random
from typing import Any

import msgspec
import pytest

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment
from knownas.core.privacy.request import Encoding, RequestType, Subject, SubjectIdentity
from knownas.service.identity.knowing import place_of
from knownas.service.privacy.subject_preview import preview_document
from knownas.service.security.directory import Place
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import Audited
from tests.service.sorting_stage import POOL, SortingStage
from tests.service.subject_stage import APP, OTHER, SHOP, SubjectStage
from tests.store.world import EVERYTHING

STEPS = 30
HISTORIES = 8


@pytest.fixture
async def stage() -> AsyncIterator[SubjectStage]:
    made = await SubjectStage().open()
    yield made
    await made.close()


def named(**given: str) -> Subject:
    """Return whoever these identities lead to."""
    return Subject(tuple(SubjectIdentity(Identity(IdentityType(name), value)) for name, value in given.items()))


def place(stage: Any, workspace: int = SHOP) -> Place:
    """Return a workspace of the stage's service."""
    found = place_of(stage.service.directory, workspace)
    assert found is not None
    return found


async def previewed(
    stage: Any, subject: Subject, workspace: int = SHOP, kind: RequestType = RequestType.ERASURE
) -> dict[str, Any]:
    """Preview a request as the API answers it."""
    asking = place(stage, workspace)
    shown = preview_document(asking, await stage.service.previews.preview(asking, kind, subject))
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
    return document


async def test_it_counts_what_each_workspace_has(stage: SubjectStage) -> None:
    """Each workspace of the scope is there with its counts: the one that asks first, with what would become of it."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann", email="ann@example.com")
    for _ in range(3):
        await stage.send(mpid)
    await stage.send(mpid, APP)
    shown = await previewed(stage, named(customerid="ann", email="ann@example.com"))
    assert shown["profile"] == {"mpid": str(mpid), "environment": "production", "known": True}
    shop, app = shown["workspaces"]
    assert (shop["workspace"], shop["is_asked"], shop["outcome"]) == (SHOP, True, "erased")
    assert shop["counts"] == {"sections": 1, "events": 3, "messages": 0, "aliases": 0, "receipts": 3}
    assert (app["workspace"], app["is_asked"], app["outcome"], app["counts"]["events"]) == (APP, False, "kept", 1)
    assert (shop["residency"], app["residency"]) == ("Iceland", None)
    assert shown["log_lines"] == {"count": 1, "is_all": True}


async def test_identities_are_kept_for_whoever_else_knows_the_person(stage: SubjectStage) -> None:
    """The identities go where no other workspace knows the person; otherwise it is said for whom they stay."""
    alone = await stage.ask(Endpoint.LOGIN, customerid="alone", email="alone@example.com")
    await stage.send(alone)
    record = (await previewed(stage, named(customerid="alone")))["identity_record"]
    assert record == {"identities": 2, "outcome": "erased", "kept_for_workspaces": []}
    seen = await stage.ask(Endpoint.LOGIN, customerid="seen")
    await stage.send(seen, APP)
    record = (await previewed(stage, named(customerid="seen")))["identity_record"]
    assert (record["outcome"], record["kept_for_workspaces"]) == ("kept", [APP])
    await stage.ask(Endpoint.LOGIN, APP, customerid="asked-elsewhere")
    record = (await previewed(stage, named(customerid="asked-elsewhere")))["identity_record"]
    assert (record["outcome"], record["kept_for_workspaces"]) == ("kept", [APP])


async def test_a_device_alone_says_who_is_out_of_its_reach(stage: SubjectStage) -> None:
    """A known profile that holds the device is counted as out of reach, with the reason; it is not named."""
    known = await stage.ask(Endpoint.LOGIN, customerid="ann", device_application_stamp="shared-stamp")
    shown = await previewed(stage, named(device_application_stamp="shared-stamp"))
    assert shown["profile"] is None
    (one,) = shown["out_of_reach"]
    assert (one["identity_type"], one["profiles"], one["guard"]) == ("device_application_stamp", 1, "login_id_required")
    assert "a device alone never opens a known profile" in one["sentence"]
    assert str(known) not in msgspec.json.encode(shown).decode()


async def test_an_email_alone_does_not_open_a_known_profile(stage: SubjectStage) -> None:
    """A known profile whose login ID the request does not name is out of reach, also by an e-mail, and the guard says so."""
    await stage.ask(Endpoint.LOGIN, customerid="ann", email="ann@example.com")
    shown = await previewed(stage, named(email="ann@example.com"))
    assert [one["guard"] for one in shown["out_of_reach"]] == ["login_id_required"]


async def test_a_profile_is_found_in_development_where_production_has_nobody(stage: SubjectStage) -> None:
    """Production comes first; whoever is only in development is found there."""
    await stage.ask(Endpoint.LOGIN, environment=Environment.DEVELOPMENT, customerid="tester")
    assert (await previewed(stage, named(customerid="tester")))["profile"]["environment"] == "development"
    await stage.ask(Endpoint.LOGIN, customerid="tester")
    assert (await previewed(stage, named(customerid="tester")))["profile"]["environment"] == "production"


async def test_a_profile_can_be_named_in_its_own_scope_only(stage: SubjectStage) -> None:
    """An MPID leads to its profile; from a workspace of another scope it leads to nobody."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    assert (await previewed(stage, Subject(mpid=mpid)))["profile"]["mpid"] == str(mpid)
    assert (await previewed(stage, Subject(mpid=mpid), OTHER))["profile"] is None
    assert (await previewed(stage, Subject(mpid=77)))["profile"] is None


async def test_others_with_the_same_identity_are_counted(stage: SubjectStage) -> None:
    """How many other profiles have an identity of the person's is said, by type, and not who they are."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann", device_application_stamp="family")
    others = [
        await stage.ask(Endpoint.LOGIN, customerid=one, device_application_stamp="family") for one in ("bob", "eve")
    ]
    shown = await previewed(stage, Subject(mpid=mpid))
    assert shown["shared_with"] == {"profiles": 2, "by_type": {"device_application_stamp": 2}, "is_all": True}
    assert not any(str(one) in msgspec.json.encode(shown).decode() for one in others)
    assert any("other profiles have as well" in one for one in shown["not_reached"])


async def test_access_is_told_otherwise_than_erasure(stage: SubjectStage) -> None:
    """A request of access or portability hands out and erases nothing, so there is nothing that it could not erase."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    await stage.send(mpid)
    for kind in (RequestType.ACCESS, RequestType.PORTABILITY):
        shown = await previewed(stage, Subject(mpid=mpid), kind=kind)
        assert [one["outcome"] for one in shown["workspaces"]] == ["handed_out", "kept"]
        assert shown["identity_record"]["outcome"] == "handed_out"
        assert shown["not_reached"] == []


async def test_what_was_read_already_is_out_of_reach(stage: SubjectStage) -> None:
    """An erasure can't call back what was handed out: it is said how often that was, but for the operator's own looks."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    await stage.store.privacy.audit(
        [Audited(stage.now_ms, mpid, b'{"who": "personalisation", "what": "readProfile", "status": 200}')] * 2
    )
    operator = Audited(stage.now_ms, mpid, b'{"who": "admin", "what": "previewPrivacy", "status": 200}')
    await stage.store.privacy.audit([operator])
    told = (await previewed(stage, Subject(mpid=mpid)))["not_reached"]
    assert any("2 times" in one for one in told)
    assert any("Backups" in one for one in told)


async def test_a_digest_stands_for_its_value(stage: SubjectStage) -> None:
    """A digest leads to whoever has the value; of one that is nobody's it is said that there is none."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann")
    digest = SubjectIdentity(Identity(IdentityType.CUSTOMER_ID, sha256(b"ann").hexdigest()), Encoding.SHA256)
    shown = await previewed(stage, Subject((digest,)))
    assert (shown["profile"]["mpid"], shown["unmatched_digests"]) == (str(mpid), 0)
    other = SubjectIdentity(Identity(IdentityType.CUSTOMER_ID, "0" * 64), Encoding.SHA256)
    shown = await previewed(stage, Subject((other,)))
    assert (shown["profile"], shown["why"], shown["unmatched_digests"]) == (None, "nobody_found", 1)


async def test_nothing_is_written(stage: SubjectStage) -> None:
    """Neither log nor evidence nor audit has anything more after a preview."""
    mpid = await stage.ask(Endpoint.LOGIN, customerid="ann", device_application_stamp="stamp")
    await stage.send(mpid)

    async def everything() -> Any:
        privacy = stage.store.privacy
        rules = place(stage).rules
        lines = [one for pool in rules.pools for one in await stage.store.log(pool, 0, EVERYTHING)]
        return (
            lines,
            await privacy.entries(0, EVERYTHING),
            await privacy.audited(None, 0, EVERYTHING),
            await stage.store.profile(mpid),
            await stage.store.user_data.sections_of(mpid),
        )

    before = await everything()
    await previewed(stage, named(customerid="ann", device_application_stamp="stamp"))
    await previewed(stage, named(customerid="nobody"))
    assert await everything() == before


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_no_other_profile_is_named_whatever_has_happened(seed: int) -> None:
    """Over random histories no preview has the MPID of another profile, nor any value of an identity."""
    stage = SortingStage(seed, MemoryStore())
    await stage.open()
    try:
        await stage.play(STEPS)
        records = await stage.store.records(POOL, None, EVERYTHING)
        for record in records:
            subject = Subject(mpid=record.mpid)
            if not record.orphan and Random(record.mpid).random() < 0.5:
                subject = Subject((SubjectIdentity(next(record.lookups())),))
            shown = await previewed(stage, subject)
            reached = shown["profile"]["mpid"] if shown["profile"] else ""
            text = msgspec.json.encode(shown).decode()
            others = [str(one.mpid) for one in records if str(one.mpid) != reached]
            assert [one for one in others if one in text] == []
    finally:
        await stage.close()
