"""Serves the privacy desk: the requests of data subjects with their clocks, one request with its steps, and what it delivers."""

from typing import Final, NamedTuple

from knownas.console.limits import DESK_PAGE, RESULTS_BYTES_MAX
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Sent, Shown, done, not_done
from knownas.console.places import PRIVACY
from knownas.console.refusal import Refusal, not_taken
from knownas.console.rights import Right
from knownas.core.privacy.evidence import Happening
from knownas.core.privacy.request import RequestState, RequestType
from knownas.service.access.archive import FetchedTooOften
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.evidence.certificates import ENDS, TooManyEntries
from knownas.service.evidence.documents import document_bytes
from knownas.service.evidence.pdf import certificate_pdf
from knownas.service.evidence.sentences import sentence
from knownas.service.identity.knowing import place_of
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import LONG_REQUEST_SECONDS, RESULTS_FETCHES_MAX
from knownas.service.privacy.desk import OPEN_STATES, Clock, Desk, Urgency, Wish, clock_of
from knownas.service.privacy.subject_request_form import NOBODY as FORGOTTEN
from knownas.service.privacy.subject_request_form import KeptRequest, kept_request
from knownas.service.privacy.subject_requests import VERIFIED_AT_CONSOLE, Cancelled
from knownas.service.privacy.subject_status import RESULTS_DAYS, are_results_old, has_results
from knownas.service.security.directory import Place

_ID_CHARACTERS_MAX: Final = 128
_CURSOR_CHARACTERS_MAX: Final = 160
_EVERY: Final = frozenset(RequestState)
VIEWS: Final = {
    "open": ("Open, the most urgent first", OPEN_STATES),
    "overdue": ("Overdue", OPEN_STATES),
    "completed": ("Completed", frozenset({RequestState.COMPLETED})),
    "cancelled": ("Cancelled", frozenset({RequestState.CANCELLED})),
    "all": ("All, the newest first", _EVERY),
}
"""What can be shown: the word for it in the address, its name, and which states it has."""

TYPE_WORDS: Final = {
    RequestType.ACCESS: "Access",
    RequestType.PORTABILITY: "Portability",
    RequestType.ERASURE: "Erasure",
}


class Row(NamedTuple):
    """A request as a line of the table."""

    id: str
    kept: KeptRequest
    clock: Clock
    workspace: str


async def show_desk(asked: Asked) -> Answer:
    """Show requests with their clocks, and how many are open, urgent and overdue."""
    desk, now_ms = Desk(asked.service.store.privacy), asked.service.clock()
    view = asked.query.text("state") or "open"
    if view not in VIEWS:
        raise not_taken("There is no such list of requests.")
    wish = Wish(VIEWS[view][1], _type(asked), _workspace(asked))
    still = await desk.open()
    clocks = [clock_of(one.request, now_ms).urgency for one in still.requests]
    following = ""
    if view in ("open", "overdue"):
        found = [one for one in still.requests if wish.has(one.request)]
        if view == "overdue":
            found = [one for one in found if clock_of(one.request, now_ms).urgency is Urgency.OVERDUE]
        start = _start(asked.query.text("next"))
        found, rest = found[start : start + DESK_PAGE], found[start + DESK_PAGE :]
        following = asked.address(next=str(start + DESK_PAGE)) if rest else ""
    else:
        page = await desk.page(wish, _before(asked.query.text("next", _CURSOR_CHARACTERS_MAX)), DESK_PAGE)
        found = list(page.requests)
        following = "" if page.before is None else asked.address(next=f"{page.before[0]}.{page.before[1]}")
    values = {
        "rows": [Row(one.request.request_id, one, clock_of(one.request, now_ms), _name(asked, one)) for one in found],
        "next": following,
        "view": view,
        "views": VIEWS,
        "wish": wish,
        "types": TYPE_WORDS,
        "type_choices": [("", "Any"), *((one.value, words) for one, words in TYPE_WORDS.items())],
        "workspace_choices": [
            ("", "Any"),
            *(
                (str(place.workspace.id), place.workspace.name or place.workspace.id)
                for place in asked.service.directory.places
            ),
        ],
        "open": len(clocks),
        "is_all": still.is_all,
        "overdue": clocks.count(Urgency.OVERDUE),
        "soon": clocks.count(Urgency.SOON),
    }
    return Shown("privacy_desk.html", PRIVACY.title, [mpid for one in found for mpid in one.mpids], values)


async def show_request(asked: Asked) -> Answer:
    """Show one request: its clock, whom it is about, what happened, and what can be fetched or done."""
    kept = await _found(asked)
    request, now_ms = kept.request, asked.service.clock()
    entries = await asked.service.privacy.evidence.of_request(request.request_id)
    subject = request.subject
    fetched = has_results(request)
    values = {
        "kept": kept,
        "request": request,
        "clock": clock_of(request, now_ms),
        "type": TYPE_WORDS[request.type],
        "workspace": _name(asked, kept),
        "identities": [
            (asked.identity(one.identity.type.value, one.identity.value), one.encoding.value)
            for one in subject.identities
        ],
        "named": [] if subject == FORGOTTEN else subject.named,
        "steps": [(one.number, one.happening.at_ms, _told(one.happening)) for one in entries],
        "is_ended": any(one.happening.step in ENDS for one in entries),
        "has_results": fetched and not are_results_old(request, now_ms),
        "are_results_old": fetched and are_results_old(request, now_ms),
        "results_days": RESULTS_DAYS,
        "can_cancel": request.state is RequestState.PENDING,
    }
    return Shown("privacy_request.html", f"{values['type']} request", kept.mpids, values)


async def ask_cancel(asked: Asked) -> Answer:
    """Ask whether a request is to be taken back."""
    kept = await _found(asked)
    trail = [Crumb("Request", _path(kept))]
    values = {"request": kept.request, "type": TYPE_WORDS[kept.request.type], "back": _path(kept)}
    return Shown("privacy_cancel.html", "Cancel a request", kept.mpids, values, trail)


async def cancel_request(asked: Asked) -> Answer:
    """Take a request back, if it still waits."""
    kept = await _found(asked)
    place = _place(asked, kept)
    outcome = await asked.service.privacy.requests.cancel(
        place, kept.request.request_id, asked.service.clock(), VERIFIED_AT_CONSOLE
    )
    told = (
        done("The request is cancelled. Nothing of the person was touched.")
        if isinstance(outcome, Cancelled)
        else not_done("It was not cancelled: it does not wait any more.")
    )
    return Moved(_path(kept), kept.mpids, told)


async def send_certificate(asked: Asked) -> Answer:
    """Send the certificate of a request that has ended, as JSON or as PDF."""
    request_id, form = _id(asked), asked.query.text("format") or "json"
    if form not in ("json", "pdf"):
        raise not_taken("A certificate comes as json or pdf.")
    try:
        document = await asked.service.privacy.certificates.of_request(request_id)
    except TooManyEntries:
        advice = "Write the whole chain out with `knownas evidence`."
        raise Refusal(409, "too_many_entries", "The request has more entries than a certificate.", advice) from None
    if document is None:
        raise Refusal(404, "not_certified", "No request with this id has ended.", "Come back when it has.")
    if form == "pdf":
        return Sent(certificate_pdf(document), "application/pdf", f"certificate-{request_id}.pdf", NOBODY)
    return Sent(document_bytes(document) + b"\n", "application/json", f"certificate-{request_id}.json", NOBODY)


async def send_results(asked: Asked) -> Answer:
    """Send what a request of access or portability delivers. It is told in the evidence, and can be done so many times."""
    kept = await _found(asked)
    if not has_results(kept.request):
        raise Refusal(404, "no_results", "There is nothing to fetch for this request.", "Go back to the request.")
    if are_results_old(kept.request, asked.service.clock()):
        sentence_ = f"Results can be fetched for {RESULTS_DAYS} days."
        raise Refusal(410, "results_expired", sentence_, "Make a new request of access.")
    try:
        parts = await asked.service.privacy.results.open(kept)
    except FetchedTooOften:
        sentence_ = f"Results can be fetched {RESULTS_FETCHES_MAX} times."
        raise Refusal(429, "fetched_too_often", sentence_, "Make a new request of access.") from None
    if parts is None:
        raise Refusal(404, "no_results", "Nobody was found, or the person has been erased since.", "Go back.")
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > RESULTS_BYTES_MAX:
            sentence_ = f"The archive has more than {RESULTS_BYTES_MAX // 2**20} MiB, too much for the console."
            advice = "Fetch it with the key of the workspace from the address that the status of the request names."
            raise Refusal(413, "results_too_long", sentence_, advice)
    return Sent(bytes(body), "application/zip", f"{kept.request.request_id}.zip", kept.mpids)


def _told(happening: Happening) -> str:
    """Tell an entry in a sentence, with its times as such."""
    facts = {
        name.removesuffix("_ms"): rfc3339(fact) if name.endswith("_ms") and isinstance(fact, int) else fact
        for name, fact in happening.facts.items()
    }
    return sentence(happening._replace(facts=facts))


def _id(asked: Asked) -> str:
    request_id: str = asked.request.path_params["id"]
    if not 0 < len(request_id) <= _ID_CHARACTERS_MAX or "\0" in request_id:
        raise not_taken(f"The id of a request has 1 to {_ID_CHARACTERS_MAX} characters.")
    return request_id


async def _found(asked: Asked) -> KeptRequest:
    """Return the request of the address.

    Raises:
        Refusal: there is none, or no longer.
    """
    row = await asked.service.store.privacy.request(_id(asked))
    if row is None or is_deletion(row):
        sentence_ = "There is no request with this id, or it was forgotten."
        advice = "The evidence of a request that was forgotten is there still: ask for its certificate."
        raise Refusal(404, "unknown_request", sentence_, advice)
    return kept_request(row)


def _path(kept: KeptRequest) -> str:
    return f"{PRIVACY.path}/requests/{kept.request.request_id}"


def _place(asked: Asked, kept: KeptRequest) -> Place:
    place = place_of(asked.service.directory, kept.request.workspace)
    if place is None:
        sentence_ = "The workspace of the request is not in the configuration any more."
        raise Refusal(404, "unknown_workspace", sentence_, "Bring it back to work on its requests.")
    return place


def _name(asked: Asked, kept: KeptRequest) -> str:
    place = place_of(asked.service.directory, kept.request.workspace)
    return str(kept.request.workspace) if place is None else place.workspace.name or str(place.workspace.id)


def _type(asked: Asked) -> RequestType | None:
    given = asked.query.text("type")
    if given and given not in set(RequestType):
        raise not_taken("A request is of access, portability or erasure.")
    return RequestType(given) if given else None


def _workspace(asked: Asked) -> int | None:
    given = asked.query.text("workspace")
    known = {str(place.workspace.id): place.workspace.id for place in asked.service.directory.places}
    if given and given not in known:
        raise not_taken("The configuration has no workspace with this id.")
    return known.get(given)


def _start(given: str) -> int:
    if not given:
        return 0
    if not (given.isascii() and given.isdecimal() and len(given) <= len("10000")):
        raise not_taken("This is not the next page of a list.")
    return int(given)


def _before(given: str) -> tuple[int, str] | None:
    if not given:
        return None
    at, _, request_id = given.partition(".")
    if not (at.isascii() and at.isdecimal() and len(at) <= len(str(2**53))):
        raise not_taken("This is not the next page of a list.")
    return int(at), request_id


PAGES: Final = (
    Page("GET", PRIVACY.path, "showPrivacyDesk", Right.READ, show_desk, PRIVACY),
    Page("GET", "/privacy/requests/{id}", "showPrivacyRequest", Right.READ, show_request, PRIVACY),
    Page("GET", "/privacy/requests/{id}/cancel", "askCancelPrivacyRequest", Right.PRIVACY, ask_cancel, PRIVACY),
    Page("POST", "/privacy/requests/{id}/cancel", "cancelPrivacyRequest", Right.PRIVACY, cancel_request, PRIVACY),
    Page("GET", "/privacy/requests/{id}/certificate", "sendPrivacyCertificate", Right.READ, send_certificate, PRIVACY),
    Page(
        *("POST", "/privacy/requests/{id}/results", "sendPrivacyResults", Right.PRIVACY, send_results, PRIVACY),
        seconds=LONG_REQUEST_SECONDS,
    ),
)
