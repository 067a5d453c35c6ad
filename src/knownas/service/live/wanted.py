"""Decides which lines somebody wants to see."""

from dataclasses import dataclass

from knownas.core.identity.observation import Environment
from knownas.service.live.line import Kind, Noted, Outcome, kind_of
from knownas.service.security.directory import Door


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines that all of this holds for; what is None or "" is not asked about.

    Where a refusal came before the environment was read, the line counts in each: whoever follows their app has to see it. `text`
    is looked for in ids, MPIDs and reasons.
    """

    scope: str = ""
    workspace: int | None = None
    input: str = ""
    kind: Kind | None = None
    outcome: Outcome | None = None
    environment: Environment | None = None
    text: str = ""

    def matches(self, noted: Noted) -> bool:
        """Whether a line is wanted."""
        if self.environment is not None and noted[3] not in (self.environment, None):
            return False
        if self.outcome is not None and noted[4] != self.outcome:
            return False
        if self.kind is not None and kind_of(noted) is not self.kind:
            return False
        if self.text and not self._stands_in(noted):
            return False
        return self._is_of_sender(noted)

    def _is_of_sender(self, noted: Noted) -> bool:
        sender = noted[1]
        if isinstance(sender, Door):
            return (
                self.scope in ("", sender.rules.scope)
                and self.workspace in (None, sender.workspace.id)
                and self.input in ("", sender.input.name)
            )
        return self.workspace is None and not self.input and self.scope in ("", sender)

    def _stands_in(self, noted: Noted) -> bool:
        mpid, refusal = noted[5], noted[10]
        return (
            self.text in noted[7]
            or (mpid is not None and self.text in str(mpid))
            or (refusal is not None and self.text in refusal[0])
        )
