"""Names every limit of folding a whole log: what is held in memory, what is read at once, and how many take part."""

from typing import Final

READ_LINES: Final = 1_000
"""Lines that are read from the database at once."""

RANGE_LINES: Final = 50_000
"""Numbers of the log that one process reads, names and writes down at once."""

NAMES_A_PART: Final = 1_000_000
"""Identities that lines name among which equal ones are looked for at once: about 130 MB."""

PARTS_MAX: Final = 1_024
"""Parts that the identities are put into; a log that names more than a billion has larger ones."""

NAMES_A_LINE: Final = 3
"""Identities that a line is reckoned to name, beside those that an earlier line of its range has named, before it has
been read."""

PAIRS_HELD: Final = 200_000
"""Pairs of profiles among which equal ones are looked for, so that one is noted once: about 30 MB."""

SHARE_LINES: Final = 50_000
"""Lines that are put into one share on average, all components of them whole: about 30 MB. One process folds a share at
once; a component that is larger makes its share larger, and its lines and records are all held in memory."""

BATCH_LINES: Final = 250
"""Lines of whole components that are read from a share and folded at once."""

WORLD_LINES: Final = 4_000
"""Lines of whole components that are folded into two worlds at once, whose comparison takes some time however few they are."""

PARTED_MAX: Final = 10_000
"""Lines folded at once that are remembered as not being what was logged."""

SHARES_MAX: Final = 4_096
"""Shares of one log; of more than two hundred million lines, they are larger."""

SMALL_SHARE_LINES: Final = 1_000
"""Lines below which a share is not made smaller so that every process has one."""

SHARES_A_PROCESS: Final = 4
"""Shares that each process gets at least of a log that is large enough, so that none has to wait long for the last."""

PROCESSES_MAX: Final = 64
"""Processes that fold, if there are as many processors."""

ALONE_LINES: Final = 20_000
"""Numbers of a log for which more than one process is not worth its start."""

STOP_SECONDS: Final = 30.0
"""How long another process may take to end after the first one has given up."""

RECORDS_COMPARED: Final = 500
"""Records that are read at once to be compared."""

ROWS_COMPARED: Final = 10_000
"""Rows of other tables that the database compares at once."""

NEWER_LINES_MAX: Final = 1_000
"""Lines that may have changed a profile since its log was read, before it is not judged in this run."""

LOOKS_MAX: Final = 5
"""Times that a record is looked at again which changes while it is compared."""

DIFFERENCES_MAX: Final = 1_000
"""Differences that one run remembers; of further ones it tells how many there are."""

DIFFERENCES_TOLD_MAX: Final = 20
"""Differences of one pool that the report of a check in the background names, of each kind."""
