"""Serves the part of our own API by which inputs are connected with outputs, so that their events are forwarded."""

from typing import Any, Final

import msgspec
from starlette.requests import Request

from knownas.api.connection_wire import InputConnectionBody
from knownas.api.ids import id_number
from knownas.api.own_audiences import path_workspace, refused_for
from knownas.api.own_operation import Operation, Refusal, json_body
from knownas.core.identity.document import Document
from knownas.service.audience.catalogue import KnownForwarding
from knownas.service.delivery.event_forwarding import Decided
from knownas.service.delivery.forwarding_form import input_connection_document
from knownas.service.identity.receipts import rfc3339
from knownas.service.server import Service

NOT_FORWARDED_LISTED: Final = 20
"""Batches of which nothing was forwarded that are shown of a connection, the last ones."""


async def create_input_connection(service: Service, request: Request) -> tuple[int, Document]:
    """Connect an input with an output: what comes through it from now on is forwarded.

    Other servers over the same database know of it a moment later.
    """
    workspace = path_workspace(service, request)
    written = await json_body(request, _ANY)
    if isinstance(written.get("output"), int):
        written = {**written, "output": str(written["output"])}
    made = await service.activation.forwarding.connect(workspace, written)
    if isinstance(made, tuple):
        raise refused_for(made, "invalid_connection", "The input can't be connected like this.")
    return 201, _shown(service, service.activation.catalogues.now.forwarding[made])


async def list_input_connections(service: Service, request: Request) -> tuple[int, Document]:
    """Return the connections of a workspace's inputs, by id."""
    workspace = path_workspace(service, request)
    await service.activation.catalogues.refresh()
    return 200, {"items": [_shown(service, one) for one in service.activation.forwarding.known(workspace)]}


async def show_input_connection(service: Service, request: Request) -> tuple[int, Document]:
    """Return the connection of an input, and of which batches nothing was forwarded lately, with the reasons."""
    known = await path_input_connection(service, request)
    lately = [one for one in service.activation.forwarded.lately if one.connection == known.id]
    return 200, {
        **_shown(service, known),
        "not_forwarded": [_decided(one) for one in reversed(lately[-NOT_FORWARDED_LISTED:])],
    }


async def delete_input_connection(service: Service, request: Request) -> tuple[int, Document]:
    """Take the connection of an input away. What was written for its output by then is still told."""
    known = await path_input_connection(service, request)
    await service.activation.forwarding.disconnect(known.id)
    return 200, {"id": known.id, "deleted": True}


async def path_input_connection(service: Service, request: Request) -> KnownForwarding:
    """Read the connection of a path.

    Raises:
        Refusal: its workspace has none of this id.
    """
    workspace = path_workspace(service, request)
    number = id_number(request.path_params["connection"])
    await service.activation.catalogues.refresh()
    found = [one for one in service.activation.forwarding.known(workspace) if one.id == number]
    if not found:
        raise Refusal(404, "unknown_connection", "No input of the workspace has a connection of this id.")
    return found[0]


def _shown(service: Service, known: KnownForwarding) -> Document:
    output = service.activation.catalogues.now.outputs[known.output]
    kind = service.activation.catalogues.destinations[output.document.destination]
    confidential = frozenset(one.name for one in kind.connection_settings if one.confidential)
    return {
        "id": known.id,
        "input": known.input,
        "output": known.output,
        "connected": input_connection_document(known.asked, confidential),
        "batches": dict(sorted(service.activation.forwarded.count_of(known.id).items())),
        "created_at": rfc3339(known.document.created_ms),
    }


def _decided(one: Decided) -> Document:
    return {"at": rfc3339(one.at_ms), "mpid": str(one.mpid), "receipt": one.receipt_id, "reason": one.reason}


_ANY: Final = msgspec.json.Decoder(dict[str, Any])

_ALL: Final = "/api/workspaces/{workspace}/connections"
_ONE: Final = f"{_ALL}/{{connection}}"

FORWARDING_OPERATIONS: Final = (
    Operation("POST", _ALL, "createInputConnection", create_input_connection, InputConnectionBody),
    Operation("GET", _ALL, "listInputConnections", list_input_connections),
    Operation("GET", _ONE, "showInputConnection", show_input_connection),
    Operation("DELETE", _ONE, "deleteInputConnection", delete_input_connection),
)
"""What can be done with the connections of inputs."""
