"""Holds settings that somebody has given against those that a destination has, and says what is wrong with them (platform §7.1)."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import Settings
from knownas.service.delivery.destination import Destination, Setting, SettingKind
from knownas.service.delivery.wish_form import FAULTS_TOLD_MAX, pointed


def output_settings(given: Settings, destination: Destination) -> Settings | tuple[Fault, ...]:
    """Return the settings of an output, with what is set where nothing is given; every fault if there is one, also the destination's own."""
    settings = settings_or_faults(given, destination.settings)
    if isinstance(settings, tuple):
        return settings
    faults = [Fault(_place(name), sentence) for name, sentence in destination.faults(settings)]
    return tuple(faults[:FAULTS_TOLD_MAX]) or settings


def settings_or_faults(given: Settings, declared: Sequence[Setting]) -> Settings | tuple[Fault, ...]:
    """Return given settings, with what is set where nothing is given; what is wrong with them if they can't be.

    An empty text is as good as none. Places are JSON pointers below the settings' parent.
    """
    faults = list(_faults(given, declared))
    if faults:
        return tuple(faults[:FAULTS_TOLD_MAX])
    defaults = {one.name: one.default for one in declared if one.default is not None}
    return {**defaults, **{name: value for name, value in given.items() if value != ""}}


def confidential_names(declared: Sequence[Setting]) -> frozenset[str]:
    """Return the names of settings that are never shown."""
    return frozenset(one.name for one in declared if one.confidential)


def _faults(given: Settings, declared: Sequence[Setting]) -> Iterator[Fault]:
    by_name = {one.name: one for one in declared}
    for name, value in given.items():
        setting = by_name.get(name)
        if setting is None:
            yield Fault(_place(name), f"there is no such setting; there are {', '.join(by_name) or 'none'}")
        elif not _is_of(value, setting.kind):
            yield Fault(_place(name), f"wanted is {_wanted(setting.kind)}")
        elif setting.choices and value not in ("", *setting.choices):
            yield Fault(_place(name), f"wanted is one of {', '.join(setting.choices)}")
    for setting in declared:
        if setting.required and given.get(setting.name, "") == "":
            yield Fault("/settings", f"{setting.name} is missing")


def _place(name: str) -> str:
    return f"/settings/{pointed(name)}"


def _is_of(value: str | int | bool, kind: SettingKind) -> bool:  # noqa: FBT001 - a setting can be a switch
    match kind:
        case SettingKind.TEXT:
            return isinstance(value, str)
        case SettingKind.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case SettingKind.BOOLEAN:
            return isinstance(value, bool)
        case _:
            assert_never(kind)


def _wanted(kind: SettingKind) -> str:
    match kind:
        case SettingKind.TEXT:
            return "a text"
        case SettingKind.INTEGER:
            return "a whole number"
        case SettingKind.BOOLEAN:
            return "true or false"
        case _:
            assert_never(kind)
