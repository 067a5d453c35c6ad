"""Reads a kind of groups as it is asked for on every surface that defines one, and writes it down (platform §9)."""

from typing import Annotated, Final

import msgspec

from knownas.core.identity.document import Document
from knownas.core.limits import ATTRIBUTE_NAME_CHARACTERS_MAX, GROUP_ATTRIBUTES_MAX
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.service.audience.catalogue import KnownGroup
from knownas.service.group.groups import GroupWish
from knownas.service.group.limits import GROUP_DESCRIPTION_CHARACTERS_MAX, GROUP_ID_CHARACTERS_MAX
from knownas.service.identity.receipts import rfc3339

_NAME_LENGTH: Final = {"minLength": 1, "maxLength": ATTRIBUTE_NAME_CHARACTERS_MAX}

AttributeName = Annotated[str, msgspec.Meta(extra_json_schema=_NAME_LENGTH)]
"""The name of a user attribute. Its length is refused with the other faults of the document, as are those below."""


class GroupAttributeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user attribute that is aggregated over the members of a group, and how. Types other than `boolean_or` are ours."""

    id: AttributeName
    type: AggregateType


class GroupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of groups: users with the same value of `source_user_attribute` form one, and get each of `attributes` as their user attribute.

    No other kind of the workspace has its `id`. Each of `attributes` is another one, which nothing else aggregates or calculates; the source is none of them.
    """

    id: Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^[A-Za-z0-9_-]{{1,{GROUP_ID_CHARACTERS_MAX}}}$"})]
    source_user_attribute: AttributeName
    attributes: Annotated[
        list[GroupAttributeBody], msgspec.Meta(extra_json_schema={"maxItems": GROUP_ATTRIBUTES_MAX})
    ] = []
    description: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": GROUP_DESCRIPTION_CHARACTERS_MAX})] = ""


GROUP_BODY: Final = msgspec.json.Decoder(GroupBody)


def wish_of(body: GroupBody) -> GroupWish:
    """Return what somebody wants."""
    attributes = tuple(Aggregated(one.id, one.type) for one in body.attributes)
    return GroupWish(body.id, body.source_user_attribute, attributes, body.description)


def group_document(group: KnownGroup, progress: float) -> Document:
    """Write a kind of groups down; `progress` is the share of what has to be done before everybody has everything."""
    document = group.document
    return {
        "id": document.id,
        "description": document.description,
        "source_user_attribute": document.source,
        "attributes": [{"id": one.name, "type": one.type} for one in document.attributes],
        "status": "ready" if progress == 1 else "calculating",
        "progress": progress,
        "created_at": rfc3339(document.created_ms),
        "changed_at": None if document.changed_ms is None else rfc3339(document.changed_ms),
    }
