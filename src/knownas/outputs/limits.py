"""Names every limit of sending to destinations: waits, sizes, what is kept of an answer."""

from typing import Final

REQUEST_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
"""How long a request may take from its first byte to the last of its answer, and of that to be connected."""

CONNECTIONS_MAX: Final = 8
IDLE_SECONDS: Final = 30.0
"""Connections that one output has open, and how long one is kept that nothing is asked on. Many servers close theirs after 60 seconds."""

ANSWER_BYTES_MAX: Final = 1_048_576
"""Bytes of an answer that are read; the rest is left unread."""

SAID_CHARACTERS_MAX: Final = 200
"""Characters that are kept of what a destination says of an error."""

SAID_WORDS_READ_MAX: Final = 100
"""Words of an answer that are looked at for that."""

SAID_WORD_CHARACTERS_MAX: Final = 40
SAID_DIGITS_MAX: Final = 4
"""What is longer, or has more digits, is taken for a value and not for a word of a sentence."""

SAID_INSIDE_CHARACTERS_MIN: Final = 3
"""Characters of a word of what was sent from which on it is left out also where it stands inside another word."""

VALUES_HIDDEN_MAX: Final = 100_000
"""Values of a request that are held against an answer. If there are more, nothing of the answer is kept."""

URL_CHARACTERS_MAX: Final = 2_048
HEADER_CHARACTERS_MAX: Final = 4_096
"""Characters of an address, and of a header's value, that can be set."""

SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
"""Bytes of a secret that requests are signed with, as Standard Webhooks has it."""

PERMISSIONS_MAX: Final = 200
"""Identities that a partner may name in its registration."""

REGISTRATION_SECONDS: Final = 3_600.0
"""How long what a partner said of itself is relied on before it is asked again."""

PROFILES_A_REQUEST_MAX: Final = 100
"""Members of audiences in one request of the partner protocol."""

SETTINGS_CHARACTERS_MAX: Final = 16_384
"""Characters of the settings that a partner wants, as JSON."""

KEPT_MAX: Final = 50
KEPT_CHARACTERS_MAX: Final = 4_096
"""Settings that a partner may want kept of an audience, and characters of each with its name."""

ACCOUNT_ID_MAX: Final = 2_147_483_647
"""The greatest number that a partner can be told for an account."""

STREAM_MESSAGES_MAX: Final = 500
"""Messages that are handed to a stream at a time."""

STREAM_SECONDS: Final = 25.0
STREAM_CHECK_SECONDS: Final = 10.0
STREAM_POLL_SECONDS: Final = 0.5
"""How long a stream may take to confirm what it was handed, to show its topics, and between two looks at whether it has."""

STREAM_RECORD_BYTES_MAX: Final = 1_000_000
"""Bytes of a record; brokers take a mebibyte if nobody has set them otherwise."""

TOPIC_CHARACTERS_MAX: Final = 249
"""Characters of the name of a topic."""

FILE_MEMBERSHIPS_MAX: Final = 10_000
FILE_MESSAGES_MAX: Final = 500
"""Changes of memberships in one file, and other messages: events can be large, and a file is made in memory."""

FILE_WAIT_SECONDS: Final = 60.0
"""How long a file that is not full is waited with for more messages."""

LOCATION_CHARACTERS_MAX: Final = 1_024
"""Characters of the place where files are written."""
