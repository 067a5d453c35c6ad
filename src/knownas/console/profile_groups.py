"""Shows the groups of a profile, such as a household: what its members share, who they are, and what it comes to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from knownas.console.limits import GROUP_MEMBERS_SHOWN
from knownas.console.page import Asked
from knownas.console.profile_frame import Profile, Workspace, shown_text, workspace_named
from knownas.core.profile.attributes import AttributeValue, as_text
from knownas.core.profile.group import shared_value
from knownas.core.profile.section import Section
from knownas.service.group.values import NO_VALUES, Values
from knownas.store.user_data import SectionKey


class ShownGroup(NamedTuple):
    """A group that a profile is in. `others` are members but the profile itself; there are more of them if `has_more`.

    `gets` are the attributes that each member has by it: none yet if it is not `is_ready`.
    """

    workspace: Workspace
    environment: str
    kind: str
    description: str
    source: str
    value: str
    others: Sequence[int]
    has_more: bool
    gets: Sequence[tuple[str, str]]
    is_ready: bool


async def groups_of(asked: Asked, profile: Profile, sections: Mapping[SectionKey, Section]) -> Sequence[ShownGroup]:
    """Return the groups that a profile is in, by workspace, as its sections say.

    Raises:
        StoreError: the store does not answer.
    """
    groups = asked.service.activation.groups
    shown: list[ShownGroup] = []
    for key in sorted(sections):
        known = await groups.known(key.workspace)
        comes_to: Values = await groups.values(key, sections[key]) if known else NO_VALUES
        for name in sorted(known):
            group = known[name]
            value = shared_value(group.kind, sections[key].attributes)
            if value is None:
                continue
            members = await groups.members(group, key.environment, value, None, GROUP_MEMBERS_SHOWN + 2)
            others = [one for one in members if one != profile.mpid]
            gets = [
                (each, shown_text(asked, profile, _text(comes_to[each])))
                for each in sorted(group.names & comes_to.keys())
            ]
            shown.append(
                ShownGroup(
                    workspace_named(asked, key.workspace),
                    key.environment,
                    name,
                    group.document.description,
                    group.kind.source,
                    shown_text(asked, profile, value),
                    others[:GROUP_MEMBERS_SHOWN],
                    len(others) > GROUP_MEMBERS_SHOWN,
                    gets,
                    len(group.shown) == len(group.kind.attributes),
                )
            )
    return shown


def _text(value: AttributeValue) -> str:
    return ", ".join(map(as_text, value)) if isinstance(value, tuple) else as_text(value)
