"""Serves the receipt of a decision: who was looked up by what, who was rejected and why, what decided, and what was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from knownas.console.limits import TAKEN_BACK_SHOWN
from knownas.console.masking import ShownIdentity, masked_document
from knownas.console.page import Answer, Asked, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import decision_path
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.console.story import line_of
from knownas.core.identity.decision import ChangeKind, DecidedBy, Guard, LookupEffect
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.service.identity.decisions import is_decision_id
from knownas.service.live.limits import LINES_KEPT_MAX
from knownas.service.security.auditing import persons_in

GUARDS: Final[Mapping[str, str]] = {
    Guard.LOGIN: "a known user's, whose login ID the request does not name",
    Guard.IMMUTABLE: "has an immutable ID that the request does not name",
    Guard.SEARCH_IMMUTABLE: "a search finds by immutable IDs alone",
}
"""Why a profile may not answer, after its MPID."""

EFFECTS: Final[Mapping[str, str]] = {
    LookupEffect.NONE: "Leads to nobody who may answer.",
    LookupEffect.FIRST: "The first candidates.",
    LookupEffect.NARROWED: "Only candidates that hold this too are left.",
    LookupEffect.KEPT: "None of these is a candidate, so it is ignored.",
}

RULES: Final[Mapping[str, str]] = {
    DecidedBy.LAST_CANDIDATE: "One profile was left",
    DecidedBy.PREVIOUS_MPID: "A tie, which goes to the profile that the client had before",
    DecidedBy.MOST_RECENT: "A tie, which goes to the profile active most recently",
    DecidedBy.SMALLEST_MPID: "A tie, which goes to the smallest MPID",
    DecidedBy.KNOWN_BEATS_ANONYMOUS: "A known profile goes before an anonymous one",
    DecidedBy.NO_CANDIDATE: "Nobody was left who may answer",
    DecidedBy.NEW_KNOWN_USER: "A login ID that is seen for the first time gets a profile of its own",
    DecidedBy.LOGOUT: "A logout begins a new anonymous profile",
    DecidedBy.NAMED: "The request names the profile by its MPID",
    DecidedBy.REFUSED: "The request was refused",
    DecidedBy.CORRECTED: "The history was corrected",
}
"""What decided, as a heading."""

CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    ChangeKind.ADDED: ("added", "good"),
    ChangeKind.MOVED: ("moved", "warn"),
    ChangeKind.CARRIED: ("noted", "plain"),
    ChangeKind.REMOVED: ("removed", "bad"),
    ChangeKind.DROPPED: ("struck", "bad"),
}
"""What happened to an identity, and the kind of its badge."""

_ENDPOINTS: Final = {
    "identify": "Visit",
    "login": "Login",
    "logout": "Logout",
    "search": "Search",
    "modify": "Change of identities",
    "seed": "Profile of another system",
    "correct": "Correction of the history",
    "erase": "Erasure",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One lookup: what was looked up, whom it led to, who of them was rejected, and who was left."""

    identity: ShownIdentity
    effect: str
    candidates: Sequence[tuple[str, bool]]
    """The profiles that may answer, each with whether it is left after this lookup."""

    rejected: Sequence[tuple[str, str]]
    """The profiles that may not, each with why."""

    is_first: bool
    is_crowded: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What happened to one identity of one profile."""

    says: str
    kind: str
    identity: ShownIdentity
    mpid: str
    from_mpid: str | None


async def show_receipt(asked: Asked) -> Answer:
    """Show the receipt of a decision, or what has become of an alias request."""
    decision_id = asked.request.path_params["id"]
    receipt = await asked.service.decisions.show(decision_id) if is_decision_id(decision_id) else None
    if receipt is None:
        alias = await asked.service.aliasing.show(decision_id)
        if alias is None:
            raise no_decision(asked)
        return _alias(asked, alias)
    document = cast("dict[str, Any]", receipt)
    shown = cast("dict[str, Any]", masked_document(receipt)) if asked.who.masks else document
    observation, outcome = document["observation"], document["outcome"]
    rungs = [_rung(asked, one) for one in document["receipt"]["steps"]]
    taken_back: Sequence[Mapping[str, Any]] = observation.get("take_back", ())
    is_correction = document["endpoint"] == "correct"
    may_undo = document["changed"] and document["endpoint"] != "erase"
    values = {
        "decision": shown,
        "heading": _ENDPOINTS[document["endpoint"]],
        "rungs": rungs,
        "unused": _unused(asked, observation, {one.identity.type for one in rungs}),
        "rule": RULES[document["receipt"]["decided_by"]],
        "winner": outcome.get("mpid"),
        "outcome": outcome,
        "previous_mpid": observation.get("previous_mpid"),
        "written": [_change(asked, one) for one in document["changes"]],
        "standing": await asked.service.telling.standing(decision_id),
        "is_correction": is_correction,
        "taken_back": [
            (decision_path(one["decision_id"]), await line_of(asked, one["decision_id"]))
            for one in taken_back[:TAKEN_BACK_SHOWN]
        ],
        "more_taken_back": max(0, len(taken_back) - TAKEN_BACK_SHOWN),
        "may_undo": may_undo and (not is_correction or bool(observation["take_back"] or observation["aliases"])),
        "raw": _written(shown),
    }
    return Shown("receipt.html", _ENDPOINTS[document["endpoint"]], persons_in(receipt), values)


def _alias(asked: Asked, alias: Document) -> Shown:
    stamp = alias["device_application_stamp"]
    device = None if stamp is None else asked.identity(IdentityType.DEVICE_APPLICATION_STAMP.value, str(stamp))
    shown = {**alias, "device_application_stamp": None if device is None else device.text}
    values = {"alias": alias, "device": device, "raw": _written(shown)}
    return Shown("alias.html", "Alias request", persons_in(alias), values)


def no_decision(asked: Asked) -> Refusal:
    """Return the refusal of an id under which nothing is found, with what can't be known and why."""
    code, decision_id = "unknown_decision", asked.request.path_params["id"]
    if not is_decision_id(decision_id):
        return Refusal(404, code, "No decision has this id.", "An id has 32 digits, 0 to 9 and a to f.")
    known = (
        "Every decision that changed something is kept. One that changed nothing is remembered by the process that made it, with its newest "
        f"{LINES_KEPT_MAX:,} at least, until it ends or somebody is erased; in a scope with capture: all it is kept too."
    )
    if not asked.service.shares_database:
        return Refusal(404, code, "No decision with this id is known, or it changed nothing and was forgotten.", known)
    sentence = f"No decision with this id is known to {asked.service.live.name}, the process that answers."
    again = "Others over this database may remember it: load the page again, which may reach another one."
    return Refusal(404, code, sentence, f"{known} {again}")


def _rung(asked: Asked, step: Mapping[str, Any]) -> Rung:
    left = set(step["left"])
    return Rung(
        asked.identity(step["type"], step["value"]),
        EFFECTS[step["effect"]],
        [(one, one in left) for one in step["candidates"]],
        [(one["mpid"], GUARDS[one["guard"]]) for one in step["rejected"]],
        step["effect"] == LookupEffect.FIRST,
        step["more"],
    )


def _unused(asked: Asked, observation: Mapping[str, Any], looked_up: set[str]) -> Sequence[ShownIdentity]:
    """Return the identities of a request that were not looked up."""
    named = observation.get("identities")
    if not isinstance(named, Mapping):
        return ()
    given = cast("Mapping[str, str]", named)
    return [asked.identity(str(kind), value) for kind, value in given.items() if str(kind) not in looked_up]


def _change(asked: Asked, change: Mapping[str, Any]) -> Written:
    says, kind = CHANGES[change["change"]]
    identity = asked.identity(change["type"], change["value"])
    return Written(says, kind, identity, change["mpid"], change["from_mpid"])


def _written(document: Mapping[str, object]) -> str:
    """Write a document as JSON for people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


PAGES: Final = (Page("GET", "/decisions/{id}", "showReceipt", Right.READ, show_receipt, PEOPLE),)
