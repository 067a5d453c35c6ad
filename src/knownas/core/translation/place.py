"""Decides the rule of a connection from what somebody wishes and from the places for identities that a destination has (platform §7.2).

Some destinations take identities of any type: a webhook, a stream, a file. There each wished type has a place of its own. Others
have few places, such as a user id and an e-mail field: these are filled as usual there, unless the wish says with what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form
from knownas.core.translation.rule import Choice, Take
from knownas.core.translation.target import Target


@dataclass(frozen=True, slots=True)
class Place:
    """A place for an identity at a destination, by its name there.

    `accepts` are the types that may fill it; `usual` those that do if nobody says otherwise, in order: none leaves it empty. A value is
    written in `encoding`, or another of `encodings` if somebody says so, and in `form` (None: the usual one of its type).
    """

    name: str
    accepts: frozenset[Target]
    usual: tuple[Target, ...] = ()
    encoding: Encoding = Encoding.RAW
    encodings: frozenset[Encoding] = frozenset({Encoding.RAW})
    form: Form | None = None
    choice: Choice = Choice.FIRST
    values: Take = Take.ALL
    required: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wishes for a connection.

    `identities` are the types that may go out; None means those that are usual at the destination. `places` says what fills a
    place of the destination, in order. `encoding` is how values are written, None as the destination usually gets them. `values` and
    `devices` of None are as the destination has it, which is all.
    """

    identities: tuple[Target, ...] | None = None
    places: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    encoding: Encoding | None = None
    values: Take | None = None
    devices: Take | None = None
