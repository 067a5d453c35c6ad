"""Names every limit of the core, so that no loop, list or string grows without one."""

from typing import Final

IDENTITY_VALUE_CHARACTERS_MAX: Final = 256
"""Characters (code points) of one identity value; idsync §1.4."""

RECORD_IDENTITIES_MAX: Final = 1_000
"""Values one profile can hold, looked up by or carried; a further one is refused with a reason."""

HOLDERS_CONSIDERED_MAX: Final = 16
"""Anonymous holders of one value that a lookup considers, the most recently active first.

A device identity can sit on 100,000 anonymous profiles, since each logout makes one. Only the most recent
can win a tie, so a lookup never asks for all of them. `previous_mpid` is considered however old it is.
"""

HOLDERS_SHOWN_MAX: Final = 4
"""Known holders of a crowded value that a receipt names as rejected; it says that there are more."""

MODIFY_CHANGES_MAX: Final = 100
"""Changes in one modify request."""

ATTRIBUTE_NAME_CHARACTERS_MAX: Final = 256
ATTRIBUTE_VALUE_CHARACTERS_MAX: Final = 4_096
LIST_ENTRIES_MAX: Final = 1_000
LIST_ENTRY_CHARACTERS_MAX: Final = 512
"""Characters of attribute names and values, and the size of a list; platform §14."""

ATTRIBUTES_MAX: Final = 2_000
"""Attributes a profile can have in one workspace, deleted ones that are remembered included."""

CONSENT_PURPOSES_MAX: Final = 200
DEVICES_MAX: Final = 100
ATTRIBUTIONS_MAX: Final = 20
INPUTS_SHOWN_MAX: Final = 100
STATUS_NOTES_MAX: Final = 100
"""Purposes, devices, attributions, inputs and notes remembered of a profile in one workspace; the oldest go first."""

CONSENT_CHANGES_MAX: Final = 200
"""Statements of consent that changed something and are remembered of a profile in one workspace; the oldest go first."""

EVIDENCE_FACTS_MAX: Final = 40
EVIDENCE_FACT_CHARACTERS_MAX: Final = 200
"""Facts of one entry of the evidence, and the characters of each of their names and values."""

SUBJECT_IDENTITIES_MAX: Final = 50
"""Identities of the person whom a privacy request is about; platform §5.2."""

SUBJECT_MPIDS_MAX: Final = 20
"""Profiles that one privacy request of the second version may name by their MPIDs; of more, another request is sent."""

WAITING_DAYS_MAX: Final = 30
"""Days a workspace may let an erasure wait: a law that gives a month is kept."""

GROUP_ATTRIBUTES_MAX: Final = 20
"""Attributes that one kind of groups aggregates; platform §9."""

GROUP_MEMBERS_MAX: Final = 1_000
"""Members of a group that aggregates anything; a larger one stands for a value that says nothing, such as "unknown"."""

UNITED_ENTRIES_MAX: Final = 100
"""Entries of a member's list that is united with those of others; a longer one is left out."""
