"""The records of a logged decision are found again as they were, or it is said why they are not."""

from typing import Any

import pytest

from knownas.core.history.recollection import Recollection, Untold
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment
from knownas.service.identity import recollecting
from knownas.service.identity.log_form import decision_from, observation_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.recollecting import LoggedDecision, Recollecting
from tests.core.pool import rules as policy_of
from tests.service.stage import SCOPE, Stage, mpid_of

LOGIN = Endpoint.LOGIN
EMAIL = Identity(IdentityType.EMAIL, "ann@example.com")
TABLET = Identity(IdentityType.IOS_IDFV, "tablet")


async def shared_tablet() -> tuple[Stage, str, int]:
    """Let a visitor have a tablet, and then Ann log in, whose profile is looked up alone; return what she was told."""
    stage = await Stage().start()
    visitor = mpid_of(await stage.answer(stage.ask(ios_idfv="tablet")))
    await stage.answer(stage.ask(LOGIN, customerid="ann"))
    answer = await stage.answer(stage.ask(LOGIN, customerid="ann", email="ann@example.com", ios_idfv="tablet"))
    return stage, answer.decision_id, visitor


async def before(stage: Stage, decision_id: str) -> Recollection | Untold:
    """Return the records before a logged decision."""
    entry = await stage.store.decision(decision_id)
    assert entry is not None
    policies = await policies_of(stage.store, SCOPE)
    line = LoggedDecision(entry, observation_from(entry.observation), decision_from(entry.decision), policies)
    return await Recollecting(stage.store, stage.resolver).before(line)


async def cases(stage: Stage, decision_id: str) -> dict[tuple[str, str], Any]:
    """Return what is told of a decision, by type and supposition."""
    document: Any = await stage.decisions.show(decision_id)
    assert document["counterfactual"]["over"] == "records_of_the_decision"
    return {(one["type"], one["had_been"]): one for one in document["counterfactual"]["cases"]}


async def test_the_records_are_those_before_the_decision() -> None:
    """What the decision itself has changed is not there yet, and what others have learnt since neither."""
    stage, decision_id, visitor = await shared_tablet()
    await stage.answer(stage.ask(email="ann@example.com"))

    records = await before(stage, decision_id)

    assert isinstance(records, Recollection)
    assert records.holders(EMAIL).mpids == ()
    assert records.holders(TABLET).mpids == (visitor,)


async def test_who_has_lost_a_value_since_is_found() -> None:
    """A profile that held a value which was not looked up, and has lost it by now, still counts."""
    stage, decision_id, visitor = await shared_tablet()
    await stage.answer(stage.modify(visitor, ("ios_idfv", "tablet", None)))

    assert (await cases(stage, decision_id))["customerid", "absent"]["answer"]["mpid"] == str(visitor)


async def test_who_lost_a_unique_value_to_another_is_found() -> None:
    """A profile from which a unique value was taken since still counts as its holder then, however often it moved."""
    stage = await Stage(policy=policy_of(unique="customerid email")).start()
    first = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="ann", email="ann@example.com")))
    second = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="bob", ios_idfv="tablet")))
    asked = await stage.answer(stage.ask(LOGIN, customerid="bob", email="ann@example.com", ios_idfv="phone"))
    for mpid in (second, first, second):
        await stage.answer(stage.modify(mpid, ("email", None, "ann@example.com")))

    records = await before(stage, asked.decision_id)

    assert isinstance(records, Recollection)
    assert records.holders(EMAIL).mpids == (first,)


async def test_the_policy_of_the_time_counts() -> None:
    """The decision is weighed under the rules that it was made under, whatever is in force now."""
    stage, decision_id, visitor = await shared_tablet()
    later = await Stage(stage.store.store, policy_of(priority="ios_idfv")).start()

    without = (await cases(later, decision_id))["customerid", "absent"]

    assert without["answer"] == {"kind": "returned", "mpid": str(visitor), "known": False, "became_known": False}


async def test_a_search_that_is_too_long_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many later lines it is said what is not told; what needs none of it is told for certain."""
    stage, decision_id, _ = await shared_tablet()
    monkeypatch.setattr(recollecting, "PAGE_MAX", 2)
    monkeypatch.setattr(recollecting, "LATER_LINES_READ_MAX", 4)
    for number in range(5):
        await stage.answer(stage.ask(email=f"{number}@example.com"))

    found = await cases(stage, decision_id)

    assert found["customerid", "absent"]["untold"] == "too_much_happened_since"
    assert found["customerid", "absent"]["changes_answer"] is True
    assert found["ios_idfv", "absent"]["untold"] is None
    assert found["ios_idfv", "absent"]["changes_answer"] is False


async def test_a_search_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is read too slowly is not read to its end."""
    stage, decision_id, _ = await shared_tablet()
    monkeypatch.setattr(recollecting, "PAGE_MAX", 1)
    monkeypatch.setattr(recollecting, "LATER_LINES_SECONDS", -1.0)
    await stage.answer(stage.ask(email="later@example.com"))

    assert (await cases(stage, decision_id))["customerid", "absent"]["untold"] == "too_much_happened_since"


@pytest.mark.parametrize("limit", ["PROFILES_RECOLLECTED_MAX", "HISTORY_LINES_RECOLLECTED_MAX"])
async def test_too_much_history_is_not_read(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If those who took part are too many, or have too long histories, the whole is not told."""
    stage, decision_id, _ = await shared_tablet()
    monkeypatch.setattr(recollecting, limit, 1)

    assert await before(stage, decision_id) is Untold.TOO_LONG_A_HISTORY


async def test_long_histories_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with more lines than a page is rebuilt from all of them."""
    stage, decision_id, visitor = await shared_tablet()
    monkeypatch.setattr(recollecting, "PAGE_MAX", 2)
    for number in range(5):
        await stage.answer(stage.modify(visitor, ("email", None, f"{number}@example.com")))
    asked = await stage.answer(stage.ask(LOGIN, customerid="ann", email="4@example.com"))

    records = await before(stage, asked.decision_id)

    assert isinstance(records, Recollection)
    rebuilt, kept = records.record(visitor), await stage.store.profile(visitor)
    assert rebuilt is not None
    assert kept is not None
    assert rebuilt.identities == kept.record.identities
    assert isinstance(await before(stage, decision_id), Recollection)


async def test_a_profile_of_another_pool_is_not_met() -> None:
    """The previous MPID of a profile elsewhere counts for nobody here."""
    stage, _, visitor = await shared_tablet()
    elsewhere = mpid_of(await stage.answer(stage.ask(LOGIN, Environment.DEVELOPMENT, customerid="ann")))
    asked = await stage.answer(stage.ask(LOGIN, previous=elsewhere, customerid="new", ios_idfv="tablet"))

    records = await before(stage, asked.decision_id)

    assert isinstance(records, Recollection)
    assert records.record(elsewhere) is None
    assert mpid_of(asked) == visitor
