"""Serves the search for people: by an identity or an MPID, with why each was found, or what was looked at."""

from dataclasses import dataclass
from typing import Final

from knownas.console.masking import ShownIdentity
from knownas.console.page import NOBODY, Answer, Asked, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import decision_path
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX
from knownas.service.identity.people_finding import FoundProfile, Lead, Why, types_like, values_like

GUESSED, ANY, MPID = "", "any", "mpid"
"""What can be chosen instead of one type: the types that the value looks like, all of them, and none but the MPID."""

_FIELD_MOST: Final = IDENTITY_VALUE_CHARACTERS_MAX + 20
"""Characters of the field: an identity, and blanks around it."""


@dataclass(frozen=True, slots=True)
class ShownWhy:
    """Why a profile was found, for a page."""

    lead: Lead
    identity: ShownIdentity | None
    went_ms: int | None
    path: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A profile that was found, for a page. Of one that was erased, nothing is told but that."""

    mpid: int
    scope: str
    environment: str
    known: bool
    orphan: bool
    erased_by: str | None
    created_ms: int
    last_active_ms: int
    whys: tuple[ShownWhy, ...]
    identities: tuple[ShownIdentity, ...]


async def find_people(asked: Asked) -> Answer:
    """Show the field to search with, and who was found."""
    value, chosen = asked.query.raw("q", _FIELD_MOST), asked.query.text("type")
    scope, environment = asked.scope, asked.environment
    rules = asked.service.directory.scopes[scope]
    values = {
        "q": value,
        "types": [(kind.value, kind.value) for kind in IdentityType],
        "chosen": chosen,
        "scopes": [(one, one) for one in asked.service.directory.scopes],
        "scope": scope,
        "environments": [(one.value, one.value) for one in Environment],
        "environment": environment.value,
        "hits": None,
        "people_path": PEOPLE.path,
    }
    if not value.strip():
        return Shown("people.html", "People", NOBODY, values)
    if not values_like(value):
        raise not_taken(f"An identity has 1 to {IDENTITY_VALUE_CHARACTERS_MAX} characters.")
    types = _types(value, chosen)
    found = await asked.service.people.find(
        rules.pool(environment), value, types, as_mpid=chosen in (GUESSED, ANY, MPID)
    )
    other = next(one for one in Environment if one is not environment)
    ways = [("Look among all types", asked.address(type=ANY))] if chosen != ANY else []
    if rules.pool(other) != rules.pool(environment):
        ways.append((f"Look in {other.value}", asked.address(environment=other.value)))
    ways += [
        (f"Look in the scope {one}", asked.address(scope=one)) for one in asked.service.directory.scopes if one != scope
    ]
    values |= {
        "hits": [_hit(asked, one) for one in found.people],
        "more": found.more,
        "looked_types": [kind.value for kind in found.types],
        "looked_values": found.values,
        "as_mpid": found.as_mpid,
        "ways": ways,
        "all_types": len(found.types) == len(IdentityType),
    }
    return Shown("people.html", "People", [one.record.mpid for one in found.people], values)


def _types(value: str, chosen: str) -> list[IdentityType]:
    """Return the types that are meant.

    Raises:
        Refusal: there is no such type.
    """
    if chosen == MPID:
        return []
    if chosen == GUESSED:
        return list(types_like(value))
    if chosen == ANY:
        return list(IdentityType)
    if chosen not in set(IdentityType):
        raise not_taken("There is no such identity type.")
    return [IdentityType(chosen)]


def _hit(asked: Asked, found: FoundProfile) -> Hit:
    record = found.record
    held = [Identity(kind, value) for kind, values in record.identities.items() for value in values]
    return Hit(
        mpid=record.mpid,
        scope=found.pool.scope,
        environment=found.pool.environment or "shared",
        known=record.known,
        orphan=record.orphan,
        erased_by=found.erased_by,
        created_ms=record.created_ms,
        last_active_ms=found.last_active_ms,
        whys=tuple(_why(asked, one) for one in found.whys),
        identities=tuple(asked.identity(one.type.value, one.value) for one in held),
    )


def _why(asked: Asked, why: Why) -> ShownWhy:
    shown = None if why.identity is None else asked.identity(why.identity.type.value, why.identity.value)
    path = "" if why.decision_id is None else decision_path(why.decision_id)
    return ShownWhy(why.lead, shown, why.went_ms, path)


PAGES: Final = (Page("GET", PEOPLE.path, "findPeople", Right.READ, find_people, PEOPLE),)
