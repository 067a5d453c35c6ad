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
    ("GET", "/privacy"): Right.READ,
    ("GET", "/privacy/requests/{id}"): Right.READ,
    ("GET", "/privacy/requests/{id}/cancel"): Right.PRIVACY,
    ("POST", "/privacy/requests/{id}/cancel"): Right.PRIVACY,
    ("GET", "/privacy/requests/{id}/certificate"): Right.READ,
    ("POST", "/privacy/requests/{id}/results"): Right.PRIVACY,
    ("GET", "/privacy/new"): Right.PRIVACY,
    ("GET", "/privacy/preview"): Right.PRIVACY,
    ("POST", "/privacy/preview"): Right.PRIVACY,
    ("POST", "/privacy/requests"): Right.PRIVACY,
    ("GET", "/privacy/evidence"): Right.READ,
    ("POST", "/privacy/evidence"): Right.PRIVACY,
    ("GET", "/privacy/evidence/head"): Right.READ,
    ("GET", "/privacy/looks"): Right.PRIVACY,
    ("GET", "/setup"): Right.READ,
    ("GET", "/setup/input"): Right.SET_UP,
    ("GET", "/setup/input/rotate"): Right.SET_UP,
    ("POST", "/setup/input/rotate"): Right.SET_UP,
    ("GET", "/audiences"): Right.READ,
    ("GET", "/audiences/new"): Right.AUDIENCES,
    ("GET", "/audiences/{id}"): Right.READ,
    ("GET", "/audiences/{id}/members"): Right.READ,
    ("GET", "/audiences/{id}/members/{mpid}"): Right.READ,
    ("GET", "/audiences/{id}/edit"): Right.AUDIENCES,
    ("GET", "/audiences/{id}/delete"): Right.AUDIENCES,
    ("POST", "/audiences/{id}/delete"): Right.AUDIENCES,
    ("POST", "/audiences/draft"): Right.AUDIENCES,
    ("POST", "/audiences/save"): Right.AUDIENCES,
    ("GET", "/audiences/{id}/connect"): Right.AUDIENCES,
    ("POST", "/audiences/{id}/connect"): Right.AUDIENCES,
    ("GET", "/audience-connections/{id}"): Right.READ,
    ("GET", "/audience-connections/{id}/delete"): Right.AUDIENCES,
    ("POST", "/audience-connections/{id}/delete"): Right.AUDIENCES,
    ("GET", "/outputs"): Right.READ,
    ("GET", "/outputs/ledger"): Right.READ,
    ("GET", "/outputs/new"): Right.OUTPUTS,
    ("POST", "/outputs/new"): Right.OUTPUTS,
    ("GET", "/outputs/{id}"): Right.READ,
    ("GET", "/outputs/{id}/change"): Right.OUTPUTS,
    ("POST", "/outputs/{id}/change"): Right.OUTPUTS,
    ("POST", "/outputs/{id}/pause"): Right.OUTPUTS,
    ("POST", "/outputs/{id}/resume"): Right.OUTPUTS,
    ("GET", "/outputs/{id}/delete"): Right.OUTPUTS,
    ("POST", "/outputs/{id}/delete"): Right.OUTPUTS,
    ("GET", "/outputs/{id}/deliveries"): Right.READ,
    ("POST", "/outputs/{id}/resend"): Right.OUTPUTS,
    ("GET", "/deliveries/{id}"): Right.READ,
    ("POST", "/deliveries/{id}/resend"): Right.OUTPUTS,
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
