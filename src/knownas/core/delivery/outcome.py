"""Holds what came of sending messages, and what has to happen next for each outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Trouble(StrEnum):
    """Why a destination did not take messages now."""

    NOT_REACHED = "not_reached"
    TIMEOUT = "timeout"
    BUSY = "busy"
    """It asked to be sent less (429), or said that it can't now (503)."""
    FAILED = "failed"
    """It said that something is wrong with itself (500 and the like), or cut the answer off."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The destination has what was sent, but for the messages that it refused, each with its reason in a sentence.

    `refused` and `again` are by message id. Those of `again` it could not take now, though it took others of the same request. `kept` is what
    the destination wants to have with each later message of an audience that was connected, such as the id of the list that it made.
    """

    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    again: Mapping[str, str] = field(default_factory=dict[str, str])
    kept: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing is known to have been taken; all of it is sent again, after `wait_seconds` at least if the destination named a time."""

    trouble: Trouble
    detail: str
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class NotThis:
    """The destination refuses the request as a whole because of what is in it (400, 413, 422): of several messages, any may be the reason."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotAtAll:
    """The destination refuses whoever asks (401, 403, 404 of the endpoint, a subscription that it has suspended).

    Nothing will be taken until somebody changes the output's settings: it is *faulted*, and stops until it is resumed (platform §6.5).
    """

    detail: str


Outcome = Taken | NotNow | NotThis | NotAtAll
