"""What somebody sees of an identity who may not see it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.console.masking import masked, masked_document, masked_text, shown_identity


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ann@example.com", "a•••@e•••.com"),
        ("ann@mail.example.co.uk", "a•••@m•••.uk"),
        ("ann@localhost", "a•••@l•••"),
        ("a@b", "a•••@b•••"),
        ("@example.com", "@•••"),
        ("ann@", "a•••@•••"),
        ("c-17", "c•••"),
        ("+491701234567", "+•••"),
        ("", "•••"),
        ("日本語", "日•••"),
    ],
)
def test_a_value_is_masked(value: str, shown: str) -> None:
    """An address keeps its first letters and its ending, anything else its first character."""
    assert masked(value) == shown


@given(st.text(min_size=4))
def test_a_masked_value_tells_no_length(value: str) -> None:
    """Nor more than a letter of anything that is no address."""
    if "@" not in value:
        assert masked(value) == value[0] + "•••"


@given(st.text(min_size=1, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_value_stands_nowhere_in_a_text(value: str, before: str, after: str) -> None:
    """Where it stands as a word of a sentence, it is masked."""
    shown = masked_text(f"{before} {value} {after}", [value])
    if len(value) > 12 and value not in before + after and value.strip() == value:
        assert value not in shown


def test_a_document_is_masked_wherever_an_identity_can_stand() -> None:
    """By its type, beside its type, in lists, in sentences; other members are as they were."""
    document = {
        "mpid": "17",
        "at": "2026-05-03T12:00:00Z",
        "identities": {"email": ["ann@example.com"], "customerid": ["17"], "other": "cross-17"},
        "steps": [{"identity": {"type": "customerid", "value": "c-17"}, "effect": "won"}],
        "known_identities": {"other2": "deep-value"},
        "sentence": "c-17 became known by ann@example.com, not c-177; cross-17. Also bob@example.org.",
        "again": ["deep-value", 17, None, True],
        "attributes": {"city": "Berlin"},
    }
    shown = masked_document(document)
    text = json.dumps(shown, ensure_ascii=False)
    for value in ("ann@example.com", '"c-17"', "cross-17", "deep-value", "bob@example.org"):
        assert value not in text
    assert shown["identities"] == {"email": ["a•••@e•••.com"], "customerid": ["1•••"], "other": "c•••"}
    assert shown["sentence"] == "c••• became known by a•••@e•••.com, not c-177; c•••. Also b•••@e•••.org."
    assert (shown["at"], shown["attributes"]) == ("2026-05-03T12:00:00Z", {"city": "Berlin"})
    assert shown["again"] == ["d•••", 17, None, True]


def test_what_a_request_has_named_in_another_form_is_masked() -> None:
    """Old and new values of a modify, pairs of a type and a value, and what was set aside; types stay readable."""
    document = {
        "changes": [{"identity_type": "email", "old_value": "old@example.com", "new_value": "new-17"}],
        "set_aside": [["customerid", "c-1"]],
        "take_back": [{"identity": ["email", "plain-mail"]}],
        "sentence": "email plain-mail in a decision counts no longer",
    }
    text = json.dumps(masked_document(document), ensure_ascii=False)
    for value in ("old@example.com", "new-17", "c-1", "plain-mail"):
        assert value not in text
    assert '"email"' in text
    assert "email p••• in a decision" in text


def test_an_identity_is_shown_as_the_visitor_may_see_it() -> None:
    """With its type in both cases."""
    assert shown_identity("email", "a@example.com", masks=False).text == "a@example.com"
    hidden = shown_identity("email", "a@example.com", masks=True)
    assert (hidden.type, hidden.text, hidden.is_masked) == ("email", "a•••@e•••.com", True)
