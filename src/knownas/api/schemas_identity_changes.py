"""Describes the items by which another system follows what changes in identities."""

from knownas.api.schema_parts import (
    CURSOR,
    DECISION_ID,
    FLAG,
    MPID,
    MPID_OR_NULL,
    TEXT,
    TIME,
    Schema,
    object_of,
    ref,
)
from knownas.core.identity.kinds import KINDS
from knownas.service.history.identity_changes import ERASED_TYPE, EVENT_TYPE


def identity_change_schemas() -> Schema:
    """Return the schemas of followed changes, by their names."""
    names = [kind.events for kind in KINDS]
    side = object_of(
        "What was there, or is: null where nothing was or is.",
        identity_type={"enum": names, "description": "By its name on the Events API."},
        identity={"anyOf": [ref("IdentityValue"), {"type": "null"}]},
        timestamp_unixtime_ms={"type": "integer", "description": "When it changed, in Unix milliseconds."},
        created_this_batch={**FLAG, "description": "Whether this change brought it."},
    )
    data = object_of(
        "The event's data, in the vendor's shape.",
        timestamp_unixtime_ms={"type": "integer", "description": "When it changed, in Unix milliseconds."},
        source_message_id={**TEXT, "description": "Names this change for ever; no other has it."},
        old=ref("IdentityChangeSide"),
        new=ref("IdentityChangeSide"),
    )
    change = object_of(
        "One identity of one profile that came, went or was replaced.",
        at=TIME,
        decision_id=DECISION_ID,
        mpid=MPID,
        from_mpids={"type": "array", "items": MPID, "description": "The profiles that lost the new value by it."},
        to_mpid={**MPID_OR_NULL, "description": "The profile that the old value moved to."},
        looked_up={**FLAG, "description": "Whether the type is in the priority: the profile is found by it."},
        event_type={"const": EVENT_TYPE},
        data=data,
    )
    erased = object_of(
        "A profile whose person asked to be forgotten: what was told of it before is to be forgotten by whoever keeps it.",
        at=TIME,
        decision_id=DECISION_ID,
        mpid=MPID,
        event_type={"const": ERASED_TYPE},
        data=object_of(
            "",
            timestamp_unixtime_ms={"type": "integer", "description": "When it was erased, in Unix milliseconds."},
            source_message_id={**TEXT, "description": "Names this change for ever; no other has it."},
        ),
    )
    return {
        "IdentityChangeSide": side,
        "IdentityChangeEvent": change,
        "ProfileErasedEvent": erased,
        "IdentityChanges": object_of(
            "Changes in their order. A page never ends within a decision, and can so hold more items than `limit`; it "
            "looks at `limit` decisions at most, and can so be empty although there are more.",
            items={"type": "array", "items": {"anyOf": [ref("IdentityChangeEvent"), ref("ProfileErasedEvent")]}},
            next={**CURSOR, "description": "Given as `after`, asks for what follows, now or whenever it has come."},
            more={**FLAG, "description": "Whether something follows already."},
        ),
    }
