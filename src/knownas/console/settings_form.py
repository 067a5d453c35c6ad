"""Reads settings that a destination declares out of a form, and says what a form for them needs to be shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knownas.console.form import Fields
from knownas.core.audience.reading_text import Fault
from knownas.core.profile.attributes import Scalar
from knownas.service.audience.limits import SETTING_CHARACTERS_MAX
from knownas.service.delivery.destination import Setting, SettingKind

Given = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting for a form: what it is, what stands in it, and what is wrong with that. A confidential one never shows its value."""

    setting: Setting
    value: str
    faults: Sequence[str]

    @property
    def name(self) -> str:
        """The name of the field."""
        return f"setting-{self.setting.name}"

    @property
    def label(self) -> str:
        """What the setting is called for people."""
        return self.setting.name.replace("_", " ").capitalize()

    @property
    def hint(self) -> str:
        """What the setting says, and what it is if nobody says."""
        usual = self.setting.default
        said = "" if usual is None or usual is False or usual == "" else f" Usually {usual}."
        return f"{self.setting.description}{said}"


def setting_fields(
    declared: Iterable[Setting], values: Mapping[str, str | int | bool], faults: Iterable[Fault] = ()
) -> Sequence[SettingField]:
    """Return the fields of a form, in the order in which they are declared."""
    said: dict[str, list[str]] = {}
    for one in faults:
        said.setdefault(one.place.removeprefix("/settings/"), []).append(one.sentence)
    return [
        SettingField(one, "" if one.confidential else _text(one, values.get(one.name)), said.get(one.name, ()))
        for one in declared
    ]


def settings_from(declared: Iterable[Setting], form: Fields) -> Given:
    """Return what somebody has filled in; what was left empty is not among it.

    Raises:
        Refusal: a field is too long.
    """
    given: Given = {}
    for one in declared:
        name = f"setting-{one.name}"
        if one.kind is SettingKind.BOOLEAN:
            given[one.name] = form.is_on(name)
            continue
        # A secret is taken to the letter.
        text = form.raw(name, SETTING_CHARACTERS_MAX) if one.confidential else form.text(name, SETTING_CHARACTERS_MAX)
        if text:
            given[one.name] = _integer(text) if one.kind is SettingKind.INTEGER else text
    return given


def _integer(text: str) -> int | str:
    """Return a whole number; what is none stays as it is, and is told to be wrong as any other value is."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS_MAX else text


_DIGITS_MAX = 15


def _text(setting: Setting, value: Scalar | None) -> str:
    known = setting.default if value is None else value
    if setting.kind is SettingKind.BOOLEAN:
        return "on" if known else ""
    return "" if known is None else str(known)
