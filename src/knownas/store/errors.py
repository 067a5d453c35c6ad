"""Lists what can go wrong with a store: the closed vocabulary of every adapter.

A conflict is not among them: losing a race is an expected outcome of a commit, and a value (`port.Conflict`).
"""


class StoreError(Exception):
    """The store could not do what it was asked. `code` is stable; the text is for operators."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The store does not answer now, or is closed; asking again later may help."""

    code = "store_unavailable"


class StoreBusy(StoreUnavailable):
    """Somebody else held the store's locks for longer than we wait."""

    code = "store_busy"


class StoreFull(StoreError):
    """There is no room left to write; reads go on."""

    code = "store_full"


class StoreReadOnly(StoreError):
    """The store's files or server refuse writes."""

    code = "store_read_only"


class StoreDamaged(StoreError):
    """What the store holds contradicts itself or can't be read; a restore is needed."""

    code = "store_damaged"


class StoreTooNew(StoreError):
    """The store was written by a newer knownas, whose layout this one does not know."""

    code = "store_too_new"


class UnknownOutcome(StoreError):
    """The connection was lost while a commit was under way: it may have happened or not."""

    code = "unknown_outcome"
