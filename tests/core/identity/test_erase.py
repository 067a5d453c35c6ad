"""An erased profile holds nothing, is found by nobody, and keeps its MPID."""

from knownas.core.identity.decision import Created, Erased, NotFound, Refusal, Refused
from knownas.core.identity.erase import refused_as_erased
from knownas.core.identity.observation import Environment, Erasure
from knownas.service.identity.log_form import decision_bytes, erased_in, observation_bytes, observation_from
from tests.core.pool import Pool, rules


def pool() -> Pool:
    """Return a pool with a known person who carries something, and somebody else on the same device."""
    made = Pool(rules(login="customerid", unique="customerid"))
    made.login(customerid="c", email="e", ios_idfv="d", twitter="t")
    made.login(customerid="other", ios_idfv="d")
    return made


def test_nothing_is_left_on_an_erased_profile() -> None:
    """All identities go, looked up by or carried; when the profile was made stays, and its MPID."""
    made = pool()
    before = made.records.record(1)
    assert made.erase(1) == Erased(1)
    after = made.records.record(1)
    assert before is not None
    assert after is not None
    assert (after.identities, after.carried, after.known, after.source_mpid) == ({}, {}, False, None)
    assert after.created_ms == before.created_ms


def test_nobody_finds_an_erased_profile() -> None:
    """A search finds nobody, and whoever comes with these identities again is somebody new."""
    made = pool()
    made.erase(1)
    assert made.search(customerid="c", email="e") == NotFound()
    again = made.login(customerid="c", email="e")
    assert isinstance(again, Created)
    assert again.mpid != 1


def test_others_keep_what_they_share_with_the_erased() -> None:
    """A device that two people used stays the other one's."""
    made = pool()
    made.erase(1)
    assert made.holders("ios_idfv", "d") == (2,)


def test_the_line_of_an_erasure_names_no_value() -> None:
    """What is kept of an erasure does not say what was erased."""
    made = pool()
    made.erase(1)
    kept = decision_bytes(made.decision)
    for value in (b'"c"', b'"e"', b'"d"', b'"t"'):
        assert value not in kept
    assert not made.decision.changes


def test_erasing_twice_changes_nothing_more() -> None:
    """A profile that is empty already is written again as it is; one that is not there is not made."""
    made = pool()
    made.erase(1)
    first = made.records.record(1)
    made.erase(1)
    second = made.records.record(1)
    assert first is not None
    assert second == first._replace(version=made.calls)
    assert made.erase(77) == Erased(77)
    assert not made.decision.writes
    assert made.records.record(77) is None


def test_who_names_an_erased_profile_is_told_so() -> None:
    """The refusal has a reason of its own."""
    refused = refused_as_erased(5, rules()).outcome
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.ERASED
    assert "5" in refused.message


def test_an_erasure_is_kept_as_it_was() -> None:
    """The log keeps when, and whom, and reads that back."""
    erasure = Erasure(7, Environment.PRODUCTION, "privacy", -5)
    kept = observation_bytes(erasure)
    assert kept == b'["erase",{"at_ms":7,"environment":"production","input":"privacy","mpid":-5}]'
    assert observation_from(kept) == erasure
    assert (erased_in(kept), erased_in(b'["login",[]]')) == (-5, None)
