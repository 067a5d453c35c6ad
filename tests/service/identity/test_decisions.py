"""Decisions are found again by their ids, and can be explained without being made."""

from typing import Any

import pytest

from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import Capture, Strategy
from knownas.service.identity import recollecting
from knownas.service.identity.decisions import Decisions, is_decision_id
from knownas.service.identity.receipts import RecentDecisions
from tests.core.pool import rules as policy_of
from tests.service.stage import PRODUCTION, Stage, mpid_of
from tests.store.world import EVERYTHING

LOGIN, SEARCH, LOGOUT = Endpoint.LOGIN, Endpoint.SEARCH, Endpoint.LOGOUT


def texts(value: object) -> list[str]:
    """Return every text of a document, names of members left out."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


async def test_a_decision_that_changed_something_is_found_for_ever() -> None:
    """The receipt of a decision that changed something comes from the log, whatever the server remembers."""
    stage = await Stage().start()
    made = await stage.answer(stage.ask(LOGIN, customerid="c"))

    shown = await Decisions(stage.store, RecentDecisions(), stage.resolver).show(made.decision_id)

    assert shown is not None
    assert (shown["decision_id"], shown["changed"]) == (made.decision_id, True)


async def test_a_decision_that_changed_nothing_is_found_until_pushed_out() -> None:
    """The receipt of a decision that changed nothing is there while it is remembered, and gone with the memory."""
    stage = await Stage().start()
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    back = await stage.answer(stage.ask(LOGIN, customerid="c"))

    shown = await stage.decisions.show(back.decision_id)

    assert shown is not None
    assert (shown["decision_id"], shown["changed"], shown["endpoint"]) == (back.decision_id, False, "login")
    assert await Decisions(stage.store, RecentDecisions(), stage.resolver).show(back.decision_id) is None


async def test_an_unknown_decision_is_not_found() -> None:
    """There is no receipt of a decision that was never made."""
    assert await (await Stage().start()).decisions.show("0" * 32) is None


async def test_what_is_explained_is_what_is_answered() -> None:
    """An explanation names the profile, the steps and the changes that the same request gets when it is asked."""
    stage = await Stage().start()
    await stage.answer(stage.ask(ios_idfv="d"))
    request = stage.request(LOGIN, ios_idfv="d", customerid="c")

    explained = await stage.decisions.explain(stage.rules, request)
    asked = await stage.answer(stage.rules.ask(request))

    made = await stage.decisions.show(asked.decision_id)
    assert made is not None
    assert {**made, "decision_id": None} == explained
    assert explained["changed"] is True


async def test_what_decided_is_in_every_receipt() -> None:
    """A receipt names, for programs and for people, the identity without which the answer had been another."""
    stage = await Stage().start()
    visitor = mpid_of(await stage.answer(stage.ask(ios_idfv="d")))
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    asked = await stage.answer(stage.ask(LOGIN, customerid="c", ios_idfv="d"))

    shown: Any = await stage.decisions.show(asked.decision_id)

    changing = [(one["type"], one["had_been"]) for one in shown["counterfactual"]["cases"] if one["changes_answer"]]
    assert changing == [("customerid", "absent"), ("customerid", "different")]
    assert shown["story"]["counterfactual"] == [
        (
            f"Without customerid c, profile {visitor} (anonymous) would have answered; with another in its place, profile "
            f"{visitor} would have answered, and become known."
        )
    ]


async def test_a_decision_that_changed_nothing_is_weighed_over_the_profiles_of_now() -> None:
    """What is not in the log is weighed as long as it would be decided alike now, and else not at all."""
    stage = await Stage().start()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    back = await stage.answer(stage.ask(LOGIN, customerid="c"))

    shown: Any = await stage.decisions.show(back.decision_id)
    await stage.answer(stage.modify(mpid, ("customerid", "c", None)))
    later: Any = await stage.decisions.show(back.decision_id)

    assert shown["counterfactual"]["over"] == "records_of_now"
    assert [one["changes_answer"] for one in shown["counterfactual"]["cases"]] == [True, True]
    assert later["counterfactual"] == {"over": None, "untold": "records_have_changed", "cases": []}


async def test_a_captured_decision_is_weighed_at_its_line() -> None:
    """A decision that changed nothing and is in the log is weighed over what was there when its line was written."""
    stage = await Stage(policy=policy_of(capture=Capture.ALL)).start()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    back = await stage.answer(stage.ask(LOGIN, customerid="c"))
    await stage.flushed()
    await stage.answer(stage.modify(mpid, ("customerid", "c", None)))

    shown: Any = await stage.decisions.show(back.decision_id)

    assert shown["counterfactual"]["over"] == "records_at_its_line"
    assert [one["changes_answer"] for one in shown["counterfactual"]["cases"]] == [True, True]


async def test_a_decision_that_the_log_does_not_come_to_is_not_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the records of the time don't come to the decision, nothing is told of other requests."""
    stage = await Stage().start()
    await stage.answer(stage.ask(email="e"))
    asked = await stage.answer(stage.ask(email="e", ios_idfv="d"))
    monkeypatch.setattr(recollecting, "rebuilt", lambda *_args: None)

    shown: Any = await stage.decisions.show(asked.decision_id)

    assert shown["counterfactual"] == {"over": None, "untold": "not_reproduced", "cases": []}


async def test_a_decision_under_a_policy_that_is_not_kept_is_shown() -> None:
    """A receipt is shown without its policy too, and then without what would have been otherwise."""
    stage = Stage()
    made = await stage.answer(stage.ask(LOGIN, customerid="c"))

    shown: Any = await stage.decisions.show(made.decision_id)

    assert shown["decision_id"] == made.decision_id
    assert shown["counterfactual"]["untold"] == "not_reproduced"


async def test_explaining_writes_nothing() -> None:
    """An explanation leaves no profile, no line of the log, no visit and no decision behind, and costs no commit."""
    stage = await Stage().start()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    before = await stage.profiles.show(mpid)
    stage.store.forget_counts()

    for named in ({"customerid": "c"}, {"customerid": "n"}, {"customerid": "c", "email": "e"}):
        explained = await stage.decisions.explain(stage.rules, stage.request(LOGIN, **named))
        assert explained["decision_id"] is None
    await stage.resolver.close()

    assert (stage.store.commits, stage.store.touches, len(await stage.log())) == (0, [], 1)
    assert len(await stage.store.records(PRODUCTION, None, EVERYTHING)) == 1
    assert await stage.profiles.show(mpid) == before


async def test_no_mpid_is_named_for_a_profile_that_would_be_made() -> None:
    """An explanation of a request that would make a profile says so without an MPID, in members and in words."""
    stage = await Stage(policy=policy_of(Strategy.PROFILE_LINK)).start()
    source = mpid_of(await stage.answer(stage.ask(ios_idfv="d")))
    given = [
        stage.request(LOGIN, customerid="n"),
        stage.request(LOGIN, ios_idfv="d", customerid="n"),
        stage.request(LOGOUT, ios_idfv="d"),
    ]

    for request in given:
        document = await stage.decisions.explain(stage.rules, request)
        outcome, changes = document["outcome"], document["changes"]
        assert isinstance(outcome, dict)
        assert isinstance(changes, list)
        assert (outcome["kind"], outcome["mpid"], document["changed"]) == ("created", None, True)
        assert [change["mpid"] for change in changes] == [None] * len(request.identities)
        assert "0" not in texts(document)
        assert not [text for text in texts(document["story"]) if "profile 0" in text.lower()]
        assert set(texts(outcome)) <= {"created", str(source)}


def test_only_hex_digits_are_a_decision_id() -> None:
    """A decision id has 32 lower-case hex digits and nothing else."""
    assert is_decision_id("0123456789abcdef" * 2)
    for text in ("", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n", "٣" * 32):
        assert not is_decision_id(text), text
