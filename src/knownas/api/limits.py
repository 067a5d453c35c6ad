"""Names every limit of the HTTP surfaces."""

from typing import Final

BODY_BYTES_MAX: Final = 256 * 1024
"""A request body, after decompression."""

PASSED_OVER_BYTES_MAX: Final = 16 * 1024 * 1024
"""What is read of a body that is too long for anything, to be able to answer that it was refused."""

HEADER_BYTES_MAX: Final = 64 * 1024
"""The names and values of all headers of a request together."""

HELD_BUCKETS_MAX: Final = 100_000
"""Rate-limited identities remembered at once; the longest unused are forgotten first."""

SEED_VALUES_MAX: Final = 1_000
"""Identity values of one profile that is brought over."""

BATCH_BYTES_MAX: Final = 128 * 1024
BATCHES_A_REQUEST_MAX: Final = 100
EVENTS_A_BATCH_MAX: Final = 1_000
USER_ATTRIBUTES_A_BATCH_MAX: Final = 100
EVENT_ATTRIBUTES_MAX: Final = 100
EVENT_NAME_CHARACTERS_MAX: Final = 256
EVENT_VALUE_CHARACTERS_MAX: Final = 4_096
"""Limits of the Events API; platform §2.2, §14."""

REQUEST_ID_CHARACTERS_MAX: Final = 256
"""Characters of a sender's id for a batch or an event."""

NOTES_MAX: Final = 20
"""Sentences that a batch's receipt has about what was left out of it."""
