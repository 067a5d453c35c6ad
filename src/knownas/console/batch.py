"""Serves the receipt of a batch of events: whose it is, what of it is kept, what was left out, or why it was refused."""

from http import HTTPStatus
from typing import Final

from knownas.console.page import NOBODY, Answer, Asked, Page, Shown
from knownas.console.places import STREAM
from knownas.console.profile_frame import workspace_named
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.core.identity.record import parse_mpid
from knownas.service.identity.decisions import is_decision_id


async def show_batch(asked: Asked) -> Answer:
    """Show what became of a batch."""
    receipt_id = asked.request.path_params["id"]
    batch = await asked.service.batches.show(receipt_id) if is_decision_id(receipt_id) else None
    if batch is None:
        sentence, advice = (
            "No batch has this receipt.",
            "Receipts are removed with what the configuration keeps no longer.",
        )
        raise Refusal(HTTPStatus.NOT_FOUND, "unknown_batch", sentence, advice)
    mpid = parse_mpid(batch["mpid"]) if "mpid" in batch else None
    values = {
        "batch": batch,
        "mpid": mpid,
        "workspace": workspace_named(asked, batch["workspace"]),
        # The sentence of a refusal may quote what was sent.
        "sentence": "" if asked.who.masks else batch.get("sentence", ""),
    }
    return Shown("batch.html", "Batch of events", NOBODY if mpid is None else (mpid,), values)


PAGES: Final = (Page("GET", "/batches/{id}", "showBatch", Right.READ, show_batch, STREAM),)
