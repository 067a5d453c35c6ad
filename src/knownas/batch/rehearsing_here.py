"""Folds the history of a store in memory, in the process that holds it: no other one can see it."""

from collections.abc import Sequence

from knownas.batch.folding import FoldStep
from knownas.batch.rehearsing import RehearsingHow, Watch, differing, rehearse_store, report_document, stage_of
from knownas.batch.verifying import check_document, verify_store
from knownas.core.identity.document import Document
from knownas.core.identity.policy import Policy
from knownas.service.history.folds import Differing, Tell, ToRehearse
from knownas.store.port import Pool, Store


class StoreFolds:
    """Folds a store in memory. Implements `service.history.folds.Folds`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def rehearse(self, rehearsal: ToRehearse, tell: Tell) -> Document:
        """See `Folds.rehearse`."""
        return report_document(await rehearse_store(self._store, rehearsal, RehearsingHow(), _watch(tell)))

    async def check(self, scopes: Sequence[str], tell: Tell, *, rows: bool) -> Document:  # noqa: ARG002 - it has no rows
        """See `Folds.check`."""
        return check_document(await verify_store(self._store, scopes, _watch(tell)))

    async def differing(self, scope: str, policy: Policy, tell: Tell) -> Sequence[Differing]:
        """See `Folds.differing`."""
        how = RehearsingHow(tells_starts=True)
        return differing(await rehearse_store(self._store, ToRehearse(scope, policy), how, _watch(tell)))


def _watch(tell: Tell) -> Watch:
    def watch(pool: Pool, step: FoldStep) -> None:
        tell(stage_of(pool, step))

    return watch
