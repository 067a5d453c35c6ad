"""Writes the page of an answer to a data subject that a person can read: one file, nothing from elsewhere, no scripts.

Everything that somebody sent is escaped, and shut off from the text around it, whichever way it is written.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final, cast

from knownas.service.access.form import (
    AttributeShown,
    ConsentLine,
    DecisionLine,
    DeviceLine,
    EventsLine,
    IdentityLine,
    Line,
    ProfileLine,
    RecipientLine,
)
from knownas.service.limits import ACCESS_SHOWN_MAX

_EVENTS_NAMED_MAX: Final = 10
_HAPPENED_SHOWN_MAX: Final = 10
_VALUES_SHOWN_MAX: Final = 20
_TEXT_SHOWN_MAX: Final = 300

_STATES: Final[Mapping[str, str]] = {
    "held": "yes, and you are found by it",
    "carried": "yes, and nobody is found by it",
    "former": "not any more",
}
_HAPPENED: Final[Mapping[str, str]] = {
    "came": "came",
    "moved_here": "came here from another profile",
    "went": "went",
    "moved_away": "went to another profile",
}
_REGULATIONS: Final[Mapping[str, str]] = {"gdpr": "GDPR", "ccpa": "CCPA"}

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2530;--soft:#5b6675;--line:#d9dee5;--paper:#fff;--fill:#f5f7f9;--mark:#2457a7}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa6b5;--line:#333c48;--paper:#14181e;--fill:#1b2129;--mark:#8ab4f8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:2.5rem 1.25rem 5rem;background:var(--paper);color:var(--ink);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1.2rem;margin:2.75rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}
p{margin:.4rem 0;max-width:46rem}.soft{color:var(--soft)}
nav{margin:1.25rem 0;display:flex;flex-wrap:wrap;gap:.35rem 1.1rem}a{color:var(--mark)}
.wide{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;width:100%;min-width:36rem;font-size:.92rem}table.few{min-width:0}
th,td{text-align:left;vertical-align:top;padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600;white-space:nowrap}td.at{white-space:nowrap;color:var(--soft)}
ul{margin:.2rem 0;padding-left:1.1rem}
details{margin:.5rem 0;padding:.55rem .8rem;background:var(--fill);border-radius:.4rem}
summary{cursor:pointer;overflow-wrap:anywhere}
@media print{details{background:none;padding:0}nav{display:none}}
"""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


class Page:
    """What is gathered for the page while the files are written: a bounded part of each."""

    def __init__(self, workspace: str, made_at: str) -> None:
        self._workspace = workspace
        self._made_at = made_at
        self._profiles: list[ProfileLine] = []
        self._identities: list[IdentityLine] = []
        self._devices: list[DeviceLine] = []
        self._consents: list[ConsentLine] = []
        self._decisions: deque[DecisionLine] = deque(maxlen=ACCESS_SHOWN_MAX)
        self._recipients: deque[RecipientLine] = deque(maxlen=ACCESS_SHOWN_MAX)
        self._batches: deque[tuple[str, str, str]] = deque(maxlen=ACCESS_SHOWN_MAX)
        self._counts: Counter[type[Line]] = Counter()

    def note(self, one: Line) -> None:
        """Gather a line."""
        self._counts[type(one)] += 1
        match one:
            case ProfileLine():
                self._profiles.append(one)
            case IdentityLine():
                if len(self._identities) < ACCESS_SHOWN_MAX:
                    self._identities.append(one)
            case DeviceLine():
                self._devices.append(one)
            case ConsentLine():
                self._consents.append(one)
            case DecisionLine():
                self._decisions.append(one)
            case RecipientLine():
                self._recipients.append(one)
            case EventsLine():
                self._batches.append((one.received_at, one.input, _events_named(one)))
            case _:
                raise AssertionError(f"{type(one).__name__} has no place on the page")

    def written(self) -> Iterator[bytes]:
        """Yield the page."""
        for part in self._parts():
            yield part.encode()

    def _parts(self) -> Iterator[str]:
        yield (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
            f"<title>What is known about you</title><style>{_STYLE}</style></head><body>\n"
        )
        yield "<h1>What is known about you</h1>\n"
        yield f'<p class="soft">{_text(self._workspace)}, as of {_moment(self._made_at)} (UTC)</p>\n'
        yield from self._summary()
        yield from self._about()
        yield from self._who()
        yield from self._things()
        yield from self._consented()
        yield from self._happened()
        yield from self._decided()
        yield from self._received()
        yield "</body></html>\n"

    def _summary(self) -> Iterator[str]:
        yield (
            "<p>This page shows what is stored about you, in words. The files beside it hold the same, and all of it, in a form "
            "that programs read. Other people are never named: where something of yours has to do with somebody else, it says "
            "so, and not with whom. A value that is <i>not shown</i> is another person's by now.</p>\n"
        )
        titles = {
            "profile": "Your profile",
            "identities": "What you are found by",
            "devices": "Your devices",
            "consent": "Your consent",
            "events": "What you did",
            "decisions": "How you were recognised",
            "recipients": "Who has seen it",
        }
        links = "".join(f'<a href="#{name}">{title}</a>' for name, title in titles.items())
        yield f"<nav>{links}</nav>\n"

    def _about(self) -> Iterator[str]:
        yield '<h2 id="profile">Your profile</h2>\n'
        for one in self._profiles:
            rows = [
                ("Number", _text(one.mpid)),
                ("Environment", _text(one.environment)),
                ("Made", _moment(one.created_at)),
                ("First seen here", "never" if one.first_seen_at is None else _moment(one.first_seen_at)),
                ("Last seen here", "never" if one.last_seen_at is None else _moment(one.last_seen_at)),
                ("You have logged in", "yes" if one.known else "no"),
                ("You have opted out", "not said" if one.opted_out is None else "yes" if one.opted_out else "no"),
            ]
            rows += [
                (f"Came from {_text(each.publisher)}", f"{_text(each.campaign)}, {_moment(each.at)}")
                for each in one.attributions
            ]
            rows += [
                ("Events copied", f"{_text(each.direction.replace('_', ' '))}, {_moment(each.requested_at)}")
                for each in one.copies[:_VALUES_SHOWN_MAX]
            ]
            yield _table((), [(f"<b>{name}</b>", value) for name, value in rows])
            attributes = [(_text(name), *_attribute(value)) for name, value in one.attributes.items()]
            attributes += [
                (_text(name), _listed(value), "calculated") for name, value in one.calculated_attributes.items()
            ]
            yield _table(("What is said of you", "Value", "Since"), attributes)

    def _who(self) -> Iterator[str]:
        yield '<h2 id="identities">What you are found by</h2>\n'
        yield from self._cut(IdentityLine, len(self._identities), "identities", "identities.jsonl", "first")
        yield _table(
            ("Type", "Value", "Yours now", "What happened"),
            [(_text(one.type), _maybe(one.value), _STATES[one.state], _history(one)) for one in self._identities],
        )

    def _things(self) -> Iterator[str]:
        yield '<h2 id="devices">Your devices</h2>\n'
        yield _table(
            ("Platform", "Identities", "What is known of it", "First seen", "Last seen"),
            [
                (
                    _maybe(one.platform, "unknown"),
                    _pairs({**one.identities, **dict.fromkeys(one.not_shown)}),
                    _pairs(one.facts),
                    _moment(one.first_seen_at),
                    _moment(one.last_seen_at),
                )
                for one in self._devices
            ],
        )

    def _consented(self) -> Iterator[str]:
        yield '<h2 id="consent">Your consent</h2>\n'
        yield _table(
            ("Law", "For what", "What you said", "When", "Document", "Where", "Before that"),
            [
                (
                    _REGULATIONS.get(one.regulation, _text(one.regulation)),
                    _text(one.purpose),
                    "yes" if one.consented else "no",
                    _moment(one.at),
                    _maybe(one.document, ""),
                    _maybe(one.location, ""),
                    _said_before(one),
                )
                for one in self._consents
            ],
        )

    def _happened(self) -> Iterator[str]:
        yield '<h2 id="events">What you did</h2>\n'
        yield from self._cut(EventsLine, len(self._batches), "batches of events", "the files events-*.jsonl", "last")
        rows = [(_moment(at), _text(where), what) for at, where, what in reversed(self._batches)]
        yield _table(("Received", "Through", "Events"), rows)

    def _decided(self) -> Iterator[str]:
        yield '<h2 id="decisions">How you were recognised</h2>\n'
        yield '<p class="soft">Whenever something of you arrives, it is decided whose it is. Other profiles are called A, B, and so on, anew each time.</p>\n'
        yield from self._cut(DecisionLine, len(self._decisions), "decisions", "decisions.jsonl", "last")
        for one in reversed(self._decisions):
            told = "".join(f"<li>{_text(self._to_you(sentence))}</li>" for sentence in one.sentences)
            headline = _text(self._to_you(one.headline))
            yield f"<details><summary>{_moment(one.at)} {headline}</summary><ul>{told}</ul></details>\n"

    def _to_you(self, sentence: str) -> str:
        """Speak of the reader's own profile as such, and not by its number."""
        said = sentence
        for number in dict.fromkeys(one.mpid for one in self._profiles):
            said = said.replace(f"the new profile {number}", "a new profile of yours")
            said = said.replace(f"Profile {number}", "Your profile").replace(f"profile {number}", "your profile")
        return said

    def _received(self) -> Iterator[str]:
        yield '<h2 id="recipients">Who has seen it</h2>\n'
        yield from self._cut(RecipientLine, len(self._recipients), "readings", "recipients.jsonl", "last")
        rows = [
            (_text(one.day), _text(one.recipient), _text(one.what), str(one.times))
            for one in reversed(self._recipients)
        ]
        yield _table(("Day", "Who", "What", "Times"), rows)

    def _cut(self, kind: type[Line], shown: int, what: str, where: str, end: str) -> Iterator[str]:
        count = self._counts[kind]
        if count > shown:
            yield f'<p class="soft">The {end} {shown} of {count} {what}; all are in {where}.</p>\n'


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are HTML already; a sentence where there is none."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    if not body:
        return '<p class="soft">Nothing is stored.</p>\n'
    if not titles:
        return f'<table class="few"><tbody>{body}</tbody></table>\n'
    head = "".join(f"<th>{one}</th>" for one in titles)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'


def _text(given: object) -> str:
    """Escape a text, and shut it off: one that is written from right to left must not turn its surroundings."""
    text = str(given)
    if len(text) > _TEXT_SHOWN_MAX:
        text = f"{text[:_TEXT_SHOWN_MAX]}…"
    return f"<bdi>{escape(text)}</bdi>"


def _moment(at: str) -> str:
    return escape(at[:19].replace("T", " "))


def _maybe(given: str | None, otherwise: str = "<i>not shown</i>") -> str:
    return otherwise if given is None else _text(given)


def _attribute(one: AttributeShown) -> tuple[str, str]:
    return "<i>deleted</i>" if one.value is None else _listed(one.value), _moment(one.at)


def _listed(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, list):
        return _text(value)
    values = cast("list[object]", value)
    more = len(values) - _VALUES_SHOWN_MAX
    return ", ".join(map(_text, values[:_VALUES_SHOWN_MAX])) + (f" and {more} more" if more > 0 else "")


def _pairs(given: Mapping[str, object]) -> str:
    return "<br>".join(
        f"{_text(name)}: {'<i>not shown</i>' if value is None else _text(value)}" for name, value in given.items()
    )


def _history(one: IdentityLine) -> str:
    told = [f"{_moment(each.at)} {_HAPPENED[each.change]}" for each in one.history[-_HAPPENED_SHOWN_MAX:]]
    return "<br>".join(told)


def _said_before(one: ConsentLine) -> str:
    """Say what was stated before, or elsewhere, of what counts now."""
    other = [each for each in one.history if each.at != one.at]
    told = [f"{_moment(each.at)} {'yes' if each.consented else 'no'}" for each in other[-_HAPPENED_SHOWN_MAX:]]
    return "<br>".join(told)


def _events_named(one: EventsLine) -> str:
    """Name the events of a batch, or say what it was if it has none."""
    if not one.events:
        return "<i>no event, only what is said of you</i>"
    names = [_text(each.event_type.replace("_", " ")) for each in one.events[:_EVENTS_NAMED_MAX]]
    more = len(one.events) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
