"""Serves the events of a profile in one workspace, the newest first, a page at a time; and each of them whole."""

import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from knownas.console.limits import EVENTS_SHOWN
from knownas.console.masking import masked_document
from knownas.console.page import Answer, Asked, Crumb, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import Profile, profile_of, shown_profile, shown_text, workspace_named
from knownas.console.refusal import Refusal, not_taken
from knownas.console.rights import Right
from knownas.core.identity.document import values_document
from knownas.core.identity.record import values_of
from knownas.service.profile.event_pages import EventPlace, ShownEvent
from knownas.store.user_data import SectionKey

_PLACE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,6})")


class EventRow(NamedTuple):
    """An event in the list."""

    path: str
    type: str
    name: str | None
    at_ms: int
    came_ms: int
    input: str
    platform: str | None
    is_copied: bool


async def show_events(asked: Asked) -> Answer:
    """Show a page of events."""
    profile = await profile_of(asked)
    if isinstance(profile, Shown):
        return profile
    keys = sorted(await asked.service.sections.of_profile(profile.mpid))
    values: dict[str, Any] = {"choices": [(_named(key), _says(asked, key)) for key in keys], "rows": [], "next": ""}
    if keys:
        key = _key(asked, keys)
        page = await asked.service.event_pages.back(key, _place(asked.query.text("before")), EVENTS_SHOWN)
        following = "" if page.next is None else asked.address(before=_written(page.next))
        values |= {
            "chosen": _named(key),
            "rows": [_row(asked, profile, key, one) for one in page.events],
            "next": following,
            "is_first": not asked.query.text("before"),
            "first": asked.address(before=""),
        }
    return shown_profile(asked, profile, "profile_events.html", "Events", values)


async def show_event(asked: Asked) -> Answer:
    """Show one event whole, as it was sent."""
    profile = await profile_of(asked)
    if isinstance(profile, Shown):
        return profile
    at = _place(asked.request.path_params["event"])
    keys = sorted(await asked.service.sections.of_profile(profile.mpid))
    found = None
    if keys and at is not None:
        found = await asked.service.event_pages.find(_key(asked, keys), at)
    if found is None:
        sentence, advice = "This event is not kept.", "Events are removed after a while, and with the person."
        raise Refusal(HTTPStatus.NOT_FOUND, "unknown_path", sentence, advice)
    key = _key(asked, keys)
    back = f"/people/{profile.mpid}/events?section={_named(key)}"
    values = {
        "event": found,
        "name": None if found.name is None else shown_text(asked, profile, found.name),
        "says": _says(asked, key),
        "stamp": None if found.stamp is None else asked.identity("device_application_stamp", found.stamp),
        "data": _data(asked, profile, found),
    }
    return shown_profile(asked, profile, "profile_event.html", "Event", values, (Crumb("Events", back),))


def _row(asked: Asked, profile: Profile, key: SectionKey, one: ShownEvent) -> EventRow:
    path = f"/people/{profile.mpid}/events/{_written(one.at)}?section={_named(key)}"
    name = None if one.name is None else shown_text(asked, profile, one.name)
    where = one.input, one.platform, one.alias_of is not None
    return EventRow(path, one.type, name, one.at_ms, one.came_ms, *where)


def _data(asked: Asked, profile: Profile, one: ShownEvent) -> str:
    """Write what an event says for reading. For whoever may not see identities, those of the profile are masked wherever they stand."""
    data = one.document()
    if asked.who.masks:
        known = values_document(values_of((*profile.looked_up, *profile.carried)))
        data = masked_document({"identities": known, "data": data})["data"]
    return json.dumps(data, indent=2, ensure_ascii=False)


def _key(asked: Asked, keys: Sequence[SectionKey]) -> SectionKey:
    """Return the section that is chosen; the first if none is.

    Raises:
        Refusal: no workspace knows the profile by this name.
    """
    given = asked.query.text("section")
    found = next((key for key in keys if given in ("", _named(key))), None)
    if found is None:
        raise not_taken("No workspace of this name knows the profile.")
    return found


def _named(key: SectionKey) -> str:
    return f"{key.workspace}-{key.environment}"


def _says(asked: Asked, key: SectionKey) -> str:
    return f"{workspace_named(asked, key.workspace).name}, {key.environment}"


def _place(given: str) -> EventPlace | None:
    """Read where an event stands.

    Raises:
        Refusal: it is no such place.
    """
    if not given:
        return None
    found = _PLACE.fullmatch(given)
    if found is None:
        raise not_taken("The address names no place among these events.")
    return EventPlace(int(found[1]), int(found[2]))


def _written(place: EventPlace) -> str:
    return f"{place.seq}-{place.place}"


PAGES: Final = (
    Page("GET", "/people/{mpid}/events", "showEventsOfPerson", Right.READ, show_events, PEOPLE),
    Page("GET", "/people/{mpid}/events/{event}", "showEventOfPerson", Right.READ, show_event, PEOPLE),
)
