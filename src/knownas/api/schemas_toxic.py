"""Describes the bodies by which toxic identities are looked through, released and blocked."""

from knownas.api.schema_parts import (
    CURSOR,
    DECISION_ID,
    MPID,
    TEXT,
    TIME,
    TYPES,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
)
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.toxic.list import Past, ToxicState

_DECISION_OR_NULL: Schema = {
    "anyOf": [DECISION_ID, {"type": "null"}],
    "description": "The correction of the history that this came to; null for a preview, or if there was none.",
}


def toxic_schemas() -> Schema:
    """Return the named schemas of toxic identities."""
    number: Schema = {"type": "integer", "minimum": 0}
    met = object_of("", known_users=number, devices=number, scopes=number)
    return {
        "ToxicValue": object_of(
            "A value that behaves unlike a person's, or that somebody has judged.",
            type=TYPES,
            value=ref("IdentityValue"),
            environment=TEXT,
            state=enum_of(ToxicState),
            reason=enum_of(ToxicReason),
            since=TIME,
            history=enum_of(Past),
            decision_id=_DECISION_OR_NULL,
            met={**met, "description": "How many it had met when it was listed."},
            joined={**number, "description": "How many profiles held it when it was listed."},
            would_join={
                **list_of(MPID),
                "description": "Some of those, and of the profiles that requests came to which named it since.",
            },
        ),
        "ToxicValues": object_of(
            "A page of values.",
            items=list_of(ref("ToxicValue")),
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null on the last."},
        ),
        "Judged": object_of(
            "What releasing or blocking a value changes.",
            decision_id=_DECISION_OR_NULL,
            changed={**list_of(MPID), "description": "The profiles that are others than before, new, or gone."},
            state=enum_of(ToxicState),
            history=enum_of(Past),
        ),
    }
