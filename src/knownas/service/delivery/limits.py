"""Names every limit of delivering: waits, pages, and how much is under way at once."""

from typing import Final

SEND_SECONDS: Final = 40.0
"""How long one request to a destination may take before it is called off; senders have shorter limits of their own."""

SENDS_AT_ONCE_MAX: Final = 64
"""Requests to destinations that one process has under way at a time: one for each output."""

DELIVERY_LOOK_SECONDS: Final = 2.0
"""How often it is looked for what other processes have left to be told."""

DELIVERY_LOOK_PAUSE_SECONDS: Final = 0.25
"""The least time between two looks at what waits, where nothing could be sent at the first."""

DELIVERY_TURN_MS: Final = 75_000
DELIVERY_TURN_RENEWED_MS: Final = 15_000
"""How long after its last sign of life a process counts as gone that delivers, and how often it gives one. No request is begun that
could outlast the turn."""

DELIVERY_RETRY_SECONDS: Final = 2.0
"""How long the delivery to an output waits where the store does not work."""

WAITING_A_PAGE: Final = 100
"""Deliveries that are read at once."""

WAITING_SEEN_MAX: Final = 2_000
"""Deliveries of an output that are looked through for those that can be sent. If so many are held back by others that have to be tried
again, the rest waits until these are sent or given up."""

SEEN_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of waiting deliveries that are looked through at once; events can be large."""

GROWN_BY: Final = 8
"""While a request waits for more, it is decided on anew when one for so many of those that wait has come."""

PLANNED_ON_THE_LOOP_MAX: Final = 1_000
"""Deliveries up to which it is decided between two requests to the server what goes next; of more, beside them."""

SETTLED_AT_ONCE_MAX: Final = 500
"""Deliveries that are settled in one transaction; whoever writes meanwhile waits for it."""

SEEN_FRESH_MS: Final = 5_000
"""How long what was read of the waiting deliveries counts: what is erased meanwhile is not sent after that."""

UNREADABLE_WAITS_MS: Final = 3_600_000
"""How long a delivery waits that can't be read, since a newer process may know how; then it is a dead letter."""

OUTPUT_FRESH_MS: Final = 1_000
"""How long an output's settings count before they are looked at again."""

OUTPUT_IDLE_SECONDS: Final = 60.0
"""How long the connections of an output stay open that nothing is sent to."""

WHY_CHARACTERS_MAX: Final = 500
"""Characters that are kept of why something was not delivered."""

DELIVERY_CLOSE_SECONDS: Final = 10.0
"""How long requests under way are waited for when the server stops; what is called off is sent again by whoever comes next."""

BACKLOG_LOOK_SECONDS: Final = 15.0
BACKLOG_COUNTED_MAX: Final = 100_000
"""How often the waiting deliveries are counted for the metrics, and up to how many of each output."""

DEAD_AGAIN_MAX: Final = 10_000
"""Dead letters of an output that are sent again at once, the oldest first."""
