"""Holds what a line of the live stream says: what came, through which input, and what it was answered; ids and names, never values."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.service.identity.receipts import rfc3339
from knownas.service.security.directory import Door


class Kind(StrEnum):
    """What a line tells of: a decision or an alias request, a batch of events, or a refusal of either."""

    DECISION = "decision"
    EVENTS = "events"
    REFUSAL = "refusal"


class Outcome(StrEnum):
    """What became of it: what a decision answered, a batch that is kept or was before, an alias request that waits, or a refusal."""

    KNOWN = "known"
    BECAME_KNOWN = "became_known"
    ANONYMOUS = "anonymous"
    CREATED = "created"
    CREATED_WITHOUT_IDENTITIES = "created_without_identities"
    NOT_FOUND = "not_found"
    MODIFIED = "modified"
    SEEDED = "seeded"
    KEPT = "kept"
    QUEUED = "queued"
    REPEATED = "repeated"
    REFUSED = "refused"


class About(StrEnum):
    """What the id of a line is of: each is looked up at a place of its own."""

    DECISION = "decision_id"
    BATCH = "receipt_id"
    ALIAS = "request_id"


Sender = Door | str | None
"""Who sent something: an input; the name of a scope where our own API was asked; None if nobody can tell."""

Sent = tuple[IdentityType, ...] | dict[str, int]
"""What was in it: types of identities, or how many events of which types."""

Refusal = tuple[str, str]
"""A stable code and a sentence."""

Noted = tuple[
    int, Sender, str, Environment | None, str, int | None, About | None, str, Sent, float | None, Refusal | None
]
"""A line as it is noted, a plain tuple since there is one for each request: when it was answered, who sent it, what was asked,
in which environment if that was read, what became of it, of which profile, what the id is of, the id, what was in it, how many
seconds the answer took if that was measured, and why it was refused."""


class Line(NamedTuple):
    """A line as it is shown. `number` counts the lines of one server. Without a scope, nobody can tell who sent it."""

    number: int
    at_ms: int
    kind: Kind
    scope: str | None
    workspace: int | None
    input: str | None
    asked: str
    environment: Environment | None
    outcome: Outcome
    mpid: int | None
    about: About | None
    id: str
    types: tuple[str, ...]
    events: Mapping[str, int]
    seconds: float | None
    reason: str | None
    sentence: str

    def document(self, server: str) -> Document:
        """Write it down, as our own API shows it."""
        return {
            "at": rfc3339(self.at_ms),
            "server": server,
            "kind": self.kind,
            "scope": self.scope,
            "workspace": self.workspace,
            "input": self.input,
            "asked": self.asked,
            "environment": self.environment,
            "outcome": self.outcome,
            "mpid": None if self.mpid is None else str(self.mpid),
            **{one.value: self.id if one is self.about else None for one in About},
            "identity_types": list(self.types),
            "events": dict(self.events),
            "milliseconds": None if self.seconds is None else round(self.seconds * 1_000, 3),
            "reason": self.reason,
            "sentence": self.sentence or None,
        }


def kind_of(noted: Noted) -> Kind:
    """Return what a line tells of."""
    if noted[10] is not None:
        return Kind.REFUSAL
    return Kind.EVENTS if noted[6] is About.BATCH else Kind.DECISION


def line_of(number: int, noted: Noted) -> Line:
    """Return a line that was noted, as it is shown."""
    at_ms, sender, asked, environment, outcome, mpid, about, thing_id, sent, seconds, refusal = noted
    scope = sender.rules.scope if isinstance(sender, Door) else sender
    workspace, name = (sender.workspace.id, sender.input.name) if isinstance(sender, Door) else (None, None)
    events = sent if isinstance(sent, dict) else {}
    types = () if isinstance(sent, dict) else tuple(dict.fromkeys(one.value for one in sent))
    reason, sentence = (None, "") if refusal is None else refusal
    return Line(
        *(number, at_ms, kind_of(noted), scope, workspace, name, str(asked), environment, Outcome(outcome), mpid),
        *(about, thing_id, types, events, seconds, reason, sentence),
    )
