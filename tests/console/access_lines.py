"""Says of every page and form of the console which right it needs: whoever adds one decides who may reach it."""

from collections.abc import Mapping
from typing import Final

from knownas.config.console_access import ConsoleRole
from knownas.console.rights import Right

LINES: Final[Mapping[tuple[str, str], Right | None]] = {
    ("GET", "/"): Right.READ,
    ("POST", "/theme"): None,
    ("GET", "/people"): Right.READ,
    ("GET", "/people/{mpid}"): Right.READ,
    ("GET", "/people/{mpid}/attributes"): Right.READ,
    ("GET", "/people/{mpid}/events"): Right.READ,
    ("GET", "/people/{mpid}/events/{event}"): Right.READ,
    ("GET", "/people/{mpid}/story"): Right.READ,
    ("GET", "/people/{mpid}/graph"): Right.READ,
    ("GET", "/decisions/{id}"): Right.READ,
    ("GET", "/decisions/{id}/undo"): Right.UNDO,
    ("POST", "/decisions/{id}/undo"): Right.UNDO,
    ("GET", "/sign-in"): None,
    ("POST", "/sign-in"): None,
    ("GET", "/sign-in/openid"): None,
    ("GET", "/sign-in/openid/back"): None,
    ("POST", "/sign-out"): Right.READ,
}
"""None is for whoever reaches the server."""

READER, OPERATOR, OFFICER, ADMIN = ConsoleRole
MAY: Final[Mapping[Right, tuple[ConsoleRole, ...]]] = {
    Right.READ: (READER, OPERATOR, OFFICER, ADMIN),
    Right.SEE_IDENTITIES: (OPERATOR, OFFICER, ADMIN),
    Right.UNDO: (OPERATOR, OFFICER, ADMIN),
    Right.POLICIES: (OPERATOR, ADMIN),
    Right.AUDIENCES: (OPERATOR, ADMIN),
    Right.OUTPUTS: (OPERATOR, ADMIN),
    Right.SET_UP: (OPERATOR, ADMIN),
    Right.PRIVACY: (OFFICER, ADMIN),
}
"""Who has a right, told once more and the other way round."""

PATH_VALUES: Final = {"mpid": "1", "id": "0" * 32, "event": "1-0"}
"""What stands in the braces of an address when it is walked; none of them need exist."""
