"""Promises about what the status of an answer means."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis
from knownas.outputs.refusing import is_success, refusal, retry_after_seconds
from tests.outputs.messages import NOW_MS


@given(st.integers(100, 999), st.text(max_size=20), st.none() | st.floats(0, 86400))
def test_every_status_has_a_meaning(status: int, text: str, wait: float | None) -> None:
    """No status is unknown: none is taken for a success that is none, and no fault of the other side loses a message."""
    if is_success(status):
        assert status // 100 == 2
        return
    outcome = refusal(status, text, wait)
    if status >= 500:
        assert isinstance(outcome, NotNow)
        assert outcome.wait_seconds == wait
    elif status < 400:
        assert isinstance(outcome, NotAtAll)
    else:
        assert isinstance(outcome, NotNow | NotThis | NotAtAll)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, ASKED_PAUSE_SECONDS_MAX),
        (formatdate(NOW_MS / 1000 + 90, usegmt=True), 90.0),
        (formatdate(NOW_MS / 1000 - 90, usegmt=True), 0.0),
        (formatdate(NOW_MS / 1000 + 10**6, usegmt=True), ASKED_PAUSE_SECONDS_MAX),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("\u0661\u0662", None),
        (None, None),
    ],
)
def test_wait_that_is_asked_for_is_kept_to(header: str | None, seconds: float | None) -> None:
    """Seconds and dates of HTTP are understood, and no destination makes us wait for ever."""
    assert retry_after_seconds(header, NOW_MS) == seconds


@given(st.text(max_size=60))
def test_any_header_is_read(header: str) -> None:
    """Whatever a destination writes there, the wait is none, or between nothing and the limit."""
    seconds = retry_after_seconds(header, NOW_MS)
    assert seconds is None or 0 <= seconds <= ASKED_PAUSE_SECONDS_MAX
