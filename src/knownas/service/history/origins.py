"""Says of each identity of a profile since when it has it, and by which decision; and which it had before, and how they went.

The log is the truth; this is what its lines about one profile come to. Nothing is written for it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from knownas.core.identity.decision import Change, ChangeKind
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint
from knownas.service.identity.log_form import observation_from
from knownas.service.identity.receipts import changes_of
from knownas.service.limits import PAGE_MAX
from knownas.store.port import LogEntry, Store

ORIGIN_LINES_MAX: Final = 5_000
"""Lines of the log that are read for one profile; of a longer history the later part is not told."""

_LOSSES: Final = frozenset({ChangeKind.REMOVED, ChangeKind.DROPPED})


class Turn(NamedTuple):
    """An identity came to a profile, or left it: when (Unix milliseconds), by which decision about what request, through which input.

    `other` is the profile from which it came, or to which it went; None if there is none.
    """

    at_ms: int
    decision_id: str
    endpoint: Endpoint
    input: str
    other: int | None = None


class Had(NamedTuple):
    """An identity that a profile had: how it came, if that is known, and how it went."""

    identity: Identity
    came: Turn | None
    went: Turn


class Origins(NamedTuple):
    """How each identity that a profile has came to it, and those that it had, the last that went first.

    `is_whole` is False where the log has more lines about the profile than are read.
    """

    held: Mapping[Identity, Turn]
    had: Sequence[Had]
    is_whole: bool


async def origins_of(store: Store, mpid: int) -> Origins:
    """Return where the identities of a profile come from.

    Raises:
        StoreError: the store does not answer.
    """
    held: dict[Identity, Turn] = {}
    had: dict[Identity, Had] = {}
    after = read = 0
    while read < ORIGIN_LINES_MAX:
        page = await store.history(mpid, after, PAGE_MAX)
        for entry in page:
            if entry.touched:
                _tell(entry, mpid, held, had)
        if len(page) < PAGE_MAX:
            break
        after, read = page[-1].seq, read + len(page)
    gone = [one for one in had.values() if one.identity not in held]
    return Origins(held, sorted(gone, key=lambda one: -one.went.at_ms), is_whole=read < ORIGIN_LINES_MAX)


def lost_by(change: Change) -> int | None:
    """Return the profile that an identity left by a change; None if it left none."""
    return change.mpid if change.kind in _LOSSES else change.from_mpid


def gained_by(change: Change) -> int | None:
    """Return the profile to which an identity came by a change; None if it came to none."""
    return None if change.kind in _LOSSES else change.mpid


def _tell(entry: LogEntry, mpid: int, held: dict[Identity, Turn], had: dict[Identity, Had]) -> None:
    changes = [one for one in changes_of(entry) if mpid in (one.mpid, one.from_mpid)]
    if not changes:
        return
    observation = observation_from(entry.observation)
    turn = Turn(entry.at_ms, entry.decision_id, observation.endpoint, observation.input)
    for change in changes:
        if gained_by(change) == mpid:
            held[change.identity] = turn._replace(other=change.from_mpid)
        elif lost_by(change) == mpid:
            to = gained_by(change)
            had[change.identity] = Had(change.identity, held.pop(change.identity, None), turn._replace(other=to))
