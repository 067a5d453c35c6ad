"""Holds settings that somebody has given against those that a destination has, and says what is wrong with them (platform §7.1).

An empty text is as good as none: a form that somebody has left empty sends such.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import Settings
from knownas.service.audience.limits import SETTING_CHARACTERS_MAX
from knownas.service.delivery.destination import Destination, Setting, SettingKind
from knownas.service.delivery.wish_form import FAULTS_TOLD_MAX, pointed

_TYPES: Final[Mapping[SettingKind, tuple[type, str]]] = {
    SettingKind.TEXT: (str, "a text"),
    SettingKind.INTEGER: (int, "a whole number"),
    SettingKind.BOOLEAN: (bool, "true or false"),
}
"""What a setting of a kind has to be, exactly, and how that is called."""


def output_faults(destination: Destination, given: Mapping[str, Any]) -> Sequence[Fault]:
    """Say what is wrong with the settings of an output: each fault with its place, also the destination's own if the kinds are right."""
    faults = settings_faults(destination.settings, given)
    if faults:
        return faults
    own = destination.faults(with_defaults(destination.settings, given))
    return [Fault(_place(name), sentence) for name, sentence in own][:FAULTS_TOLD_MAX]


def settings_faults(declared: Sequence[Setting], given: Mapping[str, Any]) -> Sequence[Fault]:
    """Say what is wrong with settings: unknown ones, missing ones, values of another kind. Places are JSON pointers."""
    return list(_faults(declared, given))[:FAULTS_TOLD_MAX]


def with_defaults(declared: Sequence[Setting], given: Mapping[str, Any]) -> Settings:
    """Return settings that are as they should be, with the defaults of those that nobody has given."""
    defaults = {one.name: one.default for one in declared if one.default is not None}
    return {**defaults, **{name: value for name, value in given.items() if value != ""}}


def _faults(declared: Sequence[Setting], given: Mapping[str, Any]) -> Iterator[Fault]:
    names = {one.name for one in declared}
    allowed = ", ".join(one.name for one in declared) or "none"
    for name in given:
        if name not in names:
            yield Fault(_place(name), f"there is no such setting; there are {allowed}")
    for setting in declared:
        sentence = _wrong(setting, given.get(setting.name))
        if sentence is not None:
            yield Fault(_place(setting.name), sentence)


def _wrong(setting: Setting, value: object) -> str | None:
    """Say what is wrong with the value of a setting; None if nothing is."""
    if value is None or value == "":
        return f"this is needed: {setting.description}" if setting.required else None
    wanted, called = _TYPES[setting.kind]
    if type(value) is not wanted:
        return f"wanted is {called}"
    if isinstance(value, str) and len(value) > SETTING_CHARACTERS_MAX:
        return f"a setting has at most {SETTING_CHARACTERS_MAX} characters"
    if setting.choices and value not in setting.choices:
        return f"wanted is one of {', '.join(setting.choices)}"
    return None


def _place(name: str) -> str:
    return f"/settings/{pointed(name)}"
