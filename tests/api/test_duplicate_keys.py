"""A key that stands twice is noticed wherever it stands, and nothing else is taken for one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.api.duplicate_keys import has_repeated_keys

TEXT = st.text(st.sampled_from('ab":\\ {}[],\n\u00e9'), max_size=4)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), TEXT)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(TEXT, inner), max_size=4)),
    max_leaves=12,
)


def written(document: Any, gap: str) -> tuple[str, bool]:
    """Write a document in which a list of pairs is an object, and say whether an object of it names a key twice."""
    if isinstance(document, list) and document and all(isinstance(one, tuple) for one in document):
        parts = [(key, *written(value, gap)) for key, value in document]
        keys = [key for key, _, _ in parts]
        text = ",".join(f"{json.dumps(key)}{gap}:{value}" for key, value, _ in parts)
        return "{" + text + "}", len(set(keys)) < len(keys) or any(twice for _, _, twice in parts)
    if isinstance(document, list):
        parts = [written(one, gap) for one in document]
        return "[" + ",".join(text for text, _ in parts) + "]", any(twice for _, twice in parts)
    return json.dumps(document, ensure_ascii=False), False


@given(document=DOCUMENTS, gap=st.sampled_from(["", " ", "\n\t "]))
def test_a_key_twice_is_told_from_all_else(document: Any, gap: str) -> None:
    """For any document, with any text for keys and values, the answer is what counting keys by hand says."""
    text, twice = written(document, gap)
    assert has_repeated_keys(text.encode()) is twice


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        ('{"a":1,"a":2}', True),
        ('{"a" :1,"a":2}', True),
        (r'{"a":1,"\u0061":2}', True),
        ('[{"a":1},{"a":1}]', False),
        ('{"a":":","b":" : "}', False),
        ('{"a":":","a":":"}', True),
        ('{":":1,":":2}', True),
        ('{"a":1' + "0" * 5000 + ',"a":2}', True),
        ('{"a":1e999,"b":2}', False),
    ],
)
def test_examples(body: str, *, twice: bool) -> None:
    """Blanks, escapes, colons in texts and numbers without measure don't hide a key or make one up."""
    assert has_repeated_keys(body.encode()) is twice
