"""Writes down how a user stands in the audiences of a workspace, and reads it back."""

from typing import Final

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.membership import Standing, Standings

_STANDINGS: Final = msgspec.json.Decoder(dict[str, tuple[bool, int, int | None]])
_ENCODER: Final = msgspec.json.Encoder()


def standings_from(document: bytes | None) -> Standings:
    """Read how a user stands, as it was written down; nothing says that they are in none."""
    if document is None:
        return {}
    found = _STANDINGS.decode(document)
    return {
        one: Standing(is_member, since_ms, NEVER if until_ms is None else until_ms)
        for one, (is_member, since_ms, until_ms) in found.items()
    }


def standings_bytes(standings: Standings) -> bytes | None:
    """Write down how a user stands; None where there is nothing to say."""
    if not standings:
        return None
    return _ENCODER.encode(
        {
            one: (standing.is_member, standing.since_ms, None if standing.until_ms == NEVER else standing.until_ms)
            for one, standing in standings.items()
        }
    )
