"""What every destination that is reached by HTTP has in common: what it does with each way in which a server can refuse or break."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import pytest

from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Trouble
from knownas.outputs import posting
from tests.outputs.receiving import HANGING, HANGING_UP, Answering, Behaviour, answering

REFUSALS: Final[Mapping[str, Behaviour]] = MappingProxyType(
    {
        "hang": HANGING,
        "hang up": HANGING_UP,
        "cut off": Answering(200, b'{"type": "something"}', cut_after=5),
        "400": answering(400, {"message": "ada@example.com is malformed"}),
        "401": answering(401, {"message": "no such key"}),
        "429": answering(429, Retry_After="9"),
        "500": answering(500),
        "503": answering(503),
    }
)
"""What a server does instead of taking messages, by name."""

MEANING: Final[Mapping[str, tuple[type[Outcome], Trouble | None]]] = MappingProxyType(
    {
        "hang": (NotNow, Trouble.TIMEOUT),
        "hang up": (NotNow, Trouble.FAILED),
        "cut off": (NotNow, Trouble.FAILED),
        "400": (NotThis, None),
        "401": (NotAtAll, None),
        "429": (NotNow, Trouble.BUSY),
        "500": (NotNow, Trouble.FAILED),
        "503": (NotNow, Trouble.BUSY),
    }
)
"""What comes of it where the protocol of a destination says nothing else."""

each_refusal = pytest.mark.parametrize("how", sorted(REFUSALS))


@pytest.fixture
def short_of_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests end soon that are not answered; those that are have their time, on a busy machine as well."""
    parameters: dict[str, object] = getattr(getattr(request.node, "callspec", None), "params", {})
    if parameters.get("how", "hang") == "hang":
        monkeypatch.setattr(posting, "REQUEST_SECONDS", 0.3)


def assert_means(outcome: Outcome, how: str) -> None:
    """Fail unless an outcome is what a refusal means, and says nothing of anybody."""
    kind, trouble = MEANING[how]
    assert isinstance(outcome, kind)
    assert (outcome.trouble if isinstance(outcome, NotNow) else None) is trouble
    assert isinstance(outcome, NotNow | NotThis | NotAtAll)
    assert "ada" not in outcome.detail
    if how == "429":
        assert isinstance(outcome, NotNow)
        assert outcome.wait_seconds == 9.0
