"""Changes a small document that servers keep in their database, as several of them may at the same time.

A store takes the place of one document by another only while the first one is still there. So whoever changes one reads it, makes the new
one of it, and is told when somebody was faster; what was made is thrown away then, and made again of what is kept now.
"""

from collections.abc import Callable

from knownas.service.limits import REWRITE_ATTEMPTS_MAX
from knownas.service.retrying import pause_before_retry
from knownas.store.errors import StoreBusy
from knownas.store.port import Store


async def put(store: Store, name: str, before: bytes | None, after: bytes) -> bool:
    """Put a document in the place of another, or of none; False if what is kept there is not `before`.

    Raises:
        StoreError: the store could not do it.
    """
    return await (store.keep(name, after) if before is None else store.replace_kept(name, before, after))


async def rewrite(store: Store, name: str, make: Callable[[bytes | None], bytes | None]) -> None:
    """Put in the place of a document what `make` makes of it; it stays if that is the same, or None.

    `make` is given None if nothing is kept under that name, and is called again for each time that somebody was faster.

    Raises:
        StoreBusy: somebody was faster `REWRITE_ATTEMPTS_MAX` times.
        StoreError: the store could not do it.
    """
    for attempt in range(REWRITE_ATTEMPTS_MAX):
        before = await store.kept(name)
        after = make(before)
        if after is None or after == before or await put(store, name, before, after):
            return
        await pause_before_retry(attempt)
    raise StoreBusy(f"others have changed {name!r} {REWRITE_ATTEMPTS_MAX} times at once")
