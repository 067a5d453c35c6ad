"""Lists the kinds of outputs that there are. A new one is a file that exports `DESTINATION`, and a line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from knownas.outputs import meta, webhook
from knownas.service.destination import Destination

DESTINATIONS: Final[Mapping[str, Destination]] = MappingProxyType(
    {one.name: one for one in (webhook.DESTINATION, meta.DESTINATION)}
)
"""The kinds of outputs, by the name under which they are set up."""
