"""Aggregates over all profiles, one after the other, as the specification says it, without an index and without haste."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from knownas.core.profile.section import Section
from knownas.service.profile.sections import read
from knownas.store.user_data import SectionKey
from tests.service.audience_stage import WORKSPACE, Stage

Definitions = Mapping[int, tuple[str, Mapping[str, str]]]
"""Kinds of groups by number: the attribute whose value members share, and the attributes that are aggregated, each with its type."""

MEMBERS_MAX = 1_000


async def sections_of(stage: Stage) -> dict[SectionKey, Section]:
    """Return everything that the workspace knows."""
    keys = await stage.service.store.audiences.section_keys(WORKSPACE, None, 10_000)
    stored = {key: await stage.service.store.user_data.section(key) for key in keys}
    return {key: read(one) for key, one in stored.items() if one is not None}


def said(section: Section, name: str) -> Any:
    """Return what somebody says of an attribute."""
    held = section.attributes.get(name)
    return None if held is None else held.value


def text(value: Any) -> str:
    """Write a value as it is shown."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def together(how: str, values: Sequence[Any]) -> Any:
    """Aggregate what members say."""
    if how.startswith("boolean"):
        truths = [text(one).lower() == "true" for one in values if text(one).lower() in ("true", "false")]
        chosen = any if how == "boolean_or" else all
        return chosen(truths) if truths else None
    if how == "list_union":
        entries = {text(each) for one in values for each in (one if isinstance(one, tuple) else (one,))}
        return tuple(sorted(entries)) if values else None
    numbers = [Decimal(text(one)) for one in values if text(one).lstrip("-").replace(".", "", 1).isdecimal()]
    if not numbers:
        return None
    number = {"number_sum": sum, "number_min": min, "number_max": max}[how](numbers)
    return f"{Decimal(number).normalize():f}"


def naive(sections: Mapping[SectionKey, Section], definitions: Definitions) -> dict[SectionKey, dict[str, Any]]:
    """Return what everybody's groups have come to, of those who have anything of them."""
    found: dict[SectionKey, dict[str, Any]] = {}
    for source, attributes in definitions.values():
        for key, section in sections.items():
            shared = said(section, source)
            if shared is None or isinstance(shared, tuple) or not text(shared):
                continue
            members = [
                other
                for of, other in sections.items()
                if of.environment == key.environment
                and not isinstance(said(other, source), tuple | None)
                and text(said(other, source)) == text(shared)
            ]
            if len(members) > MEMBERS_MAX:
                continue
            for name, how in attributes.items():
                values = [value for one in members if (value := said(one, name)) is not None]
                value = together(how, values)
                if value is not None:
                    found.setdefault(key, {})[name] = value
    return found
