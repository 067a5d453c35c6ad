"""Folds the rows of a chunk into what the workspace knows of their users, and keeps it durably.

Folding a row twice changes nothing, since all rows of an import count as said when it began. So a chunk whose
identities were committed before a kill is simply folded again.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from knownas.core.limits import ATTRIBUTES_MAX
from knownas.core.profile.event import EventBatch
from knownas.core.profile.section import Section, fold
from knownas.service.limits import COMMIT_ATTEMPTS_MAX
from knownas.service.profile.sections import read, section_write
from knownas.service.retrying import pause_before_retry
from knownas.store.errors import StoreBusy
from knownas.store.user_data import SectionKey, StoredSection, UserDataCommit, UserDataStore

log: Final = logging.getLogger(__name__)


class Said(NamedTuple):
    """What a row says of a profile, to the workspace's section of it."""

    key: SectionKey
    batch: EventBatch


async def keep_sections(store: UserDataStore, said: Sequence[Said], fresh: Collection[int] = frozenset()) -> None:
    """Fold what rows say, in their order, into a workspace's sections of their profiles.

    `fresh` are profiles made just now, which nobody can have a section of yet; where somebody has, it is noticed.

    Raises:
        StoreError: the store could not keep it.
    """
    keys = dict.fromkeys(key for key, _ in said)
    wanted = [key for key in keys if key.mpid not in fresh]
    for attempt in range(COMMIT_ATTEMPTS_MAX):
        stored: Mapping[SectionKey, StoredSection] = (await store.load(wanted)).sections if wanted else {}
        before = {key: read(section) for key, section in stored.items()}
        after: dict[SectionKey, Section] = dict(before)
        left_out: dict[int, Sequence[str]] = {}
        for key, batch in said:
            folded = fold(after.get(key), batch)
            after[key] = folded.section
            if folded.attributes_left_out:
                left_out[key.mpid] = folded.attributes_left_out
        writes = [
            section_write(key, stored.get(key), section) for key, section in after.items() if section != before.get(key)
        ]
        if not writes or await store.commit(UserDataCommit(sections=writes)):
            _tell(left_out)
            return
        wanted = list(keys)
        await pause_before_retry(attempt)
    raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")


def _tell(left_out: Mapping[int, Sequence[str]]) -> None:
    """Say what full profiles have no room for: an attribute is no reason to refuse a row, and nothing goes unsaid."""
    for mpid, names in left_out.items():
        log.warning("profile %s has %s attributes, and no room for: %s", mpid, ATTRIBUTES_MAX, ", ".join(names))
