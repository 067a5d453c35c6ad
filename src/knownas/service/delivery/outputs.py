"""Says what the delivery asks of whoever keeps the outputs: how one is reached now, whether it may be, and what its connections are set to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from knownas.core.delivery.message import Settings
from knownas.service.delivery.destination import Destination


class OutputState(StrEnum):
    """Whether an output is sent anything."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Somebody has stopped it. What is to be told goes on waiting."""
    FAULTED = "faulted"
    """It was stopped since its destination takes nothing; somebody has to look, and resume it (platform §6.5)."""


@dataclass(frozen=True, slots=True)
class Output:
    """An output as it is now. `version` is another one whenever anything about it has changed; `why` is a sentence, of one that is faulted."""

    destination: Destination
    settings: Settings
    state: OutputState
    version: int
    why: str | None = None


class Outputs(Protocol):
    """Those to whom something is told. Every method raises only `store.errors`."""

    async def output(self, output: int) -> Output | None:
        """Return an output as it is now, its settings opened; None if there is none any more."""
        ...

    async def settings_of(self, connection: int) -> Settings | None:
        """Return the settings of a connection, with what its destination wanted kept; None if nothing is known of it any more."""
        ...

    async def keep(self, connection: int, kept: Mapping[str, str | int | bool]) -> None:
        """Keep, durably, what a destination wants to have with each later message of a connection. Doing so twice changes nothing."""
        ...

    async def fault(self, output: int, version: int, why: str) -> None:
        """Stop an output until it is resumed, durably, and say why; unless it is no longer active, or has changed since that version."""
        ...

    async def pause(self, output: int) -> bool:
        """Stop an output until it is resumed, durably. False if there is none."""
        ...

    async def resume(self, output: int) -> bool:
        """Let an output that is paused or faulted be sent to again, durably. False if there is none."""
        ...
