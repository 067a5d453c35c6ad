"""Promises about what is kept of an answer: plain words, and nothing of anybody."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knownas.core.delivery.message import MembershipMessage
from knownas.core.identity.kinds import IdentityType
from knownas.outputs.limits import SAID_CHARACTERS_MAX
from knownas.outputs.saying import said, with_said
from tests.outputs.messages import VALUES, erasure, events, membership, outgoing, some_memberships, subscription

ALL = (subscription(), membership(), events(), erasure())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"message": "Unknown field"}, "Unknown field"),
        ({"errors": [{"code": "X", "message": "Too many lists"}]}, "Too many lists"),
        ({"errors": ["Too", "many"]}, "Too"),
        ({"error": {"code": 7, "error": "", "msg": "Nope"}}, "Nope"),
        ({"status": "bad"}, ""),
        ([], ""),
        (7, ""),
        ("just words", "just words"),
        ({"message": "zoe@q.test and zoe%40q.test and 12345 and 1234 and " + "x" * 41}, "… and … and … and 1234 and …"),
        ({"message": "customer-42 and Augusta bought the Loom"}, "… and … bought the …"),
        ({"message": "CUSTOMER-42, ada%40example.com"}, ""),
        ({"message": "one \x1b[31m two"}, "one … two"),
        ({"message": "xcustomerx is userAUGUSTA_1"}, "… is …"),
    ],
    ids=str,
)
def test_telling_words_are_kept(answer: object, text: str) -> None:
    """The sentence of a JSON answer is kept without the words that were sent, or look like somebody's."""
    assert said(json.dumps(answer).encode(), ALL) == text


@pytest.mark.parametrize(
    ("body", "text"), [(b"no such list", "no such list"), (b" <html>x</html>", ""), (b"\xff\xfe", ""), (b"", "")]
)
def test_other_answers_are_read_as_text(body: bytes, text: str) -> None:
    """An answer that is no JSON is a text, unless it is a page or no text at all."""
    assert said(body, ALL) == text


def test_secrets_do_not_show() -> None:
    """The key of an output is not repeated, in whatever case."""
    assert said(b"bad key ABCDEF", (), ("abcdef",)) == "bad key …"


@example((membership(outgoing(IdentityType.OTHER, "00")),), "%", "")
@given(some_memberships(), st.text(max_size=30), st.text(max_size=30))
def test_no_value_is_ever_said(messages: tuple[MembershipMessage, ...], before: str, after: str) -> None:
    """Whatever is around it, a value that was sent is not in what is kept, not even a word of it."""
    for message in messages:
        for one in message.identities:
            told = f"{before}{one.value} {one.value}{after}"
            text = said(json.dumps({"message": told}).encode(), messages)
            kept = {"".join(c for c in word if c.isalnum() or c == "_").lower() for word in text.split()}
            value = "".join(c for c in one.value if c.isalnum() or c == "_").lower()
            assert value not in kept or not value
            assert not any(len(word) > 2 and word in text.lower() for word in re.findall(r"\w+", one.value.lower()))
            assert len(text) <= SAID_CHARACTERS_MAX


@given(st.binary(max_size=200), VALUES)
def test_any_answer_is_read(body: bytes, value: str) -> None:
    """Whatever bytes an answer has, reading it does not fail."""
    said(body, (membership(outgoing(IdentityType.OTHER, value)),))


def test_deep_answer_is_no_harm() -> None:
    """An answer that nests without end is no sentence."""
    assert with_said("answered 400", said(b'{"error":' * 20_000, ())).startswith("answered 400")
