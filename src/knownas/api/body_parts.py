"""Holds the texts that bodies of our own API are made of, each with what its schema says of it."""

from typing import Annotated, Final

import msgspec

from knownas.service.audience.limits import NAME_CHARACTERS_MAX

Moment = Annotated[
    str, msgspec.Meta(description="RFC 3339, with an offset.", extra_json_schema={"format": "date-time"})
]
"""A time. The decoder takes any text; whoever reads it refuses what is no time, and says which member it is."""

_LENGTH: Final = {"minLength": 1, "maxLength": NAME_CHARACTERS_MAX}

Name = Annotated[str, msgspec.Meta(extra_json_schema=_LENGTH)]
"""The name of an audience or an output. Its length is refused with the other faults of the document."""
