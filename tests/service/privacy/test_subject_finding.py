"""A request reaches whom a search would find in its workspace's scope, and nobody else."""

from collections.abc import Sequence
from hashlib import md5, sha1

import pytest

from knownas.core.identity.decision import Guard
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.request import Encoding, Subject, SubjectIdentity
from knownas.service.identity.knowing import Knowing
from knownas.service.privacy import subject_finding
from knownas.service.privacy.subject_finding import Found, SubjectFinding, Why
from tests.service.erasing_stage import (
    APP,
    DEVELOPMENT,
    OTHER,
    PRODUCTION,
    SHOP,
    ErasingStage,
    digested,
    raw,
    subject,
)


async def stage() -> ErasingStage:
    """Open the service."""
    return await ErasingStage().open()


async def found(at: ErasingStage, whom: Subject, workspace: int = SHOP) -> Found:
    """Find whom a request of a workspace reaches."""
    (one,) = await found_all(at, whom, workspace)
    return one


async def found_all(at: ErasingStage, whom: Subject, workspace: int = SHOP) -> Sequence[Found]:
    """Find all whom a request of a workspace reaches."""
    finding = SubjectFinding(at.store, at.service.directory, at.service.resolver, at.clock)
    return await finding.find(at.place(workspace), whom)


async def test_an_mpid_names_its_profile() -> None:
    """It reaches the profile with it, in its environment; one of another scope is nobody."""
    at = await stage()
    mpid = await at.login(customerid="c")
    testing = await at.login(environment=DEVELOPMENT, customerid="c")
    assert (await found(at, subject(mpid))).mpid == mpid
    assert (await found(at, subject(testing))).environment is DEVELOPMENT
    for whom, workspace in ((mpid, OTHER), (12345, SHOP)):
        nobody = await found(at, subject(whom), workspace)
        assert (nobody.mpid, nobody.why) == (None, Why.UNKNOWN_MPID)


async def test_identities_lead_where_a_search_leads() -> None:
    """Production comes first; whoever is only known in development is found there."""
    at = await stage()
    mpid = await at.login(customerid="c", email="e")
    await at.login(environment=DEVELOPMENT, customerid="c", email="e")
    tester = await at.login(environment=DEVELOPMENT, customerid="t")
    one = await found(at, subject(customerid="c"))
    assert (one.mpid, one.environment, one.why) == (mpid, PRODUCTION, Why.SEARCHED)
    assert (await found(at, subject(customerid="t"))).mpid == tester
    assert (await found(at, subject(customerid="nobody"))).why is Why.NOBODY


async def test_a_device_alone_reaches_no_known_user() -> None:
    """The login guard keeps the known profile, and it is told that it does; the anonymous one is reached."""
    at = await stage()
    known = await at.login(customerid="c", ios_idfv="d")
    nobody = await found(at, subject(ios_idfv="d"))
    assert (nobody.mpid, nobody.why) == (None, Why.GUARDED)
    assert [(one.mpid, one.guard) for one in nobody.unreached] == [(known, Guard.LOGIN)]
    left = (await at.ask(Endpoint.LOGOUT, ios_idfv="d")).decision.answered
    one = await found(at, subject(ios_idfv="d"))
    assert (one.mpid, [each.mpid for each in one.unreached]) == (left, [known])


@pytest.mark.parametrize("encoding", [Encoding.SHA256, Encoding.SHA1, Encoding.MD5])
async def test_a_digest_leads_to_the_value_whose_it_is(encoding: Encoding) -> None:
    """Digests of each kind are matched; one of nobody's is counted."""
    at = await stage()
    mpid = await at.login(customerid="c", email="e@example.com")
    ways = {Encoding.SHA1: sha1, Encoding.MD5: md5}
    one = digested("email", "e@example.com")
    if encoding in ways:
        value = ways[encoding](b"e@example.com").hexdigest()
        one = SubjectIdentity(Identity(IdentityType.EMAIL, value), encoding)
    both = await found(at, Subject((one, digested("customerid", "c"), digested("other", "nobody's"))))
    assert (both.mpid, both.unmatched) == (mpid, 1)
    assert Identity(IdentityType.EMAIL, "e@example.com") in both.named
    assert (await found(at, Subject((digested("email", "another"),)))).why is Why.NOBODY


async def test_digests_are_found_on_any_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """All profiles are gone through, a page at a time."""
    at = await stage()
    mpids = [await at.login(customerid=f"c{number}") for number in range(7)]
    monkeypatch.setattr(subject_finding, "PAGE_MAX", 2)
    for number, mpid in enumerate(mpids):
        assert (await found(at, Subject((digested("customerid", f"c{number}"),)))).mpid == mpid


async def test_finding_somebody_leaves_no_trace() -> None:
    """Nothing is written or captured, and it is no visit."""
    at = await ErasingStage(capture="all").open()
    mpid = await at.login(customerid="c")
    await at.service.correcting.settle()
    before = await at.log()
    assert (await found(at, Subject((raw("customerid", "c"),)))).mpid == mpid
    await at.service.correcting.settle()
    assert await at.log() == before


async def test_other_workspaces_that_know_the_person_are_told() -> None:
    """One that has observed the person, and one that keeps something of theirs; not one of another scope."""
    at = await stage()
    mpid = await at.login(customerid="c")
    assert (await found(at, subject(mpid))).knowing == ()
    await at.login(workspace=APP, customerid="c", email="e")
    assert (await found(at, subject(mpid))).knowing == (Knowing(APP, has_section=False, observed=True),)
    await at.buy(mpid, workspace=APP)
    assert (await found(at, subject(mpid))).knowing == (Knowing(APP, has_section=True, observed=True),)
    assert (await found(at, subject(mpid), APP)).knowing == (Knowing(SHOP, has_section=False, observed=True),)
