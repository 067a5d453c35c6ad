"""Names every limit of what is done for data subjects: waits, retries, steps and calls."""

from typing import Final

SUBJECT_REQUEST_ATTEMPTS_MAX: Final = 20
"""Times that a data subject's request is changed again because others were faster."""

PRIVACY_LOOK_SECONDS: Final = 5.0
"""How often a process looks for data subjects' requests that are due, and for callbacks that others have left."""

REQUESTS_A_LOOK_MAX: Final = 100
"""Due requests of data subjects that are carried out before the clock is looked at again."""

REQUESTS_LEFT_MAX: Final = 1_000
"""Due requests that are passed over because this process can't carry them out, before it gives up for now."""

PRIVACY_PAUSE_SECONDS_MIN: Final = 5.0
PRIVACY_PAUSE_SECONDS_MAX: Final = 3_600.0
"""The pause before a request that failed is tried again: as long as it is due by now, between these two."""

PRIVACY_TURN_MS: Final = 60_000
"""How long after its last sign of life a process counts as gone that carries requests out, or calls."""

REQUESTS_FORGOTTEN_A_STEP: Final = 200
"""Old requests of data subjects that are removed in one transaction."""

FORGET_EVERY_SECONDS: Final = 3_600.0
"""How often requests are looked for that have ended long ago."""

CALL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 3.0
"""How long a call to somebody outside may take, and of that to be connected to one address."""

ADDRESSES_TRIED_MAX: Final = 4
"""Addresses of a host that are tried, one after the other."""

CALLS_AT_ONCE_MAX: Final = 8
"""Calls that are under way at a time."""

CALLS_A_LOOK_MAX: Final = 40
"""Requests of which somebody is told before the clock is looked at again."""

CALLS_WAITING_SEEN_MAX: Final = 2_000
"""Outstanding callbacks that are looked through, so that each is told in its order; of more, later ones may come first."""

CALL_PAUSE_SECONDS: Final = 5.0
CALL_PAUSE_SECONDS_MAX: Final = 21_600.0
"""The pause before a call that failed is tried again: the first, doubled each time, never more than the second."""

CALLED_FOR_DAYS_MAX: Final = 7
"""Days for which a call is tried again; then it is given up, and the evidence says so."""

DELETED_A_STEP: Final = 200
"""Things of a profile that a bulk deletion removes in one transaction."""

DELETION_TAKEN_UP_MS: Final = 60_000
"""How long after it began a bulk deletion is completed by somebody else, if whoever began it has not."""

DELETION_STEPS_MAX: Final = 100_000
"""Transactions in which a bulk deletion removes what there is of one profile."""
