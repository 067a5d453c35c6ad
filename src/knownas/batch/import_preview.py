"""Shows what an import would do, and writes nothing: what columns mean, what becomes of the first rows and why.

The first rows are decided the way the import would, each seeing what those before it would change. The others are
only read, so that every row that can't be is counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from knownas.batch.import_deciding import Decider
from knownas.batch.import_limits import PREVIEW_ROWS, PREVIEW_SHOWN, REFUSALS_SHOWN
from knownas.batch.import_reading import RowReader, RowRefusal
from knownas.batch.import_results import RowOutcome, RowResult, Tally
from knownas.batch.import_rows import RowInterpreter
from knownas.batch.import_running import Job
from knownas.batch.import_staging import staged_row
from knownas.service.chance import Chance
from knownas.store.port import Pool, Snapshot, Store, StoredProfile, Wanted


@dataclass(slots=True)
class Preview:
    """What an import would do. `decided` counts the first rows' outcomes, `unreadable` why later ones are refused."""

    rows: int = 0
    decided: Tally = field(default_factory=Tally)
    first: Sequence[RowResult] = ()
    refused: Sequence[RowResult] = ()
    unreadable: Mapping[str, int] = field(default_factory=dict[str, int])


class _Look:
    """Reads of a store. A pool that nobody has written to is not even asked for, since that would note it down."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: dict[Pool, bool] = {}

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the rows of a chunk need."""
        for pool in {one.pool for one in wanted} - self._used.keys():
            self._used[pool] = bool(await self._store.records(pool, None, 1))
        return await self._store.load([one for one in wanted if self._used[one.pool]])

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID."""
        return await self._store.profile(mpid)


async def preview(job: Job, store: Store, chance: Chance, now_ms: int) -> Preview:
    """Look at a whole file and decide its first rows.

    Raises:
        UnreadableFile: the file can't be read to its end.
        StoreError: the store could not be read.
    """
    decider = Decider(_Look(store), job.source(now_ms), chance)
    interpreter = RowInterpreter(job.reading)
    rows = iter(RowReader(job.file))
    sample = [staged_row(row.number, interpreter.content(row)) for row in islice(rows, PREVIEW_ROWS)]
    decided = await decider.decide(sample)
    shown = Preview(rows=len(sample), decided=Tally().with_results(decided.results))
    shown.first = decided.results[:PREVIEW_SHOWN]
    refused = [one for one in decided.results if one.outcome is RowOutcome.REFUSED]
    unreadable: Counter[str] = Counter()
    for row in rows:
        shown.rows += 1
        content = interpreter.content(row)
        if isinstance(content, RowRefusal):
            unreadable[content.reason] += 1
            if len(refused) < REFUSALS_SHOWN:
                refused.append(RowResult(row.number, RowOutcome.REFUSED, None, content.reason, content.sentence))
    shown.refused = refused[:REFUSALS_SHOWN]
    shown.unreadable = dict(unreadable)
    return shown
