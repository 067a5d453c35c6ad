"""Names every limit of this adapter: connections, waits, tries."""

from typing import Final

CONNECTIONS_MAX: Final = 8
"""Connections that one server process opens. One carries the requests for resolution, the others the rest."""

CONNECT_SECONDS: Final = 2.0
"""How long opening a connection may take, for each of the servers that the URL names; and as long again, until a server
with synchronous replicas has confirmed a write."""

WAITING_FOR_CONNECTION_MAX: Final = 1_000
"""Calls that wait for a connection; a further one says StoreBusy at once."""

FREE_CONNECTION_SECONDS: Final = 2.0
"""How long a call waits for a connection that is free; then it says StoreBusy."""

CALL_SECONDS: Final = 5.0
"""How long an answer of the server may take; then the connection is given up."""

CALL_SECONDS_A_ROW: Final = 0.0005
"""How much longer, for each row that is looked up or written: an import does twenty thousand at once."""

SLOW_CALL_SECONDS: Final = 25.0
"""The same for counting and removing what is old."""

BULK_SECONDS: Final = 600.0
"""How long loading some rows of a new pool may take; it is in nobody's way."""

PING_SECONDS: Final = 1.0
"""How long a server that works may take to say so."""

SETTLE_SECONDS: Final = 2.0
"""How long a commit whose answer was lost is looked for; then its outcome is unknown."""

CLOSE_SECONDS: Final = 2.0
"""How long calls under way may take when the store is closed."""

STATEMENT_TIMEOUT_MS: Final = 30_000
"""How long the server goes on with a statement; ours have been given up by then."""

LOCK_TIMEOUT_MS: Final = 2_000
"""How long a statement waits for each lock; then it fails, and says StoreBusy."""

IDLE_IN_TRANSACTION_MS: Final = 10_000
"""How long the server waits for the next statement of a transaction; only bringing the layout up to date has several."""

WRITE_ATTEMPTS_MAX: Final = 5
"""Times a transaction is tried that met others in a deadlock, or whose connection was lost before it was kept."""

RETRY_PAUSE_SECONDS: Final = 0.01
"""The longest pause before the second of these tries; each further one at most twice as long."""

LAYOUT_ATTEMPTS_MAX: Final = 10
"""Times a server tries to bring the layout up to date while others hold the locks it needs."""

TOUCH_ATTEMPTS_MAX: Final = 3
"""Times activities are moved of profiles that changed meanwhile; the next visit does it otherwise."""

STATEMENTS_CACHED: Final = 100
"""Statements that a connection keeps prepared: more than there are."""

LOG_SETTLED_SECONDS: Final = 1.0
"""How long a reader of the log waits for commits under way; then it is shown the log up to these."""

LOG_PAUSE_SECONDS: Final = 0.005
"""The pause before it looks again."""

UNSETTLED_SECONDS: Final = 2.0
"""How long a reader of a distributed database waits for a commit that is visible in part; then it says StoreBusy."""

UNSETTLED_PAUSE_SECONDS: Final = 0.004
"""The longest pause before it reads again."""

TOKENS_FORGOTTEN_EVERY_SECONDS: Final = 600.0
TOKENS_FORGOTTEN_AT_ONCE: Final = 10_000
"""How often a process removes old tokens of commits, and how many by one statement."""

OLDEST_SERVER: Final = 140_000
"""The oldest PostgreSQL, as it numbers itself: 14."""

OLDEST_CITUS: Final = 12
"""The oldest Citus over which a database can be distributed."""

SHARDS: Final = 32
SHARDS_MAX: Final = 1_024
"""Into how many parts each table is divided when a database is distributed, unless told otherwise, and at most."""

SCRUB_LOCK_MS: Final = 500
"""How long writing a table anew waits for its lock each time: whoever wants the table meanwhile waits behind it."""

SCRUB_PAUSE_SECONDS: Final = 0.2
"""The pause before it is tried again."""

SCRUB_WAIT_SECONDS: Final = 10.0
"""How long others may be in the way of writing a table anew; then it is left for another time."""

SCRUB_TABLE_SECONDS: Final = 60
"""How long writing one table anew may take, for which everybody else is kept from it; then it is given up."""

SCRUB_VALUES_AT_ONCE: Final = 1_000
"""Versions of values that nobody holds, removed by one statement."""
