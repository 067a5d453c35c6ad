"""Names every limit of what a connection sends, so that no rule and no message grows without one."""

from typing import Final

SLOTS_MAX: Final = 50
"""Places at a destination that one connection fills."""

WANTED_MAX: Final = 50
"""Identities that may fill one place at a destination, one instead of the other or all of them."""

SLOT_NAME_CHARACTERS_MAX: Final = 100
"""Characters of the name of a place at a destination."""

CONSENTS_NEEDED_MAX: Final = 20
"""Purposes of consent that one connection can need."""

FILTERED_POINTS_MAX: Final = 10_000
"""Data points that the filter of one connection lists."""

FORWARDING_RULES_MAX: Final = 100
"""Rules by which one connection forwards events or holds them back."""

PHONE_CHARACTERS_MAX: Final = 64
"""Characters of a text that is read as a phone number."""
