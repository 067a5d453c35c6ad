"""Decides what of a destination's answer may be kept and shown to people: a few plain words, and no value of anybody.

Destinations like to repeat what they refuse: "invalid address ada@example.com". Such a text is stored with the fault, written to logs and
shown in the console, where no value belongs. So of the text each word is left out that is in a value of what was sent, or looks like one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, cast
from urllib.parse import unquote

from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    SubscriptionMessage,
)
from knownas.outputs.limits import (
    SAID_CHARACTERS_MAX,
    SAID_DIGITS_MAX,
    SAID_INSIDE_CHARACTERS_MIN,
    SAID_WORD_CHARACTERS_MAX,
    SAID_WORDS_READ_MAX,
    VALUES_HIDDEN_MAX,
)

LEFT_OUT: Final = "…"
"""What stands for a word that is left out."""

_WORD: Final = re.compile(r"\w+")
_TELLING: Final = ("message", "error_description", "detail", "description", "msg", "title", "reason", "error", "errors")
"""Members of JSON in which services say what is wrong, the more telling first."""


def said(body: bytes, sent: Sequence[Message], secrets: Iterable[str] = ()) -> str:
    """Return what an answer says of an error, without anything that was sent; "" if nothing can be said.

    `secrets` are further texts that must not show, such as the key of the output.
    """
    text = _telling_text(body)
    if not text:
        return ""
    hidden: set[str] = set()
    values = islice(_values(sent), VALUES_HIDDEN_MAX + 1)
    for number, value in enumerate((*secrets, *values)):
        if number > VALUES_HIDDEN_MAX:
            return ""
        hidden.update(_words(value))
    words = text.split(maxsplit=SAID_WORDS_READ_MAX)[:SAID_WORDS_READ_MAX]
    line = " ".join(words)
    whole = f"{line} {unquote(line)}".lower()
    inside = {word for word in hidden if len(word) >= SAID_INSIDE_CHARACTERS_MIN and word in whole}
    shown = (_shown(word, hidden, inside) for word in words)
    said_of_it = re.sub(rf"{LEFT_OUT}(?: {LEFT_OUT})+", LEFT_OUT, " ".join(shown))
    return "" if said_of_it == LEFT_OUT else said_of_it[:SAID_CHARACTERS_MAX]


def with_said(sentence: str, text: str) -> str:
    """Add what an answer says to a sentence of ours, if it says something."""
    return f"{sentence}: {text}" if text else sentence


def _shown(word: str, hidden: set[str], inside: set[str]) -> str:
    """Return a word, if it is none that is hidden and has none of those in it that must not stand inside another word either."""
    # As it stands there, and as it was meant if it was escaped.
    both = f"{word} {unquote(word)}".lower()
    is_long = len(word) > SAID_WORD_CHARACTERS_MAX or sum(map(str.isdigit, word)) > SAID_DIGITS_MAX
    if is_long or "@" in both or not word.isprintable():
        return LEFT_OUT
    return LEFT_OUT if not hidden.isdisjoint(_words(both)) or any(one in both for one in inside) else word


def _words(text: str) -> Iterator[str]:
    return (word.lower() for word in _WORD.findall(text))


def _telling_text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return ""
    if text.lstrip().startswith("<"):
        return ""
    try:
        return _told(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _told(answer: object) -> str:
    """Find the sentence in JSON: the first of the telling members, which may be a list or an object in turn."""
    for _ in range(len(_TELLING)):
        if isinstance(answer, list):
            answer = next(iter(cast("list[object]", answer)), None)
        elif isinstance(answer, dict):
            members = cast("dict[str, object]", answer)
            answer = next((members[name] for name in _TELLING if members.get(name)), None)
        else:
            break
    return answer if isinstance(answer, str) else ""


def _values(messages: Iterable[Message]) -> Iterator[str]:
    """Yield every value in messages that says something of a user."""
    for message in messages:
        match message:
            case SubscriptionMessage():
                pass
            case MembershipMessage() | ErasureMessage() | EventsMessage():
                yield str(message.mpid)
                yield from (one.value for one in message.identities)
                yield from (one.device for one in message.identities if one.device)
        if isinstance(message, ErasureMessage):
            yield message.request_id
        if isinstance(message, EventsMessage):
            yield from _scalars(message.batch)


def _scalars(value: object) -> Iterator[str]:
    """Yield every text and number in JSON; not the names of its members, which are nobody's."""
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting.extend(cast("Mapping[str, object]", one).values())
        elif isinstance(one, list | tuple):
            waiting.extend(cast("Sequence[object]", one))
        elif one is not None and not isinstance(one, bool):
            yield str(one)
