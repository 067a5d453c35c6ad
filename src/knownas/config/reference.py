"""Renders the reference of every member of a configuration file, from the tables that the reader reads by."""

from collections.abc import Iterator
from typing import Final

from knownas.config.limits import FILE_CHARACTERS_MAX, FILE_DEPTH_MAX, FILE_NODES_MAX
from knownas.config.reader import CONFIGURATION_SECTION
from knownas.config.sections import NEEDED, Member, Section, section_of
from knownas.config.written import takes_identity_types, type_and_allowed, written
from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.policy import PRESETS

_HEAD: Final = f"""\
# Configuration reference

Rendered from the tables that the reader uses. A file is YAML; a member that is left out, or has no value, has its
default. The type of a member decides how its value is read, so quotes make no difference. `${{NAME}}` in a value
is filled in with the environment variable `NAME`; `$${{` is a literal `${{`. Anchors and aliases work, tags and merge
keys don't. A file has at most {FILE_CHARACTERS_MAX:,} characters and {FILE_NODES_MAX:,} names and values (counting
what aliases repeat), nested at most {FILE_DEPTH_MAX} deep.
"""


def configuration_reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join((*_HEAD.splitlines(), *_section(CONFIGURATION_SECTION, ""), *_presets(), *_identity_types(), ""))


def _section(section: Section[object], path: str) -> Iterator[str]:
    yield ""
    yield f"## {section.title}{f': `{path}`' if path else ''}"
    yield ""
    yield "| Member | Type and what is allowed | Default | Meaning | Specification |"
    yield "|---|---|---|---|---|"
    for member in section.members:
        yield _row(member, path)
    for member in section.members:
        nested = section_of(member.shape)
        if nested is not None:
            yield from _section(nested, _path(path, member))


def _path(path: str, member: Member[object]) -> str:
    items = "" if isinstance(member.shape, Section) else "[]"
    return f"{path}.{member.name}{items}" if path else f"{member.name}{items}"


def _row(member: Member[object], path: str) -> str:
    cells = (f"`{member.name}`", _takes(member, path), _default(member), member.meaning, member.spec or "ours")
    return f"| {' | '.join(cells)} |"


def _takes(member: Member[object], path: str) -> str:
    if section_of(member.shape) is not None:
        return f"{member.shape.label}: see `{_path(path, member)}`"
    if takes_identity_types(member.shape):
        return f"{member.shape.label}: see [identity types](#identity-types)"
    return type_and_allowed(member)


def _default(member: Member[object]) -> str:
    if member.default is NEEDED:
        return "needed"
    if member.left_out:
        return member.left_out
    if isinstance(member.shape, Section):
        return "its members' defaults"
    return f"`{written(member.default)}`"


def _presets() -> Iterator[str]:
    yield from ("", "## Presets of the strategies", "")
    yield "| Strategy | login_ids | unique_ids | immutable_ids |"
    yield "|---|---|---|---|"
    for strategy, preset in PRESETS.items():
        lists = (preset.login_ids, preset.unique_ids, preset.immutable_ids)
        yield f"| `{strategy}` | {' | '.join(', '.join(sorted(types)) or 'none' for types in lists)} |"
    priorities = {preset.priority for preset in PRESETS.values()}
    for priority in sorted(priorities):
        strategies = [strategy for strategy, preset in PRESETS.items() if preset.priority == priority]
        yield from ("", f"The priority of {', '.join(strategies)}: {', '.join(priority)}.")


def _identity_types() -> Iterator[str]:
    yield from ("", "## Identity types", "")
    yield f"Of users: {', '.join(kind for kind in IdentityType if kind not in DEVICE_TYPES)}."
    yield ""
    yield f"Of devices: {', '.join(kind for kind in IdentityType if kind in DEVICE_TYPES)}."
