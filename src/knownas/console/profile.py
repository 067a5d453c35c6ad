"""Serves the first page of a profile: who it is, its identities and where they come from, devices, consent, audiences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from knownas.console.limits import CONSENT_CHANGES_SHOWN_MAX, PAST_SHOWN_MAX
from knownas.console.masking import ShownIdentity
from knownas.console.page import Answer, Asked, Page, Shown
from knownas.console.places import PEOPLE
from knownas.console.profile_frame import (
    Profile,
    Workspace,
    decision_path,
    profile_of,
    served_paths,
    shown_profile,
    shown_text,
    workspace_named,
)
from knownas.console.profile_groups import groups_of
from knownas.console.rights import Right
from knownas.core.audience.dates import NEVER
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.profile.consent import Consent, Purpose
from knownas.core.profile.device import Device
from knownas.core.profile.section import Section
from knownas.service.history.origins import Had, Turn, origins_of
from knownas.service.profile.consent_history import changes_of
from knownas.store.user_data import SectionKey

_MEMBERSHIP_PATH: Final = "/audiences/{id}/members/{mpid}"


class ShownTurn(NamedTuple):
    """How an identity came or went, for a page. `path` is the decision's address, "" without a page of it."""

    at_ms: int
    endpoint: str
    input: str
    path: str
    other: int | None


@dataclass(frozen=True, slots=True)
class ShownHeld:
    """An identity that the profile has, and how it came. `is_carried`: nobody is looked up by it."""

    identity: ShownIdentity
    is_carried: bool
    came: ShownTurn | None


@dataclass(frozen=True, slots=True)
class ShownHad:
    """An identity that the profile had, how it came, and how it went."""

    identity: ShownIdentity
    came: ShownTurn | None
    went: ShownTurn


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device, as one workspace knows it. `flags` are what was said of it that is yes or no, `facts` the rest."""

    ids: Sequence[ShownIdentity]
    platform: str | None
    first_seen_ms: int
    last_seen_ms: int
    flags: Sequence[str]
    facts: Sequence[tuple[str, str]]


class ShownConsent(NamedTuple):
    """A statement of consent; `came_ms` and `input` are None of one that came before changes were remembered."""

    regulation: str
    purpose: str
    consented: bool
    at_ms: int
    document: str | None
    location: str | None
    came_ms: int | None = None
    input: str | None = None


@dataclass(frozen=True, slots=True)
class ShownSection:
    """What one workspace knows, as far as it stands on this page."""

    workspace: Workspace
    environment: str
    first_seen_ms: int
    last_seen_ms: int
    inputs: Mapping[str, int]
    opted_out: bool | None
    notes: Sequence[str]
    devices: Sequence[ShownDevice]
    consents: Sequence[ShownConsent]
    consent_changes: Sequence[ShownConsent]


@dataclass(frozen=True, slots=True)
class ShownMembership:
    """An audience that the profile is in, and why it joined: each condition, and what was found."""

    workspace: Workspace
    environment: str
    name: str
    since_ms: int
    until_ms: int | None
    because: Sequence[tuple[str, Sequence[str]]]
    path: str


async def show_profile(asked: Asked) -> Answer:
    """Show a profile. Its events are not read for it."""
    profile = await profile_of(asked)
    if isinstance(profile, Shown):
        return profile
    origins = await origins_of(asked.service.store, profile.mpid)
    sections = await asked.service.sections.of_profile(profile.mpid)
    held = [_held(asked, one, origins.held.get(one), is_carried=False) for one in profile.looked_up]
    held += [_held(asked, one, origins.held.get(one), is_carried=True) for one in profile.carried]
    values = {
        "held": held,
        "had": [_had(asked, one) for one in origins.had[:PAST_SHOWN_MAX]],
        "had_more": len(origins.had) > PAST_SHOWN_MAX,
        "is_whole": origins.is_whole,
        "sections": [_section(asked, profile, key, sections[key]) for key in sorted(sections)],
        "groups": await groups_of(asked, profile, sections),
        "memberships": await _memberships(asked, profile, sorted(sections)),
    }
    return shown_profile(asked, profile, "profile_overview.html", "", values)


def _held(asked: Asked, identity: Identity, came: Turn | None, *, is_carried: bool) -> ShownHeld:
    shown = asked.identity(identity.type.value, identity.value)
    return ShownHeld(shown, is_carried, None if came is None else _turn(came))


def _had(asked: Asked, had: Had) -> ShownHad:
    came = None if had.came is None else _turn(had.came)
    shown = asked.identity(had.identity.type.value, had.identity.value)
    return ShownHad(shown, came, _turn(had.went))


def _turn(turn: Turn) -> ShownTurn:
    path = decision_path(turn.decision_id)
    return ShownTurn(turn.at_ms, turn.endpoint.value, turn.input, path, turn.other)


def _section(asked: Asked, profile: Profile, key: SectionKey, section: Section) -> ShownSection:
    changes = changes_of(section)[-CONSENT_CHANGES_SHOWN_MAX:]
    return ShownSection(
        workspace_named(asked, key.workspace),
        key.environment,
        section.first_seen_ms,
        section.last_seen_ms,
        section.inputs,
        section.opted_out,
        [shown_text(asked, profile, one) for one in section.notes],
        [_device(asked, profile, one) for one in section.devices],
        [_consent(*one) for one in sorted(section.consents.items())],
        [
            _consent(one.purpose, one.consent)._replace(came_ms=one.received_ms, input=one.input)
            for one in reversed(changes)
        ],
    )


def _device(asked: Asked, profile: Profile, device: Device) -> ShownDevice:
    stamp = {} if device.stamp is None else {IdentityType.DEVICE_APPLICATION_STAMP: device.stamp}
    facts = sorted(device.facts.items())
    return ShownDevice(
        [asked.identity(kind.value, value) for kind, value in {**stamp, **device.ids}.items()],
        device.platform,
        device.first_seen_ms,
        device.last_seen_ms,
        [f"{name.replace('_', ' ')}: {'yes' if said else 'no'}" for name, said in facts if isinstance(said, bool)],
        [(name, shown_text(asked, profile, str(said))) for name, said in facts if not isinstance(said, bool)],
    )


def _consent(purpose: Purpose, consent: Consent) -> ShownConsent:
    return ShownConsent(
        purpose.regulation.value.upper(),
        purpose.name,
        consent.consented,
        consent.at_ms,
        consent.document,
        consent.location,
    )


async def _memberships(asked: Asked, profile: Profile, keys: Sequence[SectionKey]) -> list[ShownMembership]:
    audiences = asked.service.activation.audiences
    has_page = _MEMBERSHIP_PATH in served_paths(asked)
    shown: list[ShownMembership] = []
    for key in keys:
        memberships = await audiences.memberships(key)
        if not memberships:
            continue
        because = await audiences.joined_because(key)
        for one in memberships:
            path = _MEMBERSHIP_PATH.format(id=one.audience.id, mpid=profile.mpid)
            shown.append(
                ShownMembership(
                    workspace_named(asked, key.workspace),
                    key.environment,
                    one.audience.document.name,
                    one.standing.since_ms,
                    None if one.until_ms == NEVER else one.until_ms,
                    _because(asked, profile, because.get(one.audience.id, ())),
                    f"{path}?environment={key.environment}" if has_page else "",
                )
            )
    return shown


def _because(asked: Asked, profile: Profile, told: Sequence[Mapping[str, Any]]) -> list[tuple[str, Sequence[str]]]:
    """Return the conditions that held, each with what was found."""
    return [
        (
            shown_text(asked, profile, str(one["condition"])),
            [shown_text(asked, profile, str(each)) for each in one["found"]],
        )
        for one in told
        if one["holds"]
    ]


PAGES: Final = (Page("GET", "/people/{mpid}", "showPerson", Right.READ, show_profile, PEOPLE),)
