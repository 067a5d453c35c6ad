"""What somebody sets for an output, or a connection with it, is held against what the destination has."""

from typing import Any

import pytest
from hypothesis import given

from knownas.core.delivery.message import Settings
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.delivery.destination import Setting, SettingKind
from knownas.service.delivery.settings_form import output_faults, settings_faults, with_defaults
from tests.service.wishes import settings

DECLARED = (
    Setting("url", SettingKind.TEXT, "Where.", required=True),
    Setting("key", SettingKind.TEXT, "A key.", confidential=True),
    Setting("size", SettingKind.TEXT, "How large.", default="small", choices=("small", "large")),
    Setting("number", SettingKind.INTEGER, "How many."),
    Setting("on", SettingKind.BOOLEAN, "Whether.", default=True),
)


def faults(**members: Any) -> list[tuple[str, str]]:
    """Return what is wrong with settings beside the one that is needed."""
    return [(fault.place, fault.sentence) for fault in settings_faults(DECLARED, {"url": "u", **members})]


def test_what_nobody_says_is_as_usual() -> None:
    """Defaults are filled in; an empty text is as good as none."""
    assert with_defaults(DECLARED, {"url": "u"}) == {"url": "u", "size": "small", "on": True}
    said: Settings = {"url": "u", "key": "", "size": "", "number": 0, "on": False}
    assert not settings_faults(DECLARED, said)
    assert with_defaults(DECLARED, said) == {"url": "u", "size": "small", "number": 0, "on": False}
    assert with_defaults((), {}) == {}


@pytest.mark.parametrize(
    ("members", "place", "part"),
    [
        ({"a/b": 1}, "/settings/a~1b", "there are url, key, size, number, on"),
        ({"key": 1}, "/settings/key", "a text"),
        ({"number": "1"}, "/settings/number", "a whole number"),
        ({"number": True}, "/settings/number", "a whole number"),
        ({"on": 1}, "/settings/on", "true or false"),
        ({"size": "huge"}, "/settings/size", "small, large"),
        ({"url": ""}, "/settings/url", "this is needed: Where."),
        ({"key": "k" * 4_097}, "/settings/key", "at most 4096 characters"),
    ],
    ids=range(8),
)
def test_each_fault_has_its_place(members: dict[str, Any], place: str, part: str) -> None:
    """What is no setting, of another kind, none of the choices or missing is named, with what is wanted."""
    [(at, sentence)] = faults(**members)
    assert at == place
    assert part in sentence


def test_all_faults_are_told_at_once() -> None:
    """Several faults come together; the destination's own are told when the kinds are right."""
    assert [place for place, _ in faults(url="", number=1.5, x=1)] == [
        "/settings/x",
        "/settings/url",
        "/settings/number",
    ]
    meta = DESTINATIONS["meta"]
    read = output_faults(meta, {"ad_account_id": "act_1", "access_token": "t\n"})
    assert [fault.place for fault in read] == ["/settings/ad_account_id", "/settings/access_token"]
    good: Settings = {"ad_account_id": "1", "access_token": "t"}
    assert not output_faults(meta, good)
    assert with_defaults(meta.settings, good)["customer_file_source"] == "USER_PROVIDED_ONLY"


@given(settings)
def test_whatever_is_given_is_read_or_told(given_settings: Settings) -> None:
    """No settings, however strange, are an exception, at any destination."""
    for destination in DESTINATIONS.values():
        output_faults(destination, given_settings)
        settings_faults(destination.connection_settings, given_settings)
