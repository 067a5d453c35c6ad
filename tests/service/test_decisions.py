"""Decisions are found again by their ids, and can be explained without being made."""

from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import Strategy
from knownas.service.decisions import Decisions, is_decision_id
from knownas.service.receipts import RecentDecisions
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
