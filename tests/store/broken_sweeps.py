"""Memory stores that give the sections of a workspace in a way that is broken, to show that the conformance suite notices."""

from collections.abc import Sequence

from knownas.store.audiences import SectionPage, Stretch
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.traces import Traces
from knownas.store.user_data import SectionKey


class ShortStretches(MemoryAudiences):
    """Ends a stretch before its last section, and begins the next one after it."""

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        page = await super().sections_in(workspace, after, until, limit, traces)
        if page is None or page.last != until or len(page.mpids) == 1:
            return page
        return SectionPage(page.mpids[:-1], page.environments[:-1], page.documents[:-1], page.versions[:-1], page.last)


class WholeWorkspaces(MemoryAudiences):
    """Gives the sections of a stretch and all that come after it."""

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        del until
        last = await super().stretch(workspace, after, limit)
        return None if last is None else await super().sections_in(workspace, after, last.until, limit, traces)


class Traceless(MemoryAudiences):
    """Gives whoever there is, whatever is looked for."""

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        del traces
        return await super().sections_in(workspace, after, until, limit)


class TracesOfSectionsAlone(MemoryAudiences):
    """Finds nobody by their events."""

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        lessened = None if traces is None else traces._replace(events=())
        return await super().sections_in(workspace, after, until, limit, lessened)


class TracesAsTheyAreWritten(MemoryAudiences):
    """Takes capitals for other letters."""

    def _bears(self, key: SectionKey, document: bytes, traces: Traces) -> bool:
        text = document.decode()
        as_written = [one for one in traces.sections if all(piece in text for piece in one)]
        return super()._bears(key, document, traces._replace(sections=as_written))


class TracesInTheFirstEvents(MemoryAudiences):
    """Looks for a trace in the first events alone."""

    def _bears(self, key: SectionKey, document: bytes, traces: Traces) -> bool:
        first_of = self._user_data.kept_events(key)[:1]
        is_late = any(one.last_ms >= traces.since_ms and b"bought" in one.document.lower() for one in first_of)
        return is_late or super()._bears(key, document, traces._replace(events=()))


class EndlessStretches(MemoryAudiences):
    """Gives the first stretch again and again."""

    async def stretch(self, workspace: int, after: str | None, length: int) -> Stretch | None:
        found = await super().stretch(workspace, after, length)
        return found and await super().stretch(workspace, None, length)


class AnyWorkspace(MemoryAudiences):
    """Gives the sections of all workspaces."""

    async def section_keys(self, workspace: int, after: SectionKey | None, limit: int) -> Sequence[SectionKey]:
        del workspace
        keys = sorted(self._user_data.section_keys(), key=lambda key: (key.mpid, key.environment))
        return [key for key in keys if after is None or key.mpid > after.mpid][:limit]


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryAudiences) and one is not MemoryAudiences
]
