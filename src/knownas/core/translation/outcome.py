"""Holds what comes of translating a profile: the identities that go out, or the reason why none does."""

from dataclasses import dataclass, field
from typing import NamedTuple

from knownas.core.translation.encoding import Encoding
from knownas.core.translation.reason import Reason, sentence
from knownas.core.translation.target import Target


@dataclass(frozen=True, slots=True, order=True)
class Outgoing:
    """One identity as a destination gets it: for which of its slots, of which type, in which encoding, the value itself.

    `device` (a stamp) and `platform` tell which device it is of, as far as is known. They are no part of it: the same value of
    another device is the same identity.
    """

    slot: str
    target: Target
    encoding: Encoding
    value: str
    device: str | None = field(default=None, compare=False)
    platform: str | None = field(default=None, compare=False)


class LeftOut(NamedTuple):
    """A value that was not sent beside others that were: its type, and why."""

    target: Target
    reason: Reason


@dataclass(frozen=True, slots=True)
class Translated:
    """What goes out: at least one identity. In the order of the rule, of one type the newest first; none twice."""

    mpid: int
    identities: tuple[Outgoing, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why nothing goes out. `about` names the identity types or the purpose that it is about; no value of an identity."""

    mpid: int
    reason: Reason
    about: str = ""

    @property
    def sentence(self) -> str:
        """What to say of the user, after whose name it stands."""
        return sentence(self.reason, self.about)


Translation = Translated | Skipped
