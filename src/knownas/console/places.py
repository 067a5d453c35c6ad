"""Lists the places of the console, in the order of its navigation: one whose page is not there, or not for a visitor, is not shown."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """A place: what it is called, the address of its first page, and what it is for."""

    title: str
    path: str
    purpose: str


HOME: Final = Place("Overview", "/", "Where everything is.")
PEOPLE: Final = Place("People", "/people", "Find a person by any identity or MPID: the profile, its story, its graph.")
STREAM: Final = Place("Live stream", "/live", "Watch observations and events as they come in.")
POLICIES: Final = Place("Policies", "/policies", "Edit a scope's rules, rehearse them on its history, publish them.")
HEALTH: Final = Place("Health", "/health", "See how well identities resolve, and what looks wrong.")
PRIVACY: Final = Place("Privacy desk", "/privacy", "Answer data subjects, and show what was done.")
AUDIENCES: Final = Place("Audiences", "/audiences", "Define who belongs together, and see why somebody does.")
OUTPUTS: Final = Place("Outputs", "/outputs", "Look after what is sent where.")
SETUP: Final = Place("Setup", "/setup", "Workspaces, inputs, keys, and how to send the first data.")

PLACES: Final = (HOME, PEOPLE, STREAM, POLICIES, HEALTH, PRIVACY, AUDIENCES, OUTPUTS, SETUP)
