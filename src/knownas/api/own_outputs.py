"""Serves the part of our own API by which outputs are set up, looked after, and asked what they were told."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request

from knownas.api.body_parts import Name
from knownas.api.ids import id_number
from knownas.api.own_audiences import path_workspace, refused_for
from knownas.api.own_operation import Operation, Refusal, json_body, page_cursor, page_limit, path_mpid, write_cursor
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    SubscriptionMessage,
)
from knownas.core.identity.document import Document
from knownas.core.translation.outcome import Outgoing
from knownas.service.audience.catalogue import KnownOutput
from knownas.service.audience.limits import SETTING_CHARACTERS_MAX
from knownas.service.delivery.dead_letters import Resent
from knownas.service.delivery.form import message_from
from knownas.service.identity.receipts import rfc3339
from knownas.service.server import Service
from knownas.store.deliveries import DeliveryState, StoredDelivery

COUNTED_MAX: Final = 10_000
"""Deliveries of a state that are counted; there may be more."""

DELIVERY_DIGITS_MAX: Final = 18
"""Digits of the number of a delivery."""


OutputSettings = Annotated[
    dict[str, Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": SETTING_CHARACTERS_MAX})] | int | bool],
    msgspec.Meta(description="What the type has to be set, and may be: `GET /api/output-types` tells."),
]


class OutputBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output: its name, the type of its destination, and what that needs to be set."""

    name: Name
    type: Annotated[
        str, msgspec.Meta(description="The name of a type of destinations: `GET /api/output-types` lists them.")
    ]
    settings: OutputSettings = {}
    erasures: dict[str, Any] | None = None
    """What it gets of whoever asks to be erased: members of a connection, such as `identities`; null for nothing."""


class ChangedOutputBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that is set up anew: its name, and what its destination needs to be set."""

    name: Name
    settings: OutputSettings = {}
    erasures: dict[str, Any] | None = None


async def create_output(service: Service, request: Request) -> tuple[int, Document]:
    """Set an output up. Confidential settings are never shown again."""
    workspace = path_workspace(service, request)
    body = await json_body(request, _OUTPUT)
    made = await service.activation.outputs.create(workspace, body.name, body.type, body.settings, body.erasures)
    if isinstance(made, tuple):
        raise refused_for(made, "invalid_output", "The output can't be set up like this.")
    return 201, await _shown(service, service.activation.catalogues.now.outputs[made])


async def list_outputs(service: Service, request: Request) -> tuple[int, Document]:
    """Return the outputs of a workspace, by id."""
    workspace = path_workspace(service, request)
    await service.activation.catalogues.refresh()
    return 200, {"items": [await _shown(service, one) for one in service.activation.outputs.known(workspace)]}


async def list_output_types(service: Service, request: Request) -> tuple[int, Document]:
    """Return the types of destinations that there are: what is set for each, and which places for identities it has."""
    del request
    known = service.activation.catalogues.destinations
    return 200, {"items": [_type(known[name]) for name in sorted(known)]}


async def show_output(service: Service, request: Request) -> tuple[int, Document]:
    """Return an output, and how much waits for it and is dead."""
    return 200, await _shown(service, await path_output(service, request))


async def change_output(service: Service, request: Request) -> tuple[int, Document]:
    """Set an output up anew. Confidential settings that are not given stay as they are; its type can't change."""
    output = await path_output(service, request)
    body = await json_body(request, _CHANGED)
    wrong = await service.activation.outputs.change(output.id, body.name, body.settings, body.erasures)
    if wrong is not None:
        raise refused_for(wrong, "invalid_output", "The output can't be set up like this.")
    return 200, await _shown(service, await path_output(service, request))


async def delete_output(service: Service, request: Request) -> tuple[int, Document]:
    """Take an output away. What waits for it is dropped, and its connections are gone with it."""
    output = await path_output(service, request)
    await service.activation.outputs.delete(output.id)
    service.activation.work.wake()
    return 200, {"id": output.id, "deleted": True}


async def pause_output(service: Service, request: Request) -> tuple[int, Document]:
    """Stop an output until it is resumed. What is to be told goes on waiting."""
    output = await path_output(service, request)
    await service.activation.dead_letters.pause(output.id)
    return 200, await _shown(service, await path_output(service, request))


async def resume_output(service: Service, request: Request) -> tuple[int, Document]:
    """Let an output that was paused, or that has faulted, go on."""
    output = await path_output(service, request)
    await service.activation.dead_letters.resume(output.id)
    return 200, await _shown(service, await path_output(service, request))


async def list_deliveries(service: Service, request: Request) -> tuple[int, Document]:
    """Return what an output was told or is to be told, the newest first, in pages; in one state if that is named."""
    output = await path_output(service, request)
    given = request.query_params.get("state")
    if given is not None and given not in set(DeliveryState):
        raise Refusal(400, "unknown_state", "There is no such state.", allowed=sorted(DeliveryState))
    state = None if given is None else DeliveryState(given)
    limit = page_limit(request)
    page = await service.activation.dead_letters.look(output.id, state, before_cursor(request), limit + 1)
    return 200, _page(page, limit)


async def resend_delivery(service: Service, request: Request) -> tuple[int, Document]:
    """Have a dead delivery sent again, unless something later was told about the same profile."""
    output = await path_output(service, request)
    seq = _path_delivery(request)
    resent = await service.activation.dead_letters.send_again(output.id, seq)
    if resent is Resent.UNKNOWN:
        raise Refusal(404, "unknown_delivery", "The output has no such delivery.")
    if resent is not Resent.WAITING:
        raise Refusal(409, resent.value, _SENTENCES[resent])
    return 202, {"delivery": str(seq), "result": resent.value}


async def resend_deliveries(service: Service, request: Request) -> tuple[int, Document]:
    """Have all dead deliveries of an output sent again, the oldest first; those of which something later was told stay dead."""
    output = await path_output(service, request)
    again, stay = await service.activation.dead_letters.send_all_again(output.id)
    return 202, {"waiting": again, "stay_dead": stay}


async def list_told(service: Service, request: Request) -> tuple[int, Document]:
    """Return the ledger of a profile: what outputs of a workspace were told about it, under which identities, when and why."""
    workspace = path_workspace(service, request)
    limit = page_limit(request)
    mpid = path_mpid(request)
    page = await service.store.deliveries.deliveries_about(workspace, mpid, before_cursor(request), limit + 1)
    return 200, _page(page, limit)


async def path_output(service: Service, request: Request) -> KnownOutput:
    """Read the output of a path.

    Raises:
        Refusal: its workspace has none of this id.
    """
    workspace = path_workspace(service, request)
    number = id_number(request.path_params["output"])
    await service.activation.catalogues.refresh()
    found = [one for one in service.activation.outputs.known(workspace) if one.id == number]
    if not found:
        raise Refusal(404, "unknown_output", "The workspace has no output of this id.")
    return found[0]


def before_cursor(request: Request) -> int | None:
    """Read before which number a page begins.

    Raises:
        Refusal: it is nothing that a page answered.
    """
    return page_cursor(request) or None


def _path_delivery(request: Request) -> int:
    given: str = request.path_params["delivery"]
    if not (given.isascii() and given.isdecimal()) or len(given) > DELIVERY_DIGITS_MAX:
        raise Refusal(404, "unknown_delivery", "The output has no such delivery.")
    return int(given)


def _page(page: Sequence[StoredDelivery], limit: int) -> Document:
    items = [_delivery(one) for one in page[:limit]]
    return {"items": items, "next": write_cursor(page[limit - 1].seq) if len(page) > limit else None}


def _delivery(one: StoredDelivery) -> Document:
    return {
        "delivery": str(one.seq),
        "id": one.delivery_id,
        "output": one.output,
        "connection": one.connection or None,
        "environment": one.environment,
        "mpid": str(one.mpid) if one.mpid else None,
        "at": rfc3339(one.at_ms),
        "state": one.state.value,
        "settled_at": None if one.settled_ms is None else rfc3339(one.settled_ms),
        "why": one.why,
        "message": _message(message_from(one.document, {})) if one.document else None,
    }


def _message(message: Message) -> Document:
    match message:
        case SubscriptionMessage():
            return {"kind": "subscription", "audience": message.audience.id, "action": message.subscription.value}
        case MembershipMessage():
            return {
                "kind": "membership",
                "audience": message.audience.id,
                "action": message.action.value,
                "is_member": message.is_member,
                "identities": _identities(message.identities),
            }
        case EventsMessage():
            return {"kind": "events", "identities": _identities(message.identities)}
        case ErasureMessage():
            return {
                "kind": "erasure",
                "request_id": message.request_id,
                "identities": _identities(message.identities),
            }


def _identities(several: Sequence[Outgoing]) -> list[Document]:
    return [
        {"place": one.slot, "type": one.target.value, "encoding": one.encoding.value, "value": one.value}
        for one in several
    ]


async def _shown(service: Service, output: KnownOutput) -> Document:
    document, deliveries = output.document, service.store.deliveries
    counts = {
        one.value: await deliveries.count_deliveries(output.id, one, COUNTED_MAX)
        for one in (DeliveryState.WAITING, DeliveryState.DEAD)
    }
    return {
        "id": output.id,
        "name": document.name,
        "type": document.destination,
        "settings": document.settings,
        "erasures": msgspec.json.decode(document.erasures),
        "state": document.state.value,
        "why": document.why,
        **counts,
        "created_at": rfc3339(document.created_ms),
    }


def _type(kind: Any) -> Document:
    return {
        "type": kind.name,
        "title": kind.title,
        "settings": [_setting(one) for one in kind.settings],
        "connection_settings": [_setting(one) for one in kind.connection_settings],
        "places": [
            {
                "name": one.name,
                "accepts": sorted(target.value for target in one.accepts),
                "usual": [target.value for target in one.usual],
                "encodings": sorted(encoding.value for encoding in one.encodings),
                "required": one.required,
            }
            for one in kind.places
        ],
    }


def _setting(one: Any) -> Document:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "description": one.description,
        "required": one.required,
        "confidential": one.confidential,
        "choices": list(one.choices),
    }


_SENTENCES: Final = {
    Resent.SUPERSEDED: "Something later was told about the same profile: this would undo it.",
    Resent.ERASED: "What it told was erased.",
    Resent.NOT_DEAD: "It was sent, waits by now, or was given up.",
}
_OUTPUT: Final = msgspec.json.Decoder(OutputBody)
_CHANGED: Final = msgspec.json.Decoder(ChangedOutputBody)

_ALL: Final = "/api/workspaces/{workspace}/outputs"
_ONE: Final = f"{_ALL}/{{output}}"

OUTPUT_OPERATIONS: Final = (
    Operation("GET", "/api/output-types", "listOutputTypes", list_output_types),
    Operation("POST", _ALL, "createOutput", create_output, OutputBody),
    Operation("GET", _ALL, "listOutputs", list_outputs),
    Operation("GET", _ONE, "showOutput", show_output),
    Operation("PUT", _ONE, "changeOutput", change_output, ChangedOutputBody),
    Operation("DELETE", _ONE, "deleteOutput", delete_output),
    Operation("POST", f"{_ONE}/pause", "pauseOutput", pause_output),
    Operation("POST", f"{_ONE}/resume", "resumeOutput", resume_output),
    Operation("GET", f"{_ONE}/deliveries", "listDeliveries", list_deliveries),
    Operation("POST", f"{_ONE}/deliveries/resend", "resendDeliveries", resend_deliveries),
    Operation("POST", f"{_ONE}/deliveries/{{delivery}}/resend", "resendDelivery", resend_delivery),
    Operation("GET", "/api/workspaces/{workspace}/profiles/{mpid}/told", "listTold", list_told),
)
"""What can be done with outputs."""
