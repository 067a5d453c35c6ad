"""Serves the pages of what outputs were told: the deliveries of one, dead letters with what can be done about them, and the ledger of a profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from knownas.console.limits import LISTED_A_PAGE
from knownas.console.masking import ShownIdentity, masked_text
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done, not_done
from knownas.console.places import OUTPUTS
from knownas.console.refusal import Refusal, not_taken
from knownas.console.rights import Right
from knownas.console.workspace_asked import (
    before_number,
    output_names,
    output_of,
    path_number,
    workspace_choice,
    workspace_of,
)
from knownas.core.delivery.message import EventsMessage, MembershipMessage, SubscriptionMessage
from knownas.core.identity.record import parse_mpid
from knownas.core.translation.outcome import Outgoing
from knownas.service.audience.catalogue import KnownOutput
from knownas.service.delivery.dead_letters import Resent
from knownas.service.delivery.form import message_from
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.store.deliveries import FORGOTTEN, DeliveryState, StoredDelivery
from knownas.store.errors import StoreDamaged

_RESENT: Final[Mapping[Resent, str]] = {
    Resent.WAITING: "It waits to be sent again.",
    Resent.SUPERSEDED: "It stays dead: something later was told about the same profile, and this would undo it.",
    Resent.ERASED: "It stays dead: what it told was erased.",
    Resent.NOT_DEAD: "It was sent, waits by now, or was given up.",
    Resent.UNKNOWN: "The output has no such delivery.",
}
STATE_KINDS: Final[Mapping[DeliveryState, str]] = {
    DeliveryState.WAITING: "accent",
    DeliveryState.SENT: "good",
    DeliveryState.DEAD: "bad",
    DeliveryState.DROPPED: "plain",
}
"""How each state looks, as a badge."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery for a page: what it told in words, under which identities, and what became of it."""

    stored: StoredDelivery
    output: str
    says: str
    identities: Sequence[tuple[str, ShownIdentity]]
    why: str

    @property
    def kind(self) -> str:
        """How its state looks."""
        return STATE_KINDS[self.stored.state]


async def show_deliveries(asked: Asked) -> Answer:
    """Show what an output was told and is to be told, the newest first, in pages; in one state if that is chosen."""
    output = await output_of(asked)
    given = asked.query.text("state")
    if given and given not in set(DeliveryState):
        raise not_taken("There is no such state of a delivery.")
    state = DeliveryState(given) if given else None
    page = await asked.service.activation.dead_letters.look(output.id, state, before_number(asked), LISTED_A_PAGE + 1)
    shown = page[:LISTED_A_PAGE]
    options = [("", "every state"), *((one.value, one.value) for one in DeliveryState)]
    values = {
        "output": output,
        "state": given,
        "choices": (("state", "State", options, given),),
        "rows": _delivered(asked, shown),
        "next": asked.address(before=str(shown[-1].seq)) if len(page) > LISTED_A_PAGE else "",
    }
    return Shown("deliveries.html", "Deliveries", _about(shown), values, _trail(output))


async def show_delivery(asked: Asked) -> Answer:
    """Show one delivery."""
    stored, output = await _delivery(asked)
    [one] = _delivered(asked, [stored])
    trail = (*_trail(output), Crumb("Deliveries", f"/outputs/{output.id}/deliveries"))
    return Shown("delivery.html", str(stored.seq), _about([stored]), {"one": one, "given": output}, trail)


async def resend(asked: Asked) -> Answer:
    """Have one dead letter sent again."""
    stored, output = await _delivery(asked)
    resent = await asked.service.activation.dead_letters.send_again(output.id, stored.seq)
    told = done(_RESENT[resent]) if resent is Resent.WAITING else not_done(_RESENT[resent])
    to = f"/outputs/{output.id}/deliveries" if resent is Resent.WAITING else f"/deliveries/{stored.seq}"
    return Moved(to, _about([stored]), told)


async def resend_all(asked: Asked) -> Answer:
    """Have all dead letters of an output sent again."""
    output = await output_of(asked)
    again, stay = await asked.service.activation.dead_letters.send_all_again(output.id)
    said = f"{again:,} wait to be sent again; {stay:,} stay dead, since something later was told or they were erased."
    return Moved(f"/outputs/{output.id}/deliveries?state=dead", NOBODY, done(said))


async def show_ledger(asked: Asked) -> Answer:
    """Show what outputs of a workspace were told about a profile, the newest first, in pages."""
    workspace = workspace_of(asked)
    catalogue = await asked.service.activation.catalogues.refresh()
    given = asked.query.text("mpid")
    mpid = parse_mpid(given) if given else None
    if given and mpid is None:
        raise not_taken("An MPID is a 64-bit integer other than 0.")
    page: Sequence[StoredDelivery] = []
    if mpid is not None:
        deliveries = asked.service.store.deliveries
        page = await deliveries.deliveries_about(workspace.id, mpid, before_number(asked), LISTED_A_PAGE + 1)
    shown = page[:LISTED_A_PAGE]
    _, _, workspaces, _ = workspace_choice(asked, workspace)
    values = {
        "mpid": given,
        "workspaces": workspaces,
        "chosen": str(workspace.id),
        "rows": _delivered(asked, shown, output_names(catalogue)),
        "next": asked.address(before=str(shown[-1].seq)) if len(page) > LISTED_A_PAGE else "",
    }
    return Shown("ledger.html", "What was told about a profile", NOBODY if mpid is None else (mpid,), values)


async def _delivery(asked: Asked) -> tuple[StoredDelivery, KnownOutput]:
    """Return the delivery of the address, and its output."""
    stored = await asked.service.store.deliveries.delivery(path_number(asked))
    if stored is None:
        raise Refusal(404, "unknown_delivery", "There is no such delivery.", "It may be forgotten for its age by now.")
    return stored, await output_of(asked, stored.output)


def _about(several: Sequence[StoredDelivery]) -> Sequence[int]:
    return [one.mpid for one in several if one.mpid]


def _delivered(
    asked: Asked, several: Sequence[StoredDelivery], names: Mapping[int, str] | None = None
) -> Sequence[Delivered]:
    outputs = output_names(asked.service.activation.catalogues.now) if names is None else names
    told: list[Delivered] = []
    for one in several:
        says, identities = _said(one)
        why = "" if one.why in (None, FORGOTTEN) else str(one.why)
        if asked.who.masks:
            why = masked_text(why, [each.value for each in identities])
        shown = [(each.slot, asked.identity(each.target.value, each.value)) for each in identities]
        told.append(Delivered(one, outputs.get(one.output, str(one.output)), says, shown, why))
    return told


def _said(one: StoredDelivery) -> tuple[str, Sequence[Outgoing]]:
    """Say in words what a delivery tells, and under which identities."""
    if not one.document:
        return "what it told was erased", ()
    try:
        message = message_from(one.document, {})
    except StoreDamaged:
        return "it can't be read", ()
    match message:
        case SubscriptionMessage(audience=audience, subscription=subscription):
            return f"{subscription.value} the audience {audience.name}", ()
        case MembershipMessage(audience=audience, action=action, identities=identities):
            return f"{action.value} as a member of {audience.name}", identities
        case EventsMessage(identities=identities):
            return "events", identities
        case _:
            return f"erase, by request {message.request_id}", message.identities


def _trail(output: KnownOutput) -> Sequence[Crumb]:
    return (Crumb(output.document.name, f"/outputs/{output.id}"),)


PAGES: Final = (
    Page("GET", "/outputs/ledger", "showLedger", Right.READ, show_ledger, OUTPUTS),
    Page("GET", "/outputs/{id}/deliveries", "showDeliveries", Right.READ, show_deliveries, OUTPUTS),
    Page("POST", "/outputs/{id}/resend", "resendDeliveries", Right.OUTPUTS, resend_all, OUTPUTS, LONG_REQUEST_SECONDS),
    Page("GET", "/deliveries/{id}", "showDelivery", Right.READ, show_delivery, OUTPUTS),
    Page("POST", "/deliveries/{id}/resend", "resendDelivery", Right.OUTPUTS, resend, OUTPUTS),
)
