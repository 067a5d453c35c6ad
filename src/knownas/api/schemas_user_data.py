"""Describes the answers of our own API about what workspaces know of users, and about batches and aliases."""

from typing import Final

from knownas.api.schema_parts import (
    CURSOR,
    DECISION_ID,
    FLAG,
    MPID,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
    values_of,
)
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel
from knownas.store.user_data import AliasState

_WORKSPACE: Final[Schema] = {"type": "integer", "description": "The workspace's id."}
_ENVIRONMENT: Final[Schema] = {"enum": values_of(Environment)}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_TIME_OR_NULL: Final[Schema] = {"anyOf": [TIME, {"type": "null"}]}


def user_data_schemas() -> Schema:
    """Return the named schemas."""
    return {**_sections(), **_batches(), "Alias": _alias(), "Retention": _retention(), "RetentionReport": _report()}


def _sections() -> Schema:
    return {
        "Section": object_of(
            "What one workspace knows of a profile.",
            workspace=_WORKSPACE,
            environment=_ENVIRONMENT,
            first_seen_at=TIME,
            last_seen_at=TIME,
            attributes={**OBJECT, "description": "`{value, at, deleted}` by name."},
            consents=list_of(OBJECT),
            devices=list_of(OBJECT),
            attributions=list_of(OBJECT),
            opted_out={"anyOf": [FLAG, {"type": "null"}], "description": "Null if nobody has said."},
            inputs={**OBJECT, "description": "When each input last sent something."},
            notes=list_of(TEXT),
        ),
        "Sections": object_of("What each workspace knows of a profile.", mpid=MPID, items=list_of(ref("Section"))),
        "Events": object_of(
            "Batches of events as they were sent.",
            items=list_of(OBJECT),
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null at the end."},
        ),
    }


def _batches() -> Schema:
    receipt = object_of(
        "What became of a batch of events: `kept` on a profile, `refused` with a reason, or `repeated`: taken before.",
        receipt_id=DECISION_ID,
        source_request_id={**TEXT_OR_NULL, "description": "The id that the sender gave the batch."},
        at=TIME,
        scope=TEXT,
        workspace=_WORKSPACE,
        environment=_ENVIRONMENT,
        input=TEXT,
        channel=enum_of(Channel),
        decision_id={"anyOf": [DECISION_ID, {"type": "null"}], "description": "The decision that found the profile."},
        outcome={"enum": ["kept", "refused", "repeated"]},
        notes={**list_of(TEXT), "description": "What was left out or cut."},
    )
    receipt["properties"] |= {
        "mpid": MPID,
        "profile": {"enum": ["created", "found", "named"]},
        "events": {**_COUNT, "description": "Events that were taken."},
        "repeated_events": {**_COUNT, "description": "Events that were taken before."},
        "attributes": {**list_of(TEXT), "description": "The names of the attributes that the batch sets or deletes."},
        "left_out": object_of(
            "What the profile had no room for, by name; the notes say why.",
            attributes=list_of(TEXT),
            consents=list_of(TEXT),
        ),
        "consents": {**list_of(TEXT), "description": "`regulation/purpose` of each statement."},
        "device": {**FLAG, "description": "Whether the batch describes a device."},
        "reason": {**TEXT, "description": "The stable reason code of a refusal."},
        "sentence": TEXT,
    }
    return {
        "BatchReceipt": receipt,
        "BatchReceipts": object_of("The receipt of each input, newest first.", items=list_of(ref("BatchReceipt"))),
    }


def _alias() -> Schema:
    return object_of(
        "What became of an alias request.",
        request_id=TEXT,
        workspace=_WORKSPACE,
        environment=_ENVIRONMENT,
        state={"enum": values_of(AliasState)},
        reason={**TEXT_OR_NULL, "description": "The stable reason code of a rejection."},
        message=TEXT_OR_NULL,
        source_mpid=MPID,
        destination_mpid=MPID,
        start=TIME,
        end=TIME,
        device_application_stamp={**TEXT_OR_NULL, "description": "The device whose events are meant; null for all."},
        requested_at=TIME,
        due_at=TIME,
        settled_at=_TIME_OR_NULL,
    )


def _retention() -> Schema:
    settings = object_of(
        "The settings, in days.",
        events_days=_COUNT,
        profiles_days=_COUNT,
        requests_days=_COUNT,
        deliveries_days=_COUNT,
        dry_run=FLAG,
    )
    return object_of(
        "For how long things are kept, what is too old now, and what the last run did.",
        settings=settings,
        now={**ref("RetentionReport"), "description": "What a run would find now."},
        last_run={"anyOf": [ref("RetentionReport"), {"type": "null"}], "description": "Null before the first."},
    )


def _report() -> Schema:
    return object_of(
        "What a run of the retention found and removed.",
        at=TIME,
        dry_run=FLAG,
        older_than=object_of("", events=TIME, requests=TIME, profiles=TIME, deliveries=TIME),
        found=object_of("", events=_COUNT, requests=_COUNT, profiles=_COUNT, deliveries=_COUNT),
        removed=_COUNT,
        finished={**FLAG, "description": "Whether nothing was left for the next run."},
    )
