"""Serves the evidence of the privacy desk: the chain's signed head, a check of all of it, and who is kept out or was let in again."""

from typing import Final

from knownas.console.page import NOBODY, Answer, Asked, Page, Sent, Shown
from knownas.console.places import PRIVACY
from knownas.console.rights import Right
from knownas.core.privacy.evidence import Fault, Step
from knownas.service.evidence.anchoring import PUBLISH_EVERY_MS
from knownas.service.evidence.checking import Checked, check_chain
from knownas.service.evidence.documents import HeadDocument, document_bytes, is_its_own
from knownas.service.limits import KEPT_OUT_COUNTED_MAX, LONG_REQUEST_SECONDS, PAGE_MAX

_PATH: Final = "/privacy/evidence"
_MS_AN_HOUR: Final = 3_600_000

FAULT_WORDS: Final = {
    Fault.ALTERED: "was changed after it was written: what it says does not go with its hash",
    Fault.OUT_OF_ORDER: "stands in the wrong place",
    Fault.MISSING: "follows a gap: at least one entry before it is missing",
    Fault.NOT_LINKED: "does not hold the hashes of those before it",
    Fault.REWRITTEN: "is another one than the one of which a head was published",
    Fault.CUT_OFF: "is missing: a head was published beyond it",
}


async def show_evidence(asked: Asked) -> Answer:
    """Show the head of the chain, signed now, and what is kept out."""
    return await _evidence(asked, None)


async def verify_now(asked: Asked) -> Answer:
    """Check the whole chain and say what came of it."""
    published = asked.service.privacy.anchoring.published
    anchors = [] if published is None else [published.head.head]
    return await _evidence(asked, await check_chain(asked.service.privacy.evidence, anchors))


async def send_head(asked: Asked) -> Answer:
    """Send the signed head, to be kept elsewhere: an anchor for all that was written before."""
    head = await asked.service.privacy.certificates.head()
    return Sent(document_bytes(head) + b"\n", "application/json", f"evidence-head-{head.head.number}.json", NOBODY)


async def _evidence(asked: Asked, checked: Checked | None) -> Answer:
    head: HeadDocument = await asked.service.privacy.certificates.head()
    kept_out = await _kept_out(asked)
    values = {
        "head": head,
        "is_signed": is_its_own(head),
        "published": asked.service.privacy.anchoring.published,
        "every_hours": PUBLISH_EVERY_MS // _MS_AN_HOUR,
        "checked": checked,
        "faults": []
        if checked is None
        else [(one.number, FAULT_WORDS.get(one.fault, one.fault.value.replace("_", " "))) for one in checked.findings],
        "received": 0 if checked is None else checked.steps.get(Step.RECEIVED, 0),
        "completed": 0 if checked is None else checked.steps.get(Step.COMPLETED, 0),
        "let_in": 0 if checked is None else checked.steps.get(Step.LET_IN, 0),
        "kept_out": kept_out,
        "is_all_kept_out": kept_out < KEPT_OUT_COUNTED_MAX,
        "turned_away": [(scope, one.counted) for scope, one in asked.service.directory.keep_outs.items()],
    }
    return Shown("privacy_evidence.html", "Evidence", NOBODY, values)


async def _kept_out(asked: Asked) -> int:
    """Count the identities that are kept out, at most `KEPT_OUT_COUNTED_MAX`."""
    counted, after = 0, b""
    while counted < KEPT_OUT_COUNTED_MAX:
        page = await asked.service.store.privacy.suppressions_after(after, PAGE_MAX)
        counted += len(page)
        if len(page) < PAGE_MAX:
            break
        after = page[-1].digest
    return counted


PAGES: Final = (
    Page("GET", _PATH, "showPrivacyEvidence", Right.READ, show_evidence, PRIVACY),
    Page("POST", _PATH, "verifyPrivacyEvidence", Right.PRIVACY, verify_now, PRIVACY, seconds=LONG_REQUEST_SECONDS),
    Page("GET", "/privacy/evidence/head", "sendPrivacyEvidenceHead", Right.READ, send_head, PRIVACY),
)
