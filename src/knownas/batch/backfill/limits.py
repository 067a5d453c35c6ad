"""Names every limit of a backfill: rows, components, memory, buckets and waits."""

from typing import Final

FILES_MAX: Final = 10_000
"""Files of one history."""

FILE_ROWS_MAX: Final = 1 << 40
"""Rows of one file; a row is known by its file's place and its own number, as one number."""

HISTORY_ROWS_MAX: Final = 1 << 62
"""Rows of a history: as many as there are MPIDs to give."""

STAGED_ROWS: Final = 250_000
"""Rows that are read before they are put down for the next step."""

LARGEST_COMPONENT: Final = 20_000
"""Different observations that share identities, directly or through others, before the values that join them are cut."""

LARGEST_COMPONENT_MAX: Final = 10_000_000
"""The largest that the limit above can be set to: they are folded in one process, one after the other."""

KNOWN_MEETINGS_MAX: Final = 200
"""Different observations in which a value of a login or unique type may stand in a component that is too large."""

MEETINGS_MAX: Final = 1_000
"""The same of every other type."""

CUT_ROUNDS_MAX: Final = 64
"""Times that values are set aside and the rest is linked anew; each time the most met value that is left is halved."""

CUT_CANDIDATES_MAX: Final = 10_000
"""Values of one component that are looked at in a round, those that are met most."""

CUT_SHOWN_MAX: Final = 1_000
"""Values set aside that the report names; the rest is counted."""

QUARANTINED_COUNTED_MAX: Final = 10_000
"""Different combinations of quarantined values in one row that are counted, the commonest; all are set aside."""

QUARANTINED_LISTED_MAX: Final = 1_000
"""Values that a backfill lists because of their looks, the commonest, as many as a server lists at a time."""

COMPONENTS_SHOWN_MAX: Final = 20
"""Largest components that the report names."""

BUCKET_ROWS: Final = 100_000
"""Rows, about, that a process takes at a time; a component is never parted."""

BUCKETS_MIN: Final = 16
"""Buckets of a history on Spark, however small, so that its machines have something to do."""

BUCKETS_MAX: Final = 1_000
"""Buckets of a history on one machine; that of a larger one has more rows in each."""

FOLD_ROWS: Final = 20_000
"""Rows that are turned into Python's values at once, and whose outcome is written down together."""

PROCESSES_MAX: Final = 64
"""Processes that fold, if there are as many processors."""

MEMORY_MEGABYTES: Final = 2_048
"""What DuckDB may take for linking and sorting; beyond, it uses the disk."""

MEMORY_MEGABYTES_MIN: Final = 256
"""The least that can be given to it."""

LOAD_ROWS: Final = 50_000
"""Rows that are loaded in one transaction. A server on the same database waits for at most one."""

STOP_SECONDS: Final = 60.0
"""How long a process may take to finish a bucket after another one has failed."""

STATE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Bytes of the file that says how far a backfill is, with the toxic values that were listed when it began."""

REASONS_COUNTED_MAX: Final = 100
"""Different reasons of refusals that the report counts."""
