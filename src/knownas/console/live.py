"""Serves the live stream: what comes through the inputs and what each is answered, the newest first, filtered and held.

The page shows the newest lines of the server that answers, and has a link to what came since. Where scripts run, `live.js` follows that link
once a second and takes the new lines out of the page that it gets.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from knownas.console.limits import LIVE_FIRST_SHOWN, LIVE_ROWS_MAX
from knownas.console.page import NOBODY, Answer, Asked, Page, Shown
from knownas.console.places import STREAM
from knownas.console.profile_frame import decision_path
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.console.workspace_asked import Choice, number_from
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.service.live.limits import LINES_A_LOOK_MAX, LINES_KEPT_MAX, TEXT_CHARACTERS_MAX
from knownas.service.live.line import About, Kind, Line, Outcome
from knownas.service.live.place import Seen, read_place, write_place
from knownas.service.live.wanted import Wanted

OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.KNOWN: ("known", "good"),
    Outcome.BECAME_KNOWN: ("became known", "good"),
    Outcome.ANONYMOUS: ("anonymous", "plain"),
    Outcome.CREATED: ("new profile", "accent"),
    Outcome.CREATED_WITHOUT_IDENTITIES: ("new, without identities", "warn"),
    Outcome.NOT_FOUND: ("not found", "warn"),
    Outcome.MODIFIED: ("modified", "good"),
    Outcome.SEEDED: ("brought over", "good"),
    Outcome.KEPT: ("kept", "good"),
    Outcome.QUEUED: ("queued", "plain"),
    Outcome.REPEATED: ("sent before", "plain"),
    Outcome.REFUSED: ("refused", "bad"),
}
"""What became of something, and the kind of its badge."""

KINDS: Final = ((Kind.DECISION, "Decisions"), (Kind.EVENTS, "Events"), (Kind.REFUSAL, "Refusals"))
_TO_MILLISECONDS: Final = 3
"""How many digits of a second's fraction are left out of six."""

_Word = TypeVar("_Word", bound=StrEnum)


class Row(NamedTuple):
    """A line for the page. `why` is the sentence of a refusal, which may quote what was sent, and so not everybody sees it."""

    line: Line
    clock: str
    says: str
    kind: str
    why: str
    path: str
    took: str


async def show_live(asked: Asked) -> Answer:
    """Show the newest lines, or those that came after the ones that were seen."""
    wanted, seen, live = _wanted(asked), _seen(asked), asked.service.live
    if seen is None:
        look = live.newest(wanted, LIVE_FIRST_SHOWN)
    else:
        look = live.after(seen, wanted, 0 if asked.query.is_on("held") else LINES_A_LOOK_MAX)
    values = {
        "rows": [_row(asked, one) for one in reversed(look.lines)],
        "choices": _choices(asked),
        "text": wanted.text,
        "text_most": TEXT_CHARACTERS_MAX,
        "next": asked.address(after=write_place(look.seen), held=""),
        "first": asked.address(after="", held=""),
        "is_first": seen is None,
        "waiting": look.waiting,
        "missed": look.missed,
        "server": live.name,
        "kept_most": LINES_KEPT_MAX,
        "is_one_of_several": asked.service.shares_database,
        "rows_most": LIVE_ROWS_MAX,
    }
    # Whoever asks for one profile's lines looks at that profile, once for as long as they go on following.
    mpid = parse_mpid(wanted.text) if seen is None else None
    # Through a new connection the next look may reach another one of several servers.
    headers = {"Connection": "close"} if asked.service.shares_database and seen is not None else {}
    return Shown("live.html", STREAM.title, NOBODY if mpid is None else (mpid,), values, headers=headers)


def _row(asked: Asked, line: Line) -> Row:
    says, kind = OUTCOMES[line.outcome]
    then = datetime.fromtimestamp(line.at_ms / 1_000, UTC)
    took = "" if line.seconds is None else f"{line.seconds * 1_000:,.1f} ms"
    why = "" if asked.who.masks else line.sentence
    return Row(line, f"{then:%H:%M:%S.%f}"[:-_TO_MILLISECONDS], says, kind, why, _path(line), took)


def _path(line: Line) -> str:
    """Return where a line's receipt is; "" where nothing was decided."""
    match line.about:
        case About.DECISION | About.ALIAS:
            return decision_path(line.id)
        case About.BATCH:
            return f"/batches/{line.id}"
        case None:
            return ""


def _wanted(asked: Asked) -> Wanted:
    query = asked.query
    workspace = query.text("workspace")
    number = number_from(workspace) if workspace else None
    if workspace and number is None:
        raise not_taken("The field workspace is the id of a workspace.")
    return Wanted(
        query.raw("scope"),
        number,
        query.raw("input"),
        _word(asked, "kind", Kind),
        _word(asked, "outcome", Outcome),
        _word(asked, "environment", Environment),
        query.text("text", TEXT_CHARACTERS_MAX),
    )


def _word(asked: Asked, name: str, words: type[_Word]) -> _Word | None:
    given = asked.query.text(name)
    if given and given not in set(words):
        raise not_taken(f"The field {name} has a value that the page does not offer.")
    return words(given) if given else None


def _seen(asked: Asked) -> Seen | None:
    given = asked.query.text("after")
    seen = read_place(given) if given else None
    if given and seen is None:
        raise not_taken("The field after is no address of a page that was shown.")
    return seen


def _choices(asked: Asked) -> Sequence[Choice]:
    """Return what can be chosen; where there is one scope or one workspace, it is not asked for."""
    configuration, query = asked.service.configuration, asked.query
    workspaces = list(configuration.workspaces())
    inputs = dict.fromkeys(one.name for _, one in configuration.inputs())
    scopes = [(one, one) for one in asked.service.directory.scopes]
    choices: list[tuple[str, str, str, Sequence[tuple[str, str]]]] = [
        ("scope", "Scope", "All scopes", scopes if len(scopes) > 1 else ()),
        (
            *("workspace", "Workspace", "All workspaces"),
            [(str(one.id), one.name or str(one.id)) for one in workspaces] if len(workspaces) > 1 else (),
        ),
        ("input", "Input", "All inputs", [(one, one) for one in inputs]),
        ("kind", "Kind", "Everything", [(kind.value, says) for kind, says in KINDS]),
        ("outcome", "Outcome", "All outcomes", [(one.value, says) for one, (says, _) in OUTCOMES.items()]),
        ("environment", "Environment", "Both", [(one.value, one.value) for one in Environment]),
    ]
    return [(name, label, [("", every), *some], query.raw(name)) for name, label, every, some in choices if some]


PAGES: Final[Sequence[Page]] = (Page("GET", STREAM.path, "showLive", Right.READ, show_live, STREAM),)
"""The page of the live stream."""
