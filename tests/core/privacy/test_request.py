"""What becomes of a data subject's request, and when."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, WAITING_DAYS_MAX
from knownas.core.privacy.request import (
    DAY_MS,
    CantBe,
    Encoding,
    Regulation,
    RequestState,
    RequestType,
    Subject,
    SubjectIdentity,
    SubjectRequest,
    Waiting,
    due,
    same_asked,
)

EMAIL = SubjectIdentity(Identity(IdentityType.EMAIL, "a@example.com"))
PHONE = SubjectIdentity(Identity(IdentityType.MOBILE_NUMBER, "5"))
WEEK = Waiting()
MOMENTS = st.integers(0, 4 * 10**12)


def at(text: str) -> int:
    """Return a moment in Unix milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def asked(kind: RequestType = RequestType.ERASURE, received_ms: int = 0, due_ms: int = 0) -> SubjectRequest:
    """Make a request."""
    return SubjectRequest("r", 100, Regulation.GDPR, kind, Subject((EMAIL,)), received_ms, received_ms, due_ms)


def test_an_erasure_of_the_specification_is_expected_when_it_says() -> None:
    """Received on 29 November in the evening, an erasure is expected to be completed by 9 December (platform §5.2)."""
    received = at("2021-11-29T18:16:24")
    begins = due(RequestType.ERASURE, received, WEEK, skips_waiting=False)
    assert begins == received + 7 * DAY_MS
    assert asked(received_ms=received, due_ms=begins).expected_ms == at("2021-12-09T00:00:00")


@pytest.mark.parametrize("kind", RequestType)
def test_where_nothing_waits_everything_is_due_at_once(kind: RequestType) -> None:
    """A workspace that lets nothing wait has each request carried out when it comes."""
    assert due(kind, 5, Waiting(0), skips_waiting=False) == 5


def test_an_erasure_can_skip_its_waiting() -> None:
    """A controller may ask that an erasure does not wait."""
    assert due(RequestType.ERASURE, 5, WEEK, skips_waiting=True) == 5


@given(MOMENTS, st.sampled_from([RequestType.ACCESS, RequestType.PORTABILITY]), st.booleans())
def test_access_waits_for_the_start_of_a_monday_or_thursday(received: int, kind: RequestType, skips: bool) -> None:  # noqa: FBT001 - drawn
    """Access and portability are due at the next start of one of the two days, whatever is asked for."""
    begins = due(kind, received, WEEK, skips_waiting=skips)
    moment = datetime.fromtimestamp(begins / 1000, UTC)
    assert received < begins <= received + 4 * DAY_MS
    assert begins % DAY_MS == 0
    assert moment.weekday() in (0, 3)


@given(MOMENTS, MOMENTS)
def test_what_is_expected_is_two_days_after_it_is_due(received: int, due_ms: int) -> None:
    """The day that is named ends two to three days after the request is due."""
    expected = asked(received_ms=received, due_ms=due_ms).expected_ms
    assert expected is not None
    assert due_ms + 2 * DAY_MS <= expected < due_ms + 3 * DAY_MS
    assert expected % DAY_MS == 0


def test_a_request_waits_is_carried_out_and_is_completed() -> None:
    """One after the other, and going on after an interruption changes nothing."""
    request = asked(due_ms=10)
    begun = request.begin(10)
    done = begun.begin(12).complete(20)
    assert [one.state for one in (request, begun, done)] == ["pending", "in_progress", "completed"]
    assert (begun.begin(12), done.begun_ms, done.ended_ms) == (begun, 10, 20)


def test_a_request_is_not_begun_before_it_is_due() -> None:
    """Until then it may be cancelled."""
    with pytest.raises(CantBe):
        asked(due_ms=10).begin(9)


def test_a_request_that_waits_can_be_cancelled() -> None:
    """Nothing is expected of it any more, and nothing happens to it."""
    cancelled = asked(due_ms=10).cancel(5)
    assert (cancelled.state, cancelled.expected_ms, cancelled.ended_ms) == (RequestState.CANCELLED, None, 5)
    for happens in (cancelled.begin, cancelled.complete, cancelled.cancel):
        with pytest.raises(CantBe):
            happens(11)


def test_a_request_that_is_carried_out_can_not_be_cancelled() -> None:
    """Nor can one that is completed, and none is completed twice or before it was begun."""
    begun = asked().begin(1)
    done = begun.complete(2)
    for happens in (begun.cancel, done.cancel, done.begin, done.complete, asked().complete):
        with pytest.raises(CantBe):
            happens(3)


@pytest.mark.parametrize(
    ("identities", "mpid"),
    [((), None), ((EMAIL,), 5), (tuple([EMAIL] * (SUBJECT_IDENTITIES_MAX + 1)), None)],
    ids=["nobody", "both", "too many"],
)
def test_a_subject_is_named_one_way(identities: tuple[SubjectIdentity, ...], mpid: int | None) -> None:
    """By identities, not too many, or by an MPID alone."""
    with pytest.raises(ValueError, match="identities"):
        Subject(identities, mpid)


@pytest.mark.parametrize("days", [-1, WAITING_DAYS_MAX + 1])
def test_waiting_has_a_limit(days: int) -> None:
    """Nobody waits longer than the law allows."""
    with pytest.raises(ValueError, match="days"):
        Waiting(days)


def test_the_same_is_asked_however_the_identities_are_ordered() -> None:
    """Another order is the same request; another type, person, encoding or workspace is another one."""
    one = SubjectRequest("1", 100, Regulation.GDPR, RequestType.ACCESS, Subject((EMAIL, PHONE)), 1, 2, 3)
    other = SubjectRequest("2", 100, Regulation.CCPA, RequestType.ACCESS, Subject((PHONE, EMAIL)), 4, 5, 6)
    assert same_asked(one, other)
    hashed = EMAIL._replace(encoding=Encoding.SHA256)
    for different in (
        SubjectRequest("2", 100, Regulation.GDPR, RequestType.ERASURE, Subject((EMAIL, PHONE)), 1, 2, 3),
        SubjectRequest("2", 101, Regulation.GDPR, RequestType.ACCESS, Subject((EMAIL, PHONE)), 1, 2, 3),
        SubjectRequest("2", 100, Regulation.GDPR, RequestType.ACCESS, Subject((EMAIL,)), 1, 2, 3),
        SubjectRequest("2", 100, Regulation.GDPR, RequestType.ACCESS, Subject((hashed, PHONE)), 1, 2, 3),
        SubjectRequest("2", 100, Regulation.GDPR, RequestType.ACCESS, Subject(mpid=5), 1, 2, 3),
    ):
        assert not same_asked(one, different)
