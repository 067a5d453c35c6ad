"""Describes the lines of the live stream."""

from typing import Final

from knownas.api.schema_parts import (
    FLAG,
    MPID_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
)
from knownas.config.limits import ID_MAX
from knownas.core.identity.observation import Environment
from knownas.service.live.limits import LINES_A_LOOK_MAX, TEXT_CHARACTERS_MAX
from knownas.service.live.line import Kind, Outcome
from knownas.service.live.place import PATTERN

_PLACE: Final[Schema] = {"type": "string", "pattern": f"^{PATTERN}$"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_QUERIES: Final[tuple[tuple[str, str, Schema], ...]] = (
    (
        "limit",
        "How many lines an answer has at most.",
        {"type": "integer", "minimum": 1, "maximum": LINES_A_LOOK_MAX, "default": LINES_A_LOOK_MAX},
    ),
    ("after", "What an earlier answer gave as `next`; without it, the newest lines are answered.", _PLACE),
    ("scope", "Of this scope only.", {"type": "string"}),
    ("workspace", "Of the inputs of this workspace only.", {"type": "integer", "minimum": 0, "maximum": ID_MAX}),
    ("input", "Of inputs of this name only.", {"type": "string"}),
    ("kind", "Of this kind only.", enum_of(Kind)),
    ("outcome", "With this outcome only.", enum_of(Outcome)),
    (
        "environment",
        "Of this environment only; with it, refusals before the environment was read.",
        enum_of(Environment),
    ),
    (
        "text",
        "With this text in an id, an MPID or a reason.",
        {"type": "string", "maxLength": TEXT_CHARACTERS_MAX},
    ),
)
LIVE_QUERIES: Final[list[Schema]] = [
    {"name": name, "in": "query", "description": says, "schema": schema} for name, says, schema in _QUERIES
]
"""What can be asked with the operation that follows the lines."""


def live_schemas() -> Schema:
    """Return the schemas of the live stream, by their names."""
    line = object_of(
        "What came, and what it was answered. Ids and names only: no value of an identity.",
        at=TIME,
        server={**TEXT, "description": "The process that answered it: its machine and process id."},
        kind=enum_of(Kind),
        scope={**TEXT_OR_NULL, "description": "Null where nobody can tell who sent it."},
        workspace={"type": ["integer", "null"], "description": "Null also where our own API was asked."},
        input=TEXT_OR_NULL,
        asked={**TEXT, "description": "The endpoint or call, such as identify, events, alias."},
        environment={"enum": [*(one.value for one in Environment), None], "description": "Null if it was not read."},
        outcome=enum_of(Outcome),
        mpid=MPID_OR_NULL,
        decision_id={**TEXT_OR_NULL, "description": "Its receipt: `GET /api/decisions/{id}`."},
        receipt_id={**TEXT_OR_NULL, "description": "What became of a batch: `GET /api/batches/{id}`."},
        request_id={
            **TEXT_OR_NULL,
            "description": "What becomes of an alias request: `GET /api/aliases/{request_id}`.",
        },
        identity_types={**list_of(TEXT), "description": "The types of the identities that were sent."},
        events={
            "type": "object",
            "additionalProperties": _COUNT,
            "description": "How many events of which types; those of further types are counted under `…`.",
        },
        milliseconds={"type": ["number", "null"], "description": "How long the answer took; null if not measured."},
        reason={**TEXT_OR_NULL, "description": "Why it was refused: a stable code."},
        sentence={**TEXT_OR_NULL, "description": "The same in a sentence, which may quote a name that was sent."},
    )
    return {
        "LiveLine": line,
        "LiveLines": object_of(
            "What came through the inputs of one server, the oldest first.",
            items=list_of(ref("LiveLine")),
            next={**_PLACE, "description": "Given as `after`, asks for what follows, now or whenever it has come."},
            more={**FLAG, "description": "Whether something follows already."},
            missed={**_COUNT, "description": "Lines that the server has forgotten before they were asked for."},
            server={**TEXT, "description": "The process that answers this."},
        ),
    }
