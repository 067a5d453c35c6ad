"""Names every limit of what is watched as it comes in: lines, their sizes, and the servers that one look can follow."""

from typing import Final

LINES_KEPT_MAX: Final = 4_000
"""Lines that a server remembers of what came through its inputs and what it was answered; the oldest goes for a new one."""

SENTENCE_CHARACTERS_MAX: Final = 200
"""Characters of the sentence of a refusal in such a line. With the other limits a line takes 6 KiB at most; most take 0.5."""

EVENT_TYPES_MAX: Final = 12
EVENT_TYPE_CHARACTERS_MAX: Final = 64
"""Types of events that the line of a batch counts by name, and characters of each; the others are counted together."""

LINES_A_LOOK_MAX: Final = 200
"""Lines that are shown at once to whoever watches."""

SERVERS_FOLLOWED_MAX: Final = 16
"""Servers over one database whose lines can be followed together; of further ones the one not heard of longest is forgotten."""

TEXT_CHARACTERS_MAX: Final = 256
"""Characters of a text for which lines are searched."""

SERVER_CHARACTERS_MAX: Final = 64
"""Characters of the name by which a server is told from the others: its machine's and its process's."""
