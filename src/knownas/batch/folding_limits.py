"""Names every limit of folding a whole log: what is held in memory, what is read at once, and how many take part."""

from typing import Final

READ_LINES: Final = 5_000
"""Lines that are read from the database at once."""

RANGE_LINES: Final = 25_000
"""Numbers of the log that one process reads, names and writes down at once."""

NAMES_A_PART: Final = 1_000_000
"""Names of lines among which equal ones are looked for at once: about 130 MB."""

PARTS_MAX: Final = 1_024
"""Parts that the names are put into; a log of more than a billion names has larger ones."""

NAMES_A_LINE: Final = 5
"""Names that a line is reckoned to have before it has been read."""

SHARE_LINES: Final = 100_000
"""Lines that one process folds at once, all components of them whole: about 150 MB of records. A component that is larger
is a share by itself, whose records are all held in memory."""

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
