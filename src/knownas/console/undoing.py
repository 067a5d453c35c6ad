"""Serves the way by which a decision is taken back: what would change, the question, and the deed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from knownas.console.limits import MEMBERSHIPS_TOLD_PROFILES
from knownas.console.masking import ShownIdentity
from knownas.console.page import Answer, Asked, Crumb, Moved, Page, Shown, done, not_done
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import decision_path
from knownas.console.receipt import no_decision
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.console.story import line_of
from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import held_by
from knownas.service.history.correcting import HistoryCorrected
from knownas.service.history.undoing import UndoRefusal, UndoRefused
from knownas.service.limits import DIFFERENCES_TOLD_MAX, LONG_REQUEST_SECONDS, MOVES_TOLD_MAX
from knownas.store.user_data import SectionKey


@dataclass(frozen=True, slots=True)
class Differing:
    """A profile that would be another one: what it would gain and lose, and what would become of it."""

    mpid: int
    gains: Sequence[ShownIdentity]
    losses: Sequence[ShownIdentity]
    becomes: str
    """"new", "gone", "back", "known", "anonymous", or "" if it stays what it is."""

    leads_to: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """A profile and the audiences of a workspace that it is in now."""

    mpid: int
    workspace: str
    audiences: Sequence[str]


async def show_undo(asked: Asked) -> Answer:
    """Show what taking a decision back would change, and ask."""
    decision_id, only = asked.request.path_params["id"], asked.query.text("only")
    named = await asked.service.undoing.askable(decision_id)
    identity = _chosen(named, only)
    would = await asked.service.undoing.undo(decision_id, identity, preview=True)
    trail = (Crumb("Decision", decision_path(decision_id)),)
    values: dict[str, object] = {
        "decision_id": decision_id,
        "back": decision_path(decision_id),
        "line": await line_of(asked, decision_id),
        "choices": [("", "All of it"), *((str(place), _says(asked, one)) for place, one in enumerate(named))],
        "chosen": only,
    }
    if isinstance(would, UndoRefused):
        if would.reason is UndoRefusal.UNKNOWN_DECISION:
            raise no_decision(asked)
        return Shown("undo.html", "Take back", (), {**values, "refused": would}, trail, HTTPStatus.CONFLICT)
    told = would.differences[:DIFFERENCES_TOLD_MAX]
    workspaces = {one.workspace.id: one.workspace.name for one in asked.service.directory.places}
    values |= {
        "refused": None,
        "differing": [_differing(asked, one, dict(would.gone)) for one in told],
        "more_differing": len(would.differences) - len(told),
        "moved": would.moved[:MOVES_TOLD_MAX],
        "left": would.left[:MOVES_TOLD_MAX],
        "members": await _members(asked, would.changed[:MEMBERSHIPS_TOLD_PROFILES], workspaces),
        "more_members": max(0, len(would.changed) - MEMBERSHIPS_TOLD_PROFILES),
        "workspaces": workspaces,
    }
    return Shown("undo.html", "Take back", _about(would), values, trail)


async def undo(asked: Asked) -> Answer:
    """Take a decision back, and go on to the correction, which can be taken back too."""
    decision_id, only = asked.request.path_params["id"], asked.form.text("only")
    identity = _chosen(await asked.service.undoing.askable(decision_id), only)
    undone = await asked.service.undoing.undo(decision_id, identity)
    if isinstance(undone, UndoRefused):
        if undone.reason is UndoRefusal.UNKNOWN_DECISION:
            raise no_decision(asked)
        query = f"?{urlencode({'only': only})}" if only else ""
        return Moved(f"{decision_path(decision_id)}/undo{query}", (), not_done(undone.sentence))
    count = len(undone.changed)
    changed = "1 profile has changed" if count == 1 else f"{count:,} profiles have changed"
    told = done(f"Done: {changed}. This is the correction that did it, and it can be taken back in turn.")
    return Moved(decision_path(undone.decision_id or decision_id), _about(undone), told)


def _chosen(named: Sequence[Identity], only: str) -> Identity | None:
    """Return the one identity that is to be taken back, None for all of the decision.

    Raises:
        Refusal: there is none with this number.
    """
    if not only:
        return None
    if not only.isascii() or not only.isdigit() or len(only) > len(str(len(named))) or int(only) >= len(named):
        raise not_taken("The decision was not asked with so many identities.")
    return named[int(only)]


def _says(asked: Asked, one: Identity) -> str:
    shown = asked.identity(one.type.value, one.value)
    return f"Only {shown.type} {shown.text}"


def _differing(asked: Asked, one: RecordWrite, gone: Mapping[int, int | None]) -> Differing:
    were, are, mpid = held_by(one.before), held_by(one.after), one.after.mpid
    if one.before is None:
        becomes = "new"
    elif not are:
        becomes = "gone"
    elif not were:
        becomes = "back"
    elif one.before.known != one.after.known:
        becomes = "known" if one.after.known else "anonymous"
    else:
        becomes = ""
    return Differing(
        mpid,
        [asked.identity(kind.value, value) for kind, value in sorted(are - were)],
        [asked.identity(kind.value, value) for kind, value in sorted(were - are)],
        becomes,
        gone.get(mpid),
    )


async def _members(asked: Asked, mpids: Sequence[int], workspaces: Mapping[int, str]) -> Sequence[Member]:
    """Return the audiences that profiles are in now: all of them are judged anew afterwards."""
    found: list[Member] = []
    for mpid in mpids:
        for workspace, name in workspaces.items():
            for environment in Environment:
                key = SectionKey(workspace, environment.value, mpid)
                member = await asked.service.activation.audiences.memberships(key)
                if member:
                    found.append(Member(mpid, name, [one.audience.name.name for one in member]))
    return found


def _about(what: HistoryCorrected) -> Sequence[int]:
    moved = [one for each in what.moved for one in (each.from_mpid, each.to_mpid) if one is not None]
    return list(dict.fromkeys([*what.changed, *moved, *(one.key.mpid for one in what.left)]))


PAGES: Final = (
    Page("GET", "/decisions/{id}/undo", "showUndo", Right.UNDO, show_undo, PEOPLE, LONG_REQUEST_SECONDS),
    Page("POST", "/decisions/{id}/undo", "undo", Right.UNDO, undo, PEOPLE, LONG_REQUEST_SECONDS),
)
