"""Writes down why somebody is in an audience, or is not."""

from collections.abc import Iterable
from typing import Any

from knownas.core.audience.reasons import Reason


def reason_documents(told: Iterable[Reason]) -> list[dict[str, Any]]:
    """Write reasons down as they are shown."""
    return [
        {
            "place": one.place,
            "condition": one.sentence,
            "holds": one.holds,
            "found": list(one.found),
            "events": list(one.events),
        }
        for one in told
    ]
