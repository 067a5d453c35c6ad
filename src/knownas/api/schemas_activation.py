"""Describes the bodies of audiences and outputs."""

from knownas.api.schema_parts import (
    CURSOR,
    FLAG,
    MPID,
    MPID_OR_NULL,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
)
from knownas.core.profile.group import AggregateType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.reason import Reason
from knownas.service.audience.turnover import By
from knownas.service.delivery.outputs import OutputState
from knownas.store.deliveries import DeliveryState

ID: Schema = {"type": "integer", "minimum": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_STATUS: Schema = {"enum": ["calculating", "ready"]}
_TIME_OR_NULL: Schema = {"anyOf": [TIME, {"type": "null"}]}
_MPID_NEXT: Schema = {"anyOf": [MPID, {"type": "null"}], "description": "Asks for the next page; null on the last."}
_NEXT: Schema = {"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null on the last."}
_REASONS: Schema = list_of(ref("AudienceReason"))


def activation_schemas() -> Schema:
    """Return the named schemas of audiences and outputs."""
    return {
        **_audiences(),
        **_groups(),
        **_connections(),
        **_input_connections(),
        **_outputs(),
        **_deliveries(),
        "Deleted": object_of("What is gone.", id=ID, deleted={"const": True}),
    }


def _audiences() -> Schema:
    audience = object_of(
        "An audience. `progress` is the share of users who were judged since it was defined.",
        id=ID,
        name=TEXT,
        external_name={**TEXT, "description": "What destinations are told."},
        definition=OBJECT,
        status=_STATUS,
        progress=_SHARE,
        created_at=TIME,
        changed_at=_TIME_OR_NULL,
    )
    member = object_of("A member, and since when.", mpid=MPID, since=TIME)
    reasoned: Schema = {**member, "properties": {**member["properties"], "reasons": _REASONS}}
    sized: Schema = {**audience, "properties": {**audience["properties"], "size": _COUNT}}
    return {
        "Audience": sized,
        "WorkspaceAudiences": object_of("All audiences of a workspace.", items=list_of(ref("Audience"))),
        "AudienceReason": object_of(
            "A condition of a definition, and what came of it.",
            place={**TEXT, "description": "Where it stands in the definition: a JSON pointer."},
            condition=TEXT,
            holds=FLAG,
            found={**list_of(TEXT), "description": "The values that were compared."},
            events={**list_of(TEXT), "description": "The ids of the events that it rests on."},
        ),
        "Members": object_of("A page of members.", items=list_of(reasoned), next=_MPID_NEXT),
        "Membership": object_of(
            "Whether a profile is in an audience, and why.",
            mpid=MPID,
            is_member=FLAG,
            since=_TIME_OR_NULL,
            until={**_TIME_OR_NULL, "description": "When it may change by time alone."},
            reasons=_REASONS,
            changes=list_of(object_of("", at=TIME, is_member=FLAG, reasons=_REASONS)),
        ),
        "AudienceChanges": object_of(
            "How many joined an audience and how many left it, in whole intervals.",
            **{"from": TIME},
            to=TIME,
            by=enum_of(By),
            joined=_COUNT,
            left=_COUNT,
            items=list_of(object_of("An interval, from when it begins.", **{"from": TIME}, joined=_COUNT, left=_COUNT)),
        ),
        "AudiencePreview": object_of(
            "Who would be in an audience.", members=_COUNT, looked_at=_COUNT, share=_SHARE, shown=list_of(reasoned)
        ),
    }


def _groups() -> Schema:
    kind = object_of(
        "A kind of groups. `progress` is the share of what was done since it was defined: everybody gets a place, and audiences follow.",
        id=TEXT,
        description=TEXT,
        source_user_attribute=TEXT,
        attributes=list_of(object_of("An attribute that members get.", id=TEXT, type=enum_of(AggregateType))),
        status=_STATUS,
        progress=_SHARE,
        created_at=TIME,
        changed_at=_TIME_OR_NULL,
    )
    counted: Schema = {**kind, "properties": {**kind["properties"], "groups": _COUNT, "members": _COUNT}}
    large = object_of("A group that is too large.", value=TEXT_OR_NULL, members=_COUNT, reason=TEXT)
    digest: Schema = {"anyOf": [TEXT, {"type": "null"}], "description": "Asks for the next page; null on the last."}
    return {
        "GroupKind": counted,
        "GroupKinds": object_of("All kinds of groups of a workspace.", items=list_of(ref("GroupKind"))),
        "GroupMembers": object_of(
            "Members of a group.", items=list_of(object_of("A member.", mpid=MPID)), next=_MPID_NEXT
        ),
        "LargeGroups": object_of("Groups that aggregate nothing.", items=list_of(large), next=digest),
        "DeletedGroup": object_of("What is gone.", id=TEXT, deleted={"const": True}),
    }


def _connections() -> Schema:
    why = {"reason": {"enum": sorted(one.value for one in Reason)}, "about": TEXT, "sentence": TEXT}
    return {
        "Connection": object_of(
            "The connection of an audience with an output.",
            id=ID,
            audience=ID,
            connected={**OBJECT, "description": "What was written when it was made."},
            output=ID,
            status=_STATUS,
            progress=_SHARE,
            passed_over=list_of(object_of("", **why, count=_COUNT)),
            created_at=TIME,
        ),
        "Connections": object_of("All connections of an audience.", items=list_of(ref("Connection"))),
        "PassedOver": object_of(
            "A page of members of whom an output gets nothing.",
            items=list_of(object_of("", mpid=MPID, **why)),
            next=_MPID_NEXT,
        ),
    }


def _input_connections() -> Schema:
    reason = {**TEXT, "description": "A stable word."}
    connection = object_of(
        "The connection of an input with an output, over which events are forwarded.",
        id=ID,
        input={**TEXT, "description": "The lasting key of the input."},
        output=ID,
        connected={**OBJECT, "description": "What was written when it was made, with what was left out."},
        batches={
            "type": "object",
            "description": "How many batches this server has forwarded since it began, and how many not, by reason.",
            "additionalProperties": _COUNT,
        },
        created_at=TIME,
    )
    decided: Schema = {
        **list_of(object_of("", at=TIME, mpid=MPID, receipt=TEXT, reason=reason)),
        "description": "Batches of which nothing was forwarded by this server, the last ones.",
    }
    return {
        "InputConnection": {**connection, "properties": {**connection["properties"], "not_forwarded": decided}},
        "InputConnections": object_of(
            "All connections of a workspace's inputs.", items=list_of(ref("InputConnection"))
        ),
    }


def _outputs() -> Schema:
    setting = object_of(
        "",
        name=TEXT,
        kind={"enum": ["boolean", "integer", "text"]},
        description=TEXT,
        required=FLAG,
        confidential=FLAG,
        choices=list_of(TEXT),
    )
    place = object_of("", name=TEXT, accepts=list_of(TEXT), usual=list_of(TEXT), encodings=list_of(TEXT), required=FLAG)
    return {
        "OutputTypes": object_of(
            "All types of destinations.",
            items=list_of(
                object_of(
                    "",
                    type=TEXT,
                    title=TEXT,
                    settings=list_of(setting),
                    connection_settings=list_of(setting),
                    places=list_of(place),
                )
            ),
        ),
        "Output": object_of(
            "An output; confidential settings are not shown.",
            id=ID,
            name=TEXT,
            type=TEXT,
            settings=OBJECT,
            erasures={"type": ["object", "null"], "description": "What it gets of whoever asks to be erased."},
            state=enum_of(OutputState),
            why=TEXT_OR_NULL,
            waiting={**_COUNT, "description": "At most 10,000 are counted."},
            dead={**_COUNT, "description": "At most 10,000 are counted."},
            created_at=TIME,
        ),
        "Outputs": object_of("All outputs of a workspace.", items=list_of(ref("Output"))),
    }


def _deliveries() -> Schema:
    identity = object_of("", place=TEXT, type=TEXT, encoding=enum_of(Encoding), value=TEXT)
    message: Schema = {
        "type": ["object", "null"],
        "description": "What is told; null if it was erased.",
        "properties": {
            "kind": {"enum": ["erasure", "events", "membership", "subscription"]},
            "identities": list_of(identity),
        },
    }
    return {
        "Delivery": object_of(
            "Something that an output was told, or is to be told.",
            delivery={**TEXT, "description": "Its number; it gets another one when it is sent again."},
            id={**TEXT, "description": "The id that its destination is told: the same at each try."},
            output=ID,
            connection={"anyOf": [ID, {"type": "null"}]},
            environment=TEXT,
            mpid=MPID_OR_NULL,
            at=TIME,
            state=enum_of(DeliveryState),
            settled_at=_TIME_OR_NULL,
            why=TEXT_OR_NULL,
            message=message,
        ),
        "Deliveries": object_of("A page of deliveries.", items=list_of(ref("Delivery")), next=_NEXT),
        "Resent": object_of("A delivery waits again.", delivery=TEXT, result={"const": "waiting"}),
        "ResentAll": object_of("How many wait again, and how many stay dead.", waiting=_COUNT, stay_dead=_COUNT),
    }
