"""Shows toxic values to people and programs, with the profiles that they hold together or would."""

from collections.abc import Sequence
from typing import Final

from knownas.core.identity.document import Document
from knownas.service.history.subjects import subject_of
from knownas.service.identity.log_form import decision_from
from knownas.service.identity.receipts import rfc3339
from knownas.service.toxic.deciding import SHOWN_JOINED_MAX
from knownas.service.toxic.list import ToxicValue
from knownas.store.port import Store

_LINES_SHOWN_MAX: Final = 50
"""Lines that are read to tell whom a value would join: the first ones that set it aside."""


async def joined_by(store: Store, value: ToxicValue) -> Sequence[int]:
    """Return profiles that a value joins or would.

    They are some that it held together when it was found, and those of the first requests that named it while it was set aside.

    Raises:
        StoreError: the store does not answer.
    """
    would_join = dict.fromkeys(value.would_join)
    for entry in await store.history(subject_of(value.pool, value.identity), 0, _LINES_SHOWN_MAX):
        answered = decision_from(entry.decision).answered
        if answered is not None:
            would_join[answered] = None
    return list(would_join)[:SHOWN_JOINED_MAX]


async def show_value(store: Store, value: ToxicValue) -> Document:
    """Return a value as our own API answers it; `would_join` as `joined_by` says.

    Raises:
        StoreError: the store does not answer.
    """
    return {
        "type": value.type,
        "value": value.value,
        "environment": value.environment or "shared",
        "state": value.state,
        "reason": value.reason,
        "since": rfc3339(value.since_ms),
        "history": value.past,
        "decision_id": value.decision_id,
        "met": value.met._asdict(),
        "joined": value.joined,
        "would_join": [str(mpid) for mpid in await joined_by(store, value)],
    }
