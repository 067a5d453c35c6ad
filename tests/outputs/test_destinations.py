"""Promises about every kind of output."""

import re

import pytest

from knownas.outputs.destinations import DESTINATIONS
from knownas.service.delivery.destination import Destination, Setting, SettingKind

KINDS = {SettingKind.TEXT: str, SettingKind.INTEGER: int, SettingKind.BOOLEAN: bool}
each = pytest.mark.parametrize("destination", DESTINATIONS.values(), ids=list(DESTINATIONS))


@each
def test_names_can_be_written_anywhere(destination: Destination) -> None:
    """Names of outputs and of settings are words of the configuration, and no setting is there twice."""
    names = [setting.name for setting in (*destination.settings, *destination.connection_settings)]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in (destination.name, *names))
    assert len(set(names)) == len(names)
    assert destination.takes
    assert destination.batching.messages_max >= 1


@each
def test_settings_explain_themselves(destination: Destination) -> None:
    """Each setting says in a sentence what it is, and its default is one that could be set."""
    for setting in (*destination.settings, *destination.connection_settings):
        assert setting.description.endswith(".")
        assert _is_one(setting, setting.default)
        assert all(_is_one(setting, choice) for choice in setting.choices)


@each
def test_missing_settings_have_a_sentence_or_are_not_needed(destination: Destination) -> None:
    """Settings that are all empty are judged without an exception."""
    names = {setting.name for setting in destination.settings}
    for name, sentence in destination.faults({}):
        assert name in names
        assert sentence


@each
def test_places_can_be_filled(destination: Destination) -> None:
    """What usually fills a place may fill it, written as it may be written."""
    for place in destination.places:
        assert set(place.usual) <= place.accepts
        assert place.encoding in place.encodings


def _is_one(setting: Setting, value: object) -> bool:
    if value is None:
        return not setting.required or setting.default is None
    return type(value) is KINDS[setting.kind] and (not setting.choices or value in setting.choices)
