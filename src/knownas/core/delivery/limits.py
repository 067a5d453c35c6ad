"""Names every limit of the delivery's rules: pauses, tries and what counts as an outage."""

from typing import Final

PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 3_600.0
"""The pause before something is sent again: random up to the first, doubled with each failure, never up to more than the second."""

ASKED_PAUSE_SECONDS_MAX: Final = 86_400.0
"""The longest pause that a destination can ask for; beyond it, it is asked again."""

FAILURES_TO_OPEN: Final = 5
"""Failures in a row after which a destination counts as out: then a single message finds out whether it is back."""

OPEN_SECONDS_MIN: Final = 5.0
"""The least time for which a destination that is out is left alone."""

OUT_HOURS_MAX: Final = 72
"""Hours without a single success after which an output is faulted; what waits goes on waiting."""

TRIES_MAX: Final = 20
"""Times that a message is sent which the destination could not take beside others that it took; then it is a dead letter. With the
pauses in between that takes some hours."""

REFUSALS_IN_A_ROW_MAX: Final = 20
"""Messages of one connection that are refused with none accepted in between, after which the output is faulted: it is not the messages."""
