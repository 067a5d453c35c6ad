"""Reads the ids of organizations, accounts and workspaces in paths and queries."""

from typing import Final

from knownas.config.limits import ID_MAX

_DIGITS_MAX: Final = len(str(ID_MAX))


def id_number(text: str) -> int | None:
    """Read an id, in whatever number of leading zeros there is room for; None for what can't be one."""
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS_MAX:
        return None
    number = int(text)
    return number if number <= ID_MAX else None
