"""Serves the part of our own API that shows what workspaces know of users, and what became of batches and aliases."""

from typing import Any, Final

from starlette.requests import Request

from knownas.api.ids import id_number
from knownas.api.limits import REQUEST_ID_CHARACTERS_MAX
from knownas.api.own_operation import (
    Operation,
    Refusal,
    page_cursor,
    page_limit,
    path_mpid,
    query_environment,
    unknown_profile,
    write_cursor,
)
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.section import Section
from knownas.service.identity.decisions import is_decision_id
from knownas.service.identity.receipts import rfc3339
from knownas.service.profile.consent_history import change_document, changes_of, consent_document
from knownas.service.server import Service
from knownas.store.user_data import SectionKey


async def show_batch(service: Service, request: Request) -> tuple[int, Document]:
    """Return what became of a batch of events, by the id in the header X-Receipt-Id."""
    receipt_id = request.path_params["id"]
    if not is_decision_id(receipt_id):
        raise Refusal(400, "malformed_receipt_id", "A receipt id has 32 lower-case hex digits.")
    receipt = await service.batches.show(receipt_id)
    if receipt is None:
        raise Refusal(404, "unknown_batch", "No batch has this receipt id, or it was forgotten by now.")
    return 200, receipt


async def find_batches(service: Service, request: Request) -> tuple[int, Document]:
    """Return what became of the batches that were sent under a `source_request_id`, the newest first."""
    wanted = request.query_params.get("source_request_id", "")
    if not wanted or len(wanted) > REQUEST_ID_CHARACTERS_MAX or "\0" in wanted:
        sentence = f"Name the batch: ?source_request_id=, 1 to {REQUEST_ID_CHARACTERS_MAX} characters."
        raise Refusal(400, "invalid_source_request_id", sentence)
    return 200, {"items": list(await service.batches.named(wanted))}


async def show_sections(service: Service, request: Request) -> tuple[int, Document]:
    """Return what each workspace knows of a profile: attributes, consent, devices, attribution."""
    mpid = path_mpid(request)
    if await service.profiles.show(mpid) is None:
        raise unknown_profile(mpid)
    sections = await service.sections.of_profile(mpid)
    return 200, {"mpid": str(mpid), "items": [_shown(key, sections[key]) for key in sorted(sections)]}


async def show_events(service: Service, request: Request) -> tuple[int, Document]:
    """Return the batches of events that a workspace keeps of a profile, as they were sent, in the order they came."""
    mpid = path_mpid(request)
    environment, workspace = query_environment(request), _query_workspace(request)
    if await service.profiles.show(mpid) is None:
        raise unknown_profile(mpid)
    limit = page_limit(request)
    key = SectionKey(workspace, environment, mpid)
    found, next_seq = await service.sections.events(key, page_cursor(request), limit)
    items = [{"received_at": rfc3339(stored.at_ms), **document} for stored, document in found]
    return 200, {"items": items, "next": None if next_seq is None else write_cursor(next_seq)}


async def show_consent(service: Service, request: Request) -> tuple[int, Document]:
    """Return what a workspace knows of a person's consent: what counts now, and how it came to that.

    Each change stands there with when it was stated, when it came, and through which input.
    """
    mpid = path_mpid(request)
    environment, workspace = query_environment(request), _query_workspace(request)
    if await service.profiles.show(mpid) is None:
        raise unknown_profile(mpid)
    section = await service.sections.find(SectionKey(workspace, environment, mpid))
    return 200, {
        "mpid": str(mpid),
        "workspace": workspace,
        "environment": environment,
        "items": [] if section is None else [consent_document(*one) for one in sorted(section.consents.items())],
        "history": [] if section is None else [change_document(one) for one in changes_of(section)],
    }


def _query_workspace(request: Request) -> int:
    workspace = id_number(request.query_params.get("workspace", ""))
    if workspace is None:
        raise Refusal(400, "invalid_workspace", "Name the workspace by its id: ?workspace=100.")
    return workspace


async def show_alias(service: Service, request: Request) -> tuple[int, Document]:
    """Return what became of an alias request: queued, done, or rejected with the reason."""
    request_id = request.path_params["request_id"]
    if not 0 < len(request_id) <= ALIAS_ID_CHARACTERS_MAX or "\0" in request_id:
        raise Refusal(400, "malformed_request_id", f"A request id has 1 to {ALIAS_ID_CHARACTERS_MAX} characters.")
    found = await service.aliasing.show(request_id)
    if found is None:
        raise Refusal(404, "unknown_alias", "No alias was requested under this id.")
    return 200, found


async def show_retention(service: Service, request: Request) -> tuple[int, Document]:
    """Return for how long things are kept, what is too old now, and what the last run did."""
    del request
    return 200, await service.retention.document()


def _shown(key: SectionKey, section: Section) -> dict[str, Any]:
    return {
        "workspace": key.workspace,
        "environment": key.environment,
        "first_seen_at": rfc3339(section.first_seen_ms),
        "last_seen_at": rfc3339(section.last_seen_ms),
        "attributes": {name: _attribute(section.attributes[name]) for name in sorted(section.attributes)},
        "consents": [consent_document(*one) for one in sorted(section.consents.items())],
        "devices": [
            {
                "identities": {IdentityType.DEVICE_APPLICATION_STAMP: one.stamp, **one.ids} if one.stamp else one.ids,
                "platform": one.platform,
                "facts": one.facts,
                "first_seen_at": rfc3339(one.first_seen_ms),
                "last_seen_at": rfc3339(one.last_seen_ms),
            }
            for one in section.devices
        ],
        "attributions": [
            {"publisher": one.publisher, "campaign": one.campaign, "at": rfc3339(one.at_ms)}
            for one in section.attributions
        ],
        "opted_out": section.opted_out,
        "inputs": {name: rfc3339(at_ms) for name, at_ms in section.inputs.items()},
        "notes": list(section.notes),
    }


def _attribute(one: Attribute) -> dict[str, Any]:
    return {"value": one.value, "at": rfc3339(one.at_ms), "deleted": one.value is None}


USER_DATA_OPERATIONS: Final = (
    Operation("GET", "/api/profiles/{mpid}/sections", "showSections", show_sections),
    Operation("GET", "/api/profiles/{mpid}/events", "showEvents", show_events),
    Operation("GET", "/api/profiles/{mpid}/consent", "showConsent", show_consent),
    Operation("GET", "/api/batches/{id}", "showBatch", show_batch),
    Operation("GET", "/api/batches", "findBatches", find_batches),
    Operation("GET", "/api/aliases/{request_id}", "showAlias", show_alias),
    Operation("GET", "/api/retention", "showRetention", show_retention),
)
