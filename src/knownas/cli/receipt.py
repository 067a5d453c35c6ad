"""Draws the receipt of a decision for a terminal: what was asked, the lookups as a ladder, the answer, the changes.

Drawn from the answer of `GET /api/decisions/{id}`, so that any server's receipt can be drawn anywhere. A word of
a newer server that this page does not know is shown as it came. Identity values come from strangers: control
characters, which could drive the terminal, are shown as escapes, and long values lose their middle.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from knownas.cli.printable import clean

WIDTH: Final = 100
"""Columns of a line at most."""

VALUE_COLUMNS_MAX: Final = 36
"""Columns of one identity value at most, a UUID's; a longer one is shortened in its middle."""

HOLDERS_DRAWN_MAX: Final = 8
"""Profiles drawn on one rung at most; of further ones it says how many there are."""

LINES_DRAWN_MAX: Final = 40
"""Identities, changes and sentences drawn at most, of each; of further ones it says how many there are."""

_NAME_COLUMNS: Final = 24
"""Columns of the longest names of identity types."""

_NOTE_COLUMNS: Final = 32
"""Columns of what a line says behind a name and a value."""

_INDENT_COLUMNS: Final = 4

_WHY_COLUMNS: Final = 50
"""Columns of what a line says behind an MPID."""

_PLACE_COLUMNS: Final = 24
"""Columns of the name of a scope, an environment, or an input."""

_Document = Mapping[str, object]

_EFFECTS: Final = {
    "no_profile": "nobody who may answer",
    "first_candidates": "leads to {left}",
    "narrowed": "leaves {left}",
    "no_overlap_ignored": "ignored: no candidate holds it",
}
_GUARDS: Final = {
    "login_id_required": "a known user's; none of its login IDs is named",
    "immutable_id_required": "has an immutable ID that is not named",
    "search_needs_an_immutable_id": "a search must name its immutable ID",
}
_DECIDED: Final = {
    "one_profile_left": "one profile was left",
    "previous_mpid": "the one the client had before",
    "most_recently_active": "the most recently active of those left",
    "smallest_mpid": "the smallest MPID of those left",
    "known_beats_anonymous": "known goes before anonymous",
    "no_profile_can_be_returned": "no profile may answer",
    "first_seen_login_id_gets_a_profile": "a new known user gets a profile",
    "logout_makes_a_profile": "each logout starts a new profile",
    "named_by_its_mpid": "named by its MPID",
    "refused": "refused",
}
_SKIPS: Final = {
    "immutable_already_set": "another one is set for good",
    "unique_held_by_another_profile": "held by",
    "max_values_reached": "the type is full",
    "record_full": "the profile is full",
    "login_id_ignored_at_logout": "does not count at a logout",
    "quarantined": "quarantined: nobody's own",
}
_CHANGES: Final = {
    "added": ("+", "added"),
    "removed": ("-", "removed"),
    "moved": (">", "moved"),
    "carried": ("+", "carried"),
    "dropped": ("-", "no longer carried"),
}


@dataclass(frozen=True, slots=True)
class _Pen:
    """Paints words, or leaves them plain."""

    color: bool

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        return self._paint("31", text)

    def changed(self, text: str) -> str:
        return self._paint("33", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


def render_receipt(document: Mapping[str, object], *, color: bool) -> str:
    """Draw a decision in lines of at most 100 columns, without a line break at the end.

    `document` is the answer of `GET /api/decisions/{id}`, or of an explain, whose `decision_id` is None. ANSI
    colours are used only if `color`.

    Raises:
        KeyError: the document is not such an answer.
    """
    pen = _Pen(color)
    observation = _object(document["observation"])
    parts = [
        _head(document, pen),
        _asked(observation, pen),
        _ladder(document, observation, pen),
        _changed(document, pen),
        _told(document, "sentences", "in words", pen),
        _told(document, "counterfactual", "had it been otherwise", pen),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(document: _Document, pen: _Pen) -> Iterator[str]:
    yield from map(pen.bold, _wrapped(_tidy(str(_object(document["story"])["headline"]), document), WIDTH))
    decided = document["decision_id"]
    which = "a rehearsal, nothing was written" if decided is None else f"decision {clean(decided)}"
    yield pen.dim(_fitted(f"{which}, {clean(document['at'])}", WIDTH))
    names = (document["scope"], document["environment"], f"input {document['input']}")
    place = ", ".join(_fitted(clean(name), _PLACE_COLUMNS) for name in names)
    yield pen.dim(f"{place}, policy version {clean(document['policy_version'])}")


def _asked(observation: _Document, pen: _Pen) -> Iterator[str]:
    """Yield what the request named, one identity a line."""
    yield f"{pen.bold(_fitted(clean(observation['endpoint']), _NAME_COLUMNS))} asked with"
    lines = list(_asked_with(observation))
    for name, value in lines[:LINES_DRAWN_MAX]:
        yield f"  {_name(name)}  {value}"
    yield from _further(len(lines), pen)
    if not lines:
        yield "  nothing"


def _asked_with(observation: _Document) -> Iterator[tuple[str, str]]:
    if observation.get("mpid") is not None:
        yield "profile", clean(observation["mpid"])
    for kind, value in _identities(observation):
        yield kind, _value(value)
    for one in _objects(observation.get("changes") or ()):
        old, new = (
            "nothing" if value is None else _fitted(clean(value), _NOTE_COLUMNS)
            for value in (one["old_value"], one["new_value"])
        )
        yield str(one["identity_type"]), f"{old} -> {new}"
    if observation.get("previous_mpid") is not None:
        yield "previous profile", clean(observation["previous_mpid"])


def _identities(observation: _Document) -> list[tuple[str, str]]:
    """Return the identities of a request, by type, or of a seeding, in pairs."""
    identities = observation.get("identities", ())
    if isinstance(identities, Mapping):
        return list(cast("Mapping[str, str]", identities).items())
    return cast("list[tuple[str, str]]", identities)


def _ladder(document: _Document, observation: _Document, pen: _Pen) -> Iterator[str]:
    """Yield the lookups in priority order, each with its holders, and the answer at the foot."""
    receipt = _object(document["receipt"])
    steps = _objects(receipt["steps"])
    if steps:
        marks = f"{pen.good('●')} left  ○ may answer  {pen.bad('✗')} rejected"
        yield f"{pen.bold('looked up in priority order')}    {marks}"
    for number, step in enumerate(steps):
        yield from _rung(step, "┌" if number == 0 else "├", pen)
    yield from _not_looked_up(observation, steps, pen)
    outcome = _object(document["outcome"])
    arrow = "└─▶" if steps else "─▶"
    yield f"{arrow} {_answer(outcome, pen)}"
    if outcome["kind"] != "refused":
        why = _DECIDED.get(str(receipt["decided_by"]), clean(receipt["decided_by"]))
        yield f"    {pen.dim(_fitted(why, _WHY_COLUMNS))}"


def _rung(step: _Document, joint: str, pen: _Pen) -> Iterator[str]:
    left = cast("Sequence[object]", step["left"])
    profiles = "1 profile" if len(left) == 1 else f"{len(left)} profiles"
    effect = _EFFECTS.get(str(step["effect"]), clean(step["effect"])).replace("{left}", profiles)
    yield f"{joint}─ {_identity(step)}  {pen.dim(_fitted(effect, _NOTE_COLUMNS))}"
    candidates = cast("Sequence[object]", step["candidates"])
    holders = [
        f"│    {pen.good('●') if mpid in left else '○'} {clean(mpid)}"
        for mpid in sorted(candidates, key=lambda mpid: mpid not in left)
    ]
    for one in _objects(step["rejected"]):
        why = _GUARDS.get(str(one["guard"]), clean(one["guard"]))
        holders.append(f"│    {pen.bad('✗')} {_padded(clean(one['mpid']), 20)}  {pen.dim(_fitted(why, _WHY_COLUMNS))}")
    yield from holders[:HOLDERS_DRAWN_MAX]
    further = len(holders) - HOLDERS_DRAWN_MAX
    if further > 0:
        yield f"│    {pen.dim(f'and {further} more')}"
    if step["more"]:
        yield f"│    {pen.dim('and more than a lookup considers')}"


def _not_looked_up(observation: _Document, steps: Sequence[_Document], pen: _Pen) -> Iterator[str]:
    done = {step["type"] for step in steps}
    others = [clean(kind) for kind, _ in _identities(observation) if kind not in done]
    if steps and others:
        names = ", ".join(others)
        yield f"│  {pen.dim(_fitted(f'not looked up: {names}', WIDTH - _INDENT_COLUMNS))}"


def _answer(outcome: _Document, pen: _Pen) -> str:
    """Name the answer in a few words."""
    known = "known" if outcome.get("known") else "anonymous"
    mpid = clean(outcome.get("mpid") or "not given yet")
    match outcome["kind"]:
        case "returned":
            answer = f"profile {mpid}, {'now known' if outcome.get('became_known') else known}"
        case "created":
            source = outcome.get("source_mpid")
            answer = f"new profile {mpid}, {known}" + ("" if source is None else f", linked from {clean(source)}")
        case "modified" | "seeded":
            answer = f"profile {mpid}, {known}"
        case "not_found":
            return pen.bad("nobody")
        case "refused":
            return pen.bad(f"refused: {clean(outcome['reason'])}")
        case kind:
            answer = clean(kind)
    return pen.good(answer)


def _changed(document: _Document, pen: _Pen) -> Iterator[str]:
    """Yield what the decision changed, and what it left out, one identity a line."""
    changes, skipped = _objects(document["changes"]), _objects(document["skipped"])
    if not changes:
        yield f"{pen.bold('changed')} nothing"
    for mpid in dict.fromkeys(clean(one["mpid"]) for one in changes):
        did = "would change" if document["decision_id"] is None else "changed"
        yield f"{pen.bold(did)} on profile {_fitted(mpid, _NOTE_COLUMNS)}"
        some = [one for one in changes if clean(one["mpid"]) == mpid]
        for one in some[:LINES_DRAWN_MAX]:
            mark, how = _CHANGES.get(str(one["change"]), ("*", clean(one["change"])))
            origin = "" if one["from_mpid"] is None else f" from {clean(one['from_mpid'])}"
            yield f"  {pen.changed(mark)} {_identity(one)}  {_fitted(f'{how}{origin}', _NOTE_COLUMNS)}"
        yield from _further(len(some), pen)
    if skipped:
        yield pen.bold("left out")
    for one in skipped[:LINES_DRAWN_MAX]:
        why = _SKIPS.get(str(one["why"]), clean(one["why"]))
        holder = "" if one["holder"] is None else f" {clean(one['holder'])}"
        yield f"  {pen.bad('·')} {_identity(one)}  {pen.dim(_fitted(f'{why}{holder}', _NOTE_COLUMNS))}"
    yield from _further(len(skipped), pen)


def _told(document: _Document, member: str, title: str, pen: _Pen) -> Iterator[str]:
    """Yield some of the story's sentences, wrapped; an older server does not tell what would have been otherwise."""
    sentences = cast("Sequence[object]", _object(document["story"]).get(member) or ())
    if sentences:
        yield pen.bold(title)
    for sentence in sentences[:LINES_DRAWN_MAX]:
        first, *rest = _wrapped(_tidy(str(sentence), document), WIDTH - _INDENT_COLUMNS)
        yield f"  {first}"
        yield from (f"    {line}" for line in rest)
    yield from _further(len(sentences), pen)


def _further(count: int, pen: _Pen) -> Iterator[str]:
    """Say how many of these lines were not drawn."""
    if count > LINES_DRAWN_MAX:
        yield f"  {pen.dim(f'and {count - LINES_DRAWN_MAX} more')}"


def _object(value: object) -> _Document:
    return cast("_Document", value)


def _objects(value: object) -> Sequence[_Document]:
    return cast("Sequence[_Document]", value)


def _identity(document: _Document) -> str:
    return f"{_name(document['type'])}  {_padded(_value(document['value']), VALUE_COLUMNS_MAX)}"


def _name(kind: object) -> str:
    return _padded(_fitted(clean(kind), _NAME_COLUMNS), _NAME_COLUMNS)


def _value(value: object) -> str:
    return _fitted(clean(value), VALUE_COLUMNS_MAX)


def _tidy(sentence: str, document: _Document) -> str:
    """Shorten the long identity values in a sentence, and escape what must not reach a terminal."""
    for value in sorted(_values(document), key=len, reverse=True):
        short = _value(value)
        if short != clean(value):
            sentence = sentence.replace(value, short)
    return clean(sentence)


def _values(document: _Document) -> set[str]:
    """Collect the identity values of a document."""
    steps = _objects(_object(document["receipt"])["steps"])
    found = {one["value"] for member in ("changes", "skipped") for one in _objects(document[member])}
    found |= {step["value"] for step in steps}
    observation = _object(document["observation"])
    found |= {value for _, value in _identities(observation)}
    for one in _objects(observation.get("changes") or ()):
        found |= {one["old_value"], one["new_value"]}
    return {value for value in found if isinstance(value, str)}


def _wrapped(text: str, columns: int) -> list[str]:
    """Break a text into lines, at least one, between words; a word longer than a line loses its middle."""
    lines = [""]
    for word in text.split():
        fitting = _fitted(word, columns)
        longer = f"{lines[-1]} {fitting}".lstrip()
        if _columns(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(fitting)
    return lines


def _columns(text: str) -> int:
    """Count the columns a terminal uses for a printable text."""
    if text.isascii():
        return len(text)
    return sum(map(_column_count, text))


def _column_count(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - _columns(text))


def _fitted(text: str, columns: int) -> str:
    """Shorten a text in its middle until it fits."""
    if _columns(text) <= columns:
        return text
    kept = (columns - 1) // 2
    return f"{_prefix(text, kept)}…{_prefix(text[::-1], kept)[::-1]}"


def _prefix(text: str, columns: int) -> str:
    used = 0
    for at, character in enumerate(text):
        used += _column_count(character)
        if used > columns:
            return text[:at]
    return text
