"""Writes the configuration file that a new installation starts with: fresh keys, and every member explained.

The text is rendered from the tables that the reader reads by. Lines that start with `#` and a space explain; lines
that start with `#` and a name are members with their defaults.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from knownas.config.calculated import CALCULATED_ATTRIBUTES
from knownas.config.console import USERS
from knownas.config.faults import InvalidConfiguration
from knownas.config.reader import CONFIGURATION_SECTION, CREDENTIALS, read_configuration
from knownas.config.scopes import IMMUTABLE_IDS, LOGIN_IDS, PRIORITY, UNIQUE_IDS
from knownas.config.sections import Member, Section, section_of
from knownas.config.toxic import ALLOWED
from knownas.config.values import DATABASE_DEFAULT, Configuration, InputPlatform, ProtectionLevel
from knownas.config.written import is_free_text, takes_identity_types, type_and_allowed, written
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import PRESETS, Strategy

Live: TypeAlias = "Mapping[str, LiveValue]"
LiveValue: TypeAlias = "str | int | bool | Live | tuple[Live, ...]"
"""The members that the file gives by name; the others stand in it as comments, with their defaults."""

_KEY_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_LINE_CHARACTERS: Final = 110
_SCOPE: Final = "main"
_STRATEGY: Final = Strategy.DEFAULT
_WORKSPACE: Final = 100

_HEAD: Final = """\
# The configuration of knownas.
#
# A line that starts with # and a space explains. A line that starts with # and a name is a member with its default:
# take the # away and change it. ${NAME} in a value is filled in with the environment variable NAME ($${ is a
# literal ${). "knownas check" says what is wrong with the file, each fault with its line.
"""
_EXAMPLES: Final[Mapping[Member[object], tuple[str, ...]]] = {
    CREDENTIALS: (
        "For example:",
        f"- {{client_id: personalisation, client_secret: ..., role: read_only, workspaces: [{_WORKSPACE}]}}",
    ),
    USERS: (
        "For example, with what `knownas console hash-password` prints:",
        "- {name: ann, password_hash: ..., role: operator}",
    ),
    ALLOWED: ("For example:", "- {type: email, value: info@example.com}"),
    CALCULATED_ATTRIBUTES: (
        "For example, with further members as the configuration reference has them:",
        "- name: lifetime_value",
        "  calculation_type: sum",
        "  data_point: {type: commerce_event, custom_event_type: purchase, attribute_name: total_amount}",
    ),
}
"""Shown in the place of the members of lists that the file leaves empty."""


def generate_configuration(token: Callable[[int], str]) -> str:
    """Return the text of a new configuration file with fresh keys.

    It has one scope, organization, account and workspace, an input for a web app and one for a CRM feed.
    `token(nbytes)` returns a random text made of that many bytes, as `secrets.token_urlsafe` does; each call a new
    one.

    Raises:
        ValueError: what `token` returned can't be a key or secret.
    """
    text = "".join(f"{line}\n" for line in _file(_live(token)))
    match read_configuration(text, environment={}):
        case Configuration():
            return text
        case InvalidConfiguration() as invalid:
            raise ValueError(f"the tokens can't be keys: {invalid}")


def _live(token: Callable[[int], str]) -> Live:
    web: Live = {
        "name": "web",
        "platform": InputPlatform.WEB,
        "key": token(_KEY_BYTES),
        "secret": token(_SECRET_BYTES),
        "allow_key_only": True,
    }
    crm: Live = {
        "name": "crm",
        "feed": "custom",
        "key": token(_KEY_BYTES),
        "secret": token(_SECRET_BYTES),
        "protection_level": ProtectionLevel.CREATE_AND_UPDATE,
    }
    workspace: Live = {
        "id": _WORKSPACE,
        "name": "Workspace",
        "scope": _SCOPE,
        "key": token(_KEY_BYTES),
        "secret": token(_SECRET_BYTES),
        "inputs": (web, crm),
    }
    account: Live = {"id": 10, "name": "Account", "workspaces": (workspace,)}
    return {
        "database": DATABASE_DEFAULT,
        "admin_token": token(_SECRET_BYTES),
        "scopes": ({"name": _SCOPE, "strategy": _STRATEGY},),
        "organization": {"id": 1, "name": "Organization", "accounts": (account,)},
    }


def _file(live: Live) -> Iterator[str]:
    yield from _HEAD.splitlines()
    yield from _members(CONFIGURATION_SECTION, live, "", is_item=False, explained=True)


def _members(section: Section[object], live: Live, indent: str, *, is_item: bool, explained: bool) -> Iterator[str]:
    """Yield the lines of a section; without explanation only what is live."""
    for index, member in enumerate(section.members):
        value = live.get(member.name)
        if value is None and not explained:
            continue
        is_first_of_item = is_item and index == 0
        outer = indent[:-2] if is_first_of_item else indent
        if explained:
            if not indent:
                yield ""
            yield from (f"{outer}# {line}" for line in _explanation(member, _LINE_CHARACTERS - len(outer)))
        yield from _member(member, value, indent, f"{outer}- " if is_first_of_item else indent, explained=explained)


def _member(
    member: Member[object], value: "LiveValue | None", indent: str, lead: str, *, explained: bool
) -> Iterator[str]:
    section = section_of(member.shape)
    if section is not None and isinstance(value, tuple):
        yield f"{lead}{member.name}:"
        for index, item in enumerate(value):
            yield from _members(section, item, f"{indent}  ", is_item=True, explained=explained and index == 0)
    elif isinstance(member.shape, Section) and section is not None:
        yield f"{lead}{member.name}:"
        nested: Live = value if isinstance(value, Mapping) else {}
        yield from _members(section, nested, f"{indent}  ", is_item=False, explained=explained)
    elif value is not None:
        yield f"{lead}{member.name}: {written(value)}"
    else:
        yield f"{lead}#{member.name}: {written(_default(member))}".rstrip()


def _default(member: Member[object]) -> object:
    """Return the default of a member; for the lists that the strategy presets, what that is."""
    preset = PRESETS[_STRATEGY]
    presets: Mapping[Member[object], frozenset[IdentityType]] = {
        LOGIN_IDS: preset.login_ids,
        UNIQUE_IDS: preset.unique_ids,
        IMMUTABLE_IDS: preset.immutable_ids,
    }
    if member is PRIORITY:
        return preset.priority
    return tuple(sorted(presets[member])) if member in presets else member.default


def _explanation(member: Member[object], width: int) -> Iterator[str]:
    yield from textwrap.wrap(member.meaning, width, break_on_hyphens=False)
    if section_of(member.shape) is None and not is_free_text(member.shape):
        allowed = type_and_allowed(member)
        if member is PRIORITY:
            allowed = f"{allowed}: {', '.join(IdentityType)}"
        elif takes_identity_types(member.shape):
            allowed = f"{allowed}, the names as for {PRIORITY.name}"
        yield from textwrap.wrap(f"{allowed[0].upper()}{allowed[1:]}.", width, break_on_hyphens=False)
    if member.left_out:
        yield from textwrap.wrap(f"Left out: {member.left_out}.", width, break_on_hyphens=False)
    yield from _EXAMPLES.get(member, ())
