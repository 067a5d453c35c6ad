"""Fills in the forms of the policy workshop as a browser does, and makes what a rehearsal reports."""

from typing import Any

from knownas.console.policy_draft import draft_of
from knownas.core.identity.document import Document
from knownas.core.identity.policy import Policy


def form_of(one: Policy, **changed: str) -> dict[str, str]:
    """Return the form of some rules as a browser sends it; a field that is changed to "" is left out."""
    draft = draft_of(one)
    form = {"strategy": draft.strategy, **{name: value for name, value in draft.settings.items() if value}}
    for row in draft.rows:
        form |= {f"{row.type}-place": row.place, f"{row.type}-most": row.most}
        form |= {f"{row.type}-{flag}": "on" for flag in row.flags}
    return {name: value for name, value in {**form, **changed}.items() if value}


def hidden_field(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    value = page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]
    return value.replace("&#34;", '"')


def cluster(mpid: str, *identities: tuple[str, str]) -> dict[str, Any]:
    """Return a profile as a report tells it."""
    return {"mpid": mpid, "known": True, "size": len(identities), "observations": 3, "identities": list(identities)}


def report_of(*identities: tuple[str, str]) -> Document:
    """Return what a rehearsal came to in one environment: two profiles would be one."""
    before, after = [cluster("5", *identities), cluster("6")], [cluster("5", *identities)]
    names = ("before", "after", "changed", "joined", "joined_into", "parted", "parted_into", "appeared", "vanished")
    pool = {
        "environment": "production",
        "observations": 1_000,
        "answered_otherwise": 125,
        "unreadable": 0,
        "profiles": {**dict.fromkeys(names, 0), "before": 2, "after": 1, "joined": 2, "joined_into": 1},
        "users": {"before": 2, "after": 1, "mpid_changed": 1},
        "user_data": {"profiles": 1, "moving": 0},
        "largest": {"before": before, "after": after},
        "examples": {"joined": [{"before": before, "after": after}]},
    }
    return {"pools": [pool]}
