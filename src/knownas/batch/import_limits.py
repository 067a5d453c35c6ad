"""Names every limit of an import: rows, columns, chunks, samples and waits."""

from typing import Final

ROW_BYTES_MAX: Final = 80_000
"""Bytes of one row's values, or of one line of JSON; a longer one is refused (platform §11.2)."""

COLUMNS_MAX: Final = 200
"""Columns of a file, members of nested objects counted one by one."""

NESTING_MAX: Final = 3
"""Levels of objects inside one another in a line of JSON; what lies deeper is no value."""

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""What is read of a CSV file at once; a row that is longer ends the reading."""

READ_ROWS: Final = 10_000
"""Rows of a Parquet file that are taken out of their row group at once."""

HEAD_BYTES: Final = 4_096
"""What is looked at of a file's beginning to see whether it is what its name says."""

CHUNK_ROWS: Final = 20_000
"""Rows decided together, with one read and one commit. A server on the same database waits for at most one chunk."""

FIRST_SECTION_ROWS: Final = 100_000
"""Rows of the first section, so that the processes that decide have something to do soon."""

SECTION_GROWTH: Final = 3
"""How many times as many rows the next section has: about what one process arranges while others decide the last one."""

SECTION_ROWS: Final = 1_000_000
"""The most rows of which those about one user are put side by side. The more, the less often a profile is written."""

LANE_NAMES_MAX: Final = 4_000_000
"""Names of rows for which it is remembered which process has decided them; beyond, all are forgotten."""

SECTION_BYTES: Final = 256 * 1024 * 1024
"""Bytes of the rows of a section, which are held in memory while it is arranged."""

INDEX_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of the file that says where the pieces of a section stand."""

STEP_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Bytes of what the rows of a chunk came to, as it is written down before they are committed."""

PROCESSES_MAX: Final = 8
"""Processes that decide rows, if there are as many processors."""

ALONE_BYTES_MAX: Final = 2 * 1024 * 1024
"""Bytes of a file for which more than one process is not worth its start."""

STOP_SECONDS: Final = 60.0
"""How long another process may take to finish a chunk after the first one has given up."""

PREVIEW_ROWS: Final = 10_000
"""Rows that a preview decides; it only reads the others."""

PREVIEW_SHOWN: Final = 10
"""Rows that a preview shows one by one."""

REFUSALS_SHOWN: Final = 20
"""Refused rows that a preview shows one by one."""

SAMPLED_ROWS: Final = 1_000
"""Lines of JSON that are looked at to learn the columns before the import begins."""

REASONS_COUNTED_MAX: Final = 100
"""Different reasons of refusals that a summary counts."""

BUSY_ATTEMPTS_MAX: Final = 5
"""Times that a chunk waits for somebody who holds the store's lock, some seconds each, before the import stops."""

MAPPING_BYTES_MAX: Final = 1_048_576
"""Bytes of a mapping file."""

CHECKPOINT_BYTES_MAX: Final = 1024 * 1024
"""Bytes of the file beside the results that says how far an import has come."""

DIGEST_BYTES: Final = 1_048_576
"""Bytes of a file that its digest takes at once."""
