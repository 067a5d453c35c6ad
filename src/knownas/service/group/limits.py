"""Names every limit of groups that is not the core's."""

from typing import Final

GROUP_KINDS_MAX: Final = 20
"""Kinds of groups of one workspace that are there at a time."""

GROUP_ID_CHARACTERS_MAX: Final = 64
"""Characters of the id of a kind of groups, which stands in paths."""

GROUP_DESCRIPTION_CHARACTERS_MAX: Final = 1_000
"""Characters of the description of a kind of groups."""

GROUP_FOLLOWED_MAX: Final = 2_000
"""Members up to which the others are looked at anew when one changes: a larger group aggregates nothing, before and after. It is more than a group
may have, so that two who judge at once can't take it for too large while it becomes smaller."""

GROUPS_FOLLOWED_A_ROUND: Final = 200
"""Groups whose members are looked at together because somebody of them changed."""

MEMBERS_FOLLOWED_A_PAGE: Final = 200
"""Members of a group that are looked at together because another one changed."""
