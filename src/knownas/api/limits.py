"""Names every limit of the HTTP surfaces."""

from typing import Final

BODY_BYTES_MAX: Final = 256 * 1024
"""A request body, after decompression."""

HEADER_BYTES_MAX: Final = 64 * 1024
"""The names and values of all headers of a request together."""

HELD_BUCKETS_MAX: Final = 100_000
"""Rate-limited identities remembered at once; the longest unused are forgotten first."""

SEED_VALUES_MAX: Final = 1_000
"""Identity values of one profile that is brought over."""
