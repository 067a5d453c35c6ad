"""Serves the attributes of a profile: what each workspace was told, and what it has computed."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from knownas.console.page import Answer, Asked, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import Profile, Workspace, profile_of, shown_profile, shown_text, workspace_named
from knownas.console.rights import Right
from knownas.core.profile.attributes import Attribute, as_text
from knownas.core.profile.section import Section
from knownas.service.profile.calculations import calculated_values
from knownas.store.user_data import SectionKey


class ShownAttribute(NamedTuple):
    """An attribute for a page: its values, and when it was said. One that is computed is so as of now."""

    name: str
    values: tuple[str, ...]
    at_ms: int | None
    is_list: bool = False
    is_calculated: bool = False
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class ShownAttributes:
    """The attributes of a profile in one workspace and environment."""

    workspace: Workspace
    environment: str
    attributes: list[ShownAttribute]


async def show_attributes(asked: Asked) -> Answer:
    """Show the attributes of a profile in every workspace."""
    profile = await profile_of(asked)
    if isinstance(profile, Shown):
        return profile
    sections = await asked.service.sections.of_profile(profile.mpid)
    shown = [_section(asked, profile, key, sections[key]) for key in sorted(sections)]
    return shown_profile(asked, profile, "profile_attributes.html", "Attributes", {"sections": shown})


def _section(asked: Asked, profile: Profile, key: SectionKey, section: Section) -> ShownAttributes:
    said = [_said(asked, profile, name, one) for name, one in section.attributes.items()]
    computed = calculated_values(asked.service.calculations, key.workspace, section, asked.service.clock())
    said += [
        ShownAttribute(
            name,
            tuple(shown_text(asked, profile, one) for one in ([value] if isinstance(value, str) else value)),
            None,
            is_list=not isinstance(value, str),
            is_calculated=True,
        )
        for name, value in computed.items()
    ]
    said.sort(key=lambda one: one.name.lower())
    return ShownAttributes(workspace_named(asked, key.workspace), key.environment, said)


def _said(asked: Asked, profile: Profile, name: str, one: Attribute) -> ShownAttribute:
    values = one.value if isinstance(one.value, tuple) else () if one.value is None else (one.value,)
    texts = tuple(shown_text(asked, profile, as_text(each)) for each in values)
    return ShownAttribute(name, texts, one.at_ms, is_list=isinstance(one.value, tuple), is_deleted=one.value is None)


PAGES: Final = (Page("GET", "/people/{mpid}/attributes", "showAttributes", Right.READ, show_attributes, PEOPLE),)
