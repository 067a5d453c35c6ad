"""Tells operators of a request of a data subject: how far it is, and its evidence in sentences. It never says who asked."""

from knownas.core.identity.document import Document
from knownas.core.privacy.evidence import Entry
from knownas.service.evidence.sentences import sentence
from knownas.service.identity.receipts import rfc3339
from knownas.service.privacy.subject_request_form import kept_request
from knownas.store.privacy import StoredRequest


def request_document(row: StoredRequest) -> Document:
    """Write down how far a request is.

    Raises:
        StoreDamaged: what the store keeps is no request.
    """
    kept = kept_request(row)
    request, progress = kept.request, kept.progress
    return {
        "request_id": request.request_id,
        "workspace": request.workspace,
        "type": request.type.value,
        "regulation": request.regulation.value,
        "state": request.state.value,
        "group": request.group,
        "received_at": rfc3339(request.received_ms),
        "due_at": rfc3339(request.due_ms),
        "begun_at": None if request.begun_ms is None else rfc3339(request.begun_ms),
        "ended_at": None if request.ended_ms is None else rfc3339(request.ended_ms),
        "mpid": None if progress.mpid is None else str(progress.mpid),
        "environment": None if progress.environment is None else progress.environment.value,
        "whole": progress.is_whole,
        "further": [
            {
                "mpid": str(one.mpid),
                "environment": None if one.environment is None else one.environment.value,
                "whole": one.is_whole,
            }
            for one in kept.further
        ],
    }


def step_document(entry: Entry) -> Document:
    """Write an entry of the evidence down, with a sentence."""
    happening = entry.happening
    return {
        "number": entry.number,
        "at": rfc3339(happening.at_ms),
        "step": happening.step.value,
        "sentence": sentence(happening),
        "facts": dict(happening.facts),
    }
