"""Decisions are written down whole, and those that changed nothing are kept for a while."""

import pytest

from knownas.core.history.counterfactual import Counterfactual, Over
from knownas.core.history.fold import Logged
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.service.identity.question import Answer
from knownas.service.identity.receipts import RecentDecisions, changes_of, log_entry, logged, receipt, rfc3339
from knownas.service.limits import RECENT_DECISIONS_MAX
from knownas.service.live.limits import LINES_KEPT_MAX
from tests.service.stage import PRODUCTION, Stage, mpid_of
from tests.store.world import START_MS

LOGIN, SEARCH = Endpoint.LOGIN, Endpoint.SEARCH
OTHERWISE = Counterfactual(Over.DECISION)


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (START_MS, "2023-11-14T22:13:20.000Z"),
        (START_MS + 7, "2023-11-14T22:13:20.007Z"),
        (1_709_164_800_999, "2024-02-29T00:00:00.999Z"),
    ],
)
def test_times_are_written_in_utc(at_ms: int, text: str) -> None:
    """A time is written as RFC 3339 in UTC, to the millisecond."""
    assert rfc3339(at_ms) == text


@pytest.mark.parametrize("at_ms", [1_000_001, 1_699_999_999_999, 4_102_444_799_999])
def test_no_millisecond_is_lost(at_ms: int) -> None:
    """The milliseconds of a written time are those of the time itself."""
    assert rfc3339(at_ms).endswith(f".{at_ms % 1000:03d}Z")


async def test_a_logged_decision_is_read_for_a_fold() -> None:
    """What the log keeps of a decision is all that a fold needs: observation, policy version, the MPID made."""
    stage = Stage()
    answer = await stage.answer(stage.ask(LOGIN, customerid="c", email="e"))

    entry = log_entry(answer)

    assert entry.pool == PRODUCTION
    assert entry.touched == (mpid_of(answer),)
    assert logged(entry) == Logged(answer.question.observation, 1, mpid_of(answer))
    (kept,) = await stage.log()
    assert (kept.observation, kept.decision) == (entry.observation, entry.decision)


async def test_what_decided_a_tie_is_written_down() -> None:
    """Where the activity of candidates could decide, the log keeps what was known of it."""
    stage = Stage()
    for email in ("a", "b"):
        await stage.profiles.seed("shop", stage.seed(("email", email), ("ios_idfv", "d")))

    answer = await stage.answer(stage.ask(ios_idfv="d", email="c"))

    observation = logged(log_entry(answer)).observation
    assert isinstance(observation, IdentityRequest)
    assert answer.changed
    assert len(observation.recency) == 2
    assert observation.recency == answer.decision.recency


async def test_a_receipt_is_whole() -> None:
    """A receipt says what was asked and answered, under which policy, whether it changed something, and tells it."""
    stage = Stage()
    answer = await stage.answer(stage.ask(LOGIN, customerid="c"))

    shown = receipt(log_entry(answer), stage.rules.policy, OTHERWISE)

    assert {name: shown[name] for name in ("scope", "environment", "input", "endpoint", "policy_version")} == {
        "scope": "shop",
        "environment": "production",
        "input": "test",
        "endpoint": "login",
        "policy_version": 1,
    }
    assert shown["decision_id"] == answer.decision_id
    assert shown["at"] == rfc3339(answer.question.observation.at_ms)
    assert shown["changed"] is True
    assert {"observation", "outcome", "receipt", "changes", "skipped", "counterfactual"} <= shown.keys()
    assert str(mpid_of(answer)) in str(shown["story"])


async def test_a_receipt_is_told_without_its_policy() -> None:
    """A receipt can still be told when the policy it was made under is not at hand."""
    stage = Stage()
    answer = await stage.answer(stage.ask(LOGIN, customerid="c"))

    assert str(mpid_of(answer)) in str(receipt(log_entry(answer), None, OTHERWISE)["story"])


async def test_changes_are_read_from_the_log() -> None:
    """The identity changes of a logged decision are read back as the core made them."""
    stage = Stage()
    answer = await stage.answer(stage.ask(LOGIN, customerid="c"))

    (change,) = changes_of(log_entry(answer))

    assert answer.decision.changes == (change,)


async def test_recent_decisions_are_found_until_pushed_out() -> None:
    """A decision that changed nothing is found until newer ones push it out."""
    stage = Stage()
    base = await stage.answer(stage.ask(SEARCH, customerid="nobody"))
    recent = RecentDecisions()

    def numbered(number: int) -> Answer:
        return base._replace(decision_id=f"{number:032x}")

    for number in range(RECENT_DECISIONS_MAX * 7 // 8):
        recent.add(numbered(number))
    found = recent.find(f"{0:032x}")
    for number in range(RECENT_DECISIONS_MAX * 7 // 8, RECENT_DECISIONS_MAX):
        recent.add(numbered(number))

    assert found is not None
    assert (found.decision_id, found.touched) == (f"{0:032x}", ())
    assert recent.find(f"{0:032x}") is None
    assert recent.find(f"{RECENT_DECISIONS_MAX // 4:032x}") is not None
    assert recent.find(f"{RECENT_DECISIONS_MAX - 1:032x}") is not None


async def test_each_line_of_the_live_stream_leads_to_a_receipt() -> None:
    """As many decisions that changed nothing are remembered as a stream can show."""
    stage = Stage()
    base = await stage.answer(stage.ask(SEARCH, customerid="nobody"))
    recent = RecentDecisions()
    for number in range(2 * LINES_KEPT_MAX):
        recent.add(base._replace(decision_id=f"{number:032x}"))
        assert number < LINES_KEPT_MAX or recent.find(f"{number - LINES_KEPT_MAX + 1:032x}") is not None


async def test_the_resolver_remembers_what_changed_nothing() -> None:
    """The resolver remembers the decisions that changed nothing; those that changed something are in the log."""
    stage = Stage()
    made = await stage.answer(stage.ask(LOGIN, customerid="c"))
    back = await stage.answer(stage.ask(LOGIN, customerid="c"))

    assert stage.recent.find(made.decision_id) is None
    assert stage.recent.find(back.decision_id) is not None
    assert [entry.decision_id for entry in await stage.log()] == [made.decision_id]
