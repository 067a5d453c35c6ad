"""Serves the page on which the criteria of an audience are put together, in rows or as JSON, with a count of who would be in it.

The form holds everything; each button sends it, and the page comes back as the button wants it. The JSON counts where somebody has changed it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from knownas.console import criteria
from knownas.console.audience_words import Branch, told_reasons, told_written
from knownas.console.criteria import ROOT, Group, RowKind, Written, definition_of
from knownas.console.criteria_form import changed, group_from
from knownas.console.criteria_reading import fits, rows_from
from knownas.console.limits import CRITERIA_DEPTH_MAX, CRITERIA_ROWS_MAX, DEFINITION_FIELD_CHARACTERS_MAX
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done
from knownas.console.places import AUDIENCES
from knownas.console.rights import Right
from knownas.console.workspace_asked import audience_of, number_from, workspace_choice, workspace_of
from knownas.core.audience.expression import Unit
from knownas.core.audience.reading import read_definition
from knownas.core.audience.reading_text import Fault
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.service.audience.limits import NAME_CHARACTERS_MAX
from knownas.service.audience.previewing import Preview, Reasoned
from knownas.service.limits import LONG_REQUEST_SECONDS

_KINDS: Final = (
    (RowKind.ATTRIBUTE, "User attribute"),
    (RowKind.CALCULATED, "Calculated attribute"),
    (RowKind.LOCATION, "Location"),
    (RowKind.IDENTITY, "Identity held"),
    (RowKind.KNOWN, "Known or anonymous"),
    (RowKind.EVENTS, "Number of events"),
    (RowKind.SEQUENCE, "Sequence of events"),
    (RowKind.SEEN, "Last or first seen"),
    (RowKind.MEMBERSHIP, "Other audience"),
    (RowKind.CONSENT, "Consent"),
    (RowKind.DEVICE, "Device"),
)
"""The kinds of rows, as the builder calls them."""

_START: Final = Group((criteria.Row(RowKind.ATTRIBUTE),))


@dataclass(frozen=True, slots=True)
class Draft:
    """An audience while it is edited. `root` are its rows; None where it is edited as JSON, which `text` is.

    `definition` is what it asks for as far as that can be told; None where the text is no JSON. `faults` are by the paths of rows, those of ""
    are of no row.
    """

    workspace: int
    number: int
    name: str
    external_name: str
    root: Group | None
    text: str
    definition: Any
    written: Written
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    note: str = ""

    @property
    def text_was(self) -> str:
        """What tells whether somebody has changed the JSON."""
        return _digest(self.text) if self.root is not None else ""


@dataclass(frozen=True, slots=True)
class Counted:
    """A preview for the page: who would be in it, or why nobody can say."""

    preview: Preview | None
    shown: Sequence[Reasoned]
    words: Branch | None
    environment: str


async def show_new(asked: Asked) -> Answer:
    """Show the form for a new audience."""
    workspace = workspace_of(asked)
    draft = _drafted(workspace.id, 0, "", "", _START)
    return await _edited(asked, draft, None)


async def show_edit(asked: Asked) -> Answer:
    """Show the form with an audience that is there."""
    audience = await audience_of(asked)
    written = msgspec.json.decode(audience.document.definition)
    root = rows_from(written)
    document = audience.document
    names = (document.name, document.external_name or "")
    if root is not None:
        return await _edited(asked, _drafted(audience.workspace, audience.id, *names, root), None)
    note = "This definition says things that rows can't, so it is edited as JSON."
    draft = _as_json(audience.workspace, audience.id, *names, json.dumps(written, indent=2, ensure_ascii=False), note)
    return await _edited(asked, draft, None)


async def redraw(asked: Asked) -> Answer:
    """Show the form again, as one of its buttons wants it; counts, if that is the button."""
    draft = await _draft(asked)
    is_counted = asked.form.text("do") == "count"
    return await _edited(asked, draft, await _counted(asked, draft) if is_counted else None)


async def save(asked: Asked) -> Answer:
    """Keep the audience, or show the form with what is wrong with it."""
    draft = await _draft(asked, is_final=True)
    if any(draft.faults.values()):
        return await _edited(asked, draft, None, status=400)
    audiences = asked.service.activation.audiences
    given = (draft.name, draft.external_name or None, draft.definition)
    try:
        if draft.number:
            wrong = await audiences.change(draft.number, *given)
            made = draft.number if wrong is None else wrong
        else:
            made = await audiences.create(draft.workspace, *given)
    except LookupError:
        made = (Fault("", "the audience was deleted meanwhile"),)
    if isinstance(made, tuple):
        return await _edited(asked, _with(draft, made), None, status=400)
    said = "changed" if draft.number else "defined"
    return Moved(f"/audiences/{made}", NOBODY, done(f"{draft.name} is {said}. Everybody is judged by it now."))


async def _draft(asked: Asked, *, is_final: bool = False) -> Draft:
    """Read the form."""
    form = asked.form
    workspace, number = await _edited_audience(asked)
    names = (form.text("name"), form.text("external_name"))
    text = form.raw("text", DEFINITION_FIELD_CHARACTERS_MAX).replace("\r\n", "\n")
    is_json = form.text("mode") == "json"
    if is_json or (text and form.text("text_was") != _digest(text)):
        return _from_text(workspace, number, names, text, as_rows=not is_json or form.text("do") == "rows")
    root = changed(group_from(form), form.text("do"))
    if not fits(root):
        note = f"Rows hold {CRITERIA_ROWS_MAX} conditions, and groups {CRITERIA_DEPTH_MAX} deep. Say more as JSON."
        return _drafted(workspace, number, *names, group_from(form), note=note)
    draft = _drafted(workspace, number, *names, root, tells_faults=is_final or form.text("do") == "count")
    return _with(draft, _names_wrong(names)) if is_final else draft


async def _edited_audience(asked: Asked) -> tuple[int, int]:
    """Return the workspace and the id of the audience that is edited; the id of a new one is 0."""
    number = number_from(asked.form.text("number"))
    catalogue = await asked.service.activation.catalogues.refresh()
    known = catalogue.audiences.get(number or 0)
    return (workspace_of(asked, is_form=True).id, 0) if known is None else (known.workspace, known.id)


def _names_wrong(names: tuple[str, str]) -> Sequence[Fault]:
    return () if names[0] else (Fault("/name", f"a name has 1 to {NAME_CHARACTERS_MAX} characters"),)


def _from_text(workspace: int, number: int, names: tuple[str, str], text: str, *, as_rows: bool) -> Draft:
    """Take the JSON that somebody has written; show it in rows if these can say it, and that is wanted."""
    draft = _as_json(workspace, number, *names, text, "")
    if draft.definition is None or not as_rows:
        return draft
    root = rows_from(draft.definition)
    if root is not None:
        return _drafted(workspace, number, *names, root)
    if any(draft.faults.values()):
        return draft
    return _as_json(workspace, number, *names, text, "This says things that rows can't, so it is edited as JSON.")


def _drafted(
    workspace: int, number: int, name: str, external: str, root: Group, *, tells_faults: bool = False, note: str = ""
) -> Draft:
    written = definition_of(root)
    text = json.dumps(written.definition, indent=2, ensure_ascii=False)
    draft = Draft(workspace, number, name, external, root, text, written.definition, written, note=note)
    missing = {path: [said] for path, said in written.faults.items()} if tells_faults else {}
    read = read_definition(written.definition) if tells_faults and not missing else ()
    draft = _replaced(draft, missing)
    return (
        _with(draft, [one._replace(place=f"/definition{one.place}") for one in read])
        if isinstance(read, tuple)
        else draft
    )


def _as_json(workspace: int, number: int, name: str, external: str, text: str, note: str) -> Draft:
    nothing = Written({})
    try:
        definition = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        said = f"This is no JSON: {error}" if isinstance(error, msgspec.DecodeError) else "This is too deep."
        return Draft(workspace, number, name, external, None, text, None, nothing, {"": [said]}, note)
    draft = Draft(workspace, number, name, external, None, text, definition, nothing, note=note)
    read = read_definition(definition)
    return (
        _with(draft, [one._replace(place=f"/definition{one.place}") for one in read])
        if isinstance(read, tuple)
        else draft
    )


def _with(draft: Draft, faults: Sequence[Fault]) -> Draft:
    """Return a draft with faults at the rows in which they lie, or with their place in words."""
    found = {path: list(said) for path, said in draft.faults.items()}
    for one in faults:
        inner = one.place.removeprefix("/definition")
        is_within = one.place.startswith("/definition")
        path = draft.written.path_of(inner) if is_within and draft.root is not None else ""
        names = {"/name": "name", "/external_name": "external_name"}
        where = names.get(one.place, path)
        said = one.sentence if where or not inner else f"{inner}: {one.sentence}"
        found.setdefault(where, []).append(said)
    return _replaced(draft, found)


def _replaced(draft: Draft, faults: Mapping[str, Sequence[str]]) -> Draft:
    kept = (draft.root, draft.text, draft.definition, draft.written)
    return Draft(draft.workspace, draft.number, draft.name, draft.external_name, *kept, faults, draft.note)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


async def _counted(asked: Asked, draft: Draft) -> Counted:
    """Count who would be in the audience."""
    given = asked.form.text("environment")
    environment = given if given in set(Environment) else Environment.PRODUCTION.value
    if any(draft.faults.values()):
        return Counted(None, (), None, environment)
    preview = await asked.service.activation.audiences.preview(draft.workspace, environment, draft.definition)
    if isinstance(preview, tuple):
        return Counted(None, (), None, environment)
    definition = read_definition(draft.definition)
    shown = (
        []
        if isinstance(definition, tuple)
        else [Reasoned(one.member, told_reasons(asked, definition, one.reasons)) for one in preview.shown]
    )
    return Counted(preview, shown, told_written(asked, draft.definition, _names(asked, draft.workspace)), environment)


def _names(asked: Asked, workspace: int) -> Mapping[str, str]:
    known = asked.service.activation.audiences.known(workspace)
    return {str(number): one.document.name for number, one in known.items()}


async def _edited(asked: Asked, draft: Draft, counted: Counted | None, status: int = 200) -> Answer:
    await asked.service.activation.catalogues.refresh()
    names = {number: name for number, name in _names(asked, draft.workspace).items() if number != str(draft.number)}
    chosen = next(one for one in asked.service.configuration.workspaces() if one.id == draft.workspace)
    _, _, workspaces, _ = workspace_choice(asked, chosen)
    values = {
        "draft": draft,
        "counted": counted,
        "root_path": ROOT,
        "criteria": criteria,
        "kinds": _KINDS,
        "units": [one.value for one in Unit],
        "identity_types": [one.value for one in IdentityType],
        "audience_names": names,
        "workspaces": workspaces,
        "workspace_name": chosen.name,
        "environments": [(one.value, one.value) for one in Environment],
        "depth_max": CRITERIA_DEPTH_MAX,
        "text_most": DEFINITION_FIELD_CHARACTERS_MAX,
        "name_most": NAME_CHARACTERS_MAX,
    }
    about = [one.member.mpid for one in counted.shown] if counted is not None else NOBODY
    if draft.number:
        crumb = Crumb(_stored_name(asked, draft), f"/audiences/{draft.number}")
        return Shown("audience_edit.html", "Change", about, values, (crumb,), status)
    return Shown("audience_edit.html", "New audience", about, values, (), status)


def _stored_name(asked: Asked, draft: Draft) -> str:
    return asked.service.activation.catalogues.now.audiences[draft.number].document.name


PAGES: Final = (
    Page("GET", "/audiences/new", "showNewAudience", Right.AUDIENCES, show_new, AUDIENCES),
    Page("GET", "/audiences/{id}/edit", "showAudienceToEdit", Right.AUDIENCES, show_edit, AUDIENCES),
    Page("POST", "/audiences/draft", "draftAudience", Right.AUDIENCES, redraw, AUDIENCES, LONG_REQUEST_SECONDS),
    Page("POST", "/audiences/save", "saveAudience", Right.AUDIENCES, save, AUDIENCES),
)
