"""Lists the kinds of outputs that there are. A new one is a file that exports `DESTINATION`, and a line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from knownas.outputs import braze, iterable, meta, stream, webhook
from knownas.outputs.files import destination as files
from knownas.outputs.firehose import destination as firehose
from knownas.service.delivery.destination import Destination

_ALL: Final = (
    braze.DESTINATION,
    files.DESTINATION,
    firehose.DESTINATION,
    iterable.DESTINATION,
    meta.DESTINATION,
    stream.DESTINATION,
    webhook.DESTINATION,
)

DESTINATIONS: Final[Mapping[str, Destination]] = MappingProxyType({one.name: one for one in _ALL})
"""The kinds of outputs, by the name under which they are set up."""
