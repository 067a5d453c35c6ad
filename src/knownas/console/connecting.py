"""Serves the pages on which an audience is connected with an output: what is sent of whom, seen before anything is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from knownas.console.limits import DEFINITION_FIELD_CHARACTERS_MAX
from knownas.console.masking import ShownIdentity
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done
from knownas.console.places import AUDIENCES
from knownas.console.rights import Right
from knownas.console.settings_form import setting_fields, settings_from
from knownas.console.workspace_asked import audience_of, connection_of, number_from, output_of
from knownas.core.audience.reading_text import Fault
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.translation.outcome import Skipped
from knownas.core.translation.reason import sentence
from knownas.core.translation.target import MPID
from knownas.service.audience.audiences import ConnectionPreview
from knownas.service.audience.catalogue import KnownAudience, KnownOutput
from knownas.service.delivery.destination import Destination
from knownas.service.limits import LONG_REQUEST_SECONDS

HASHES: Final = (
    ("", "As the destination usually gets them"),
    ("sha256", "Hashed with SHA-256"),
    ("sha1", "Hashed with SHA-1"),
    ("md5", "Hashed with MD5"),
    ("raw", "Not hashed"),
)
TAKES: Final = (("", "As usual"), ("all", "All"), ("newest", "The newest only"))
USERS: Final = (("all", "All members"), ("known", "Only members with a login ID"))
CHANGES: Final = (
    ("", "As usual at the destination"),
    ("remove_old", "The old identity is taken out"),
    ("add_only", "The old identity stays"),
)
_FIELDS: Final = ("identities", "hash", "values", "devices", "excluded", "users", "consents", "more", "environments")


@dataclass(frozen=True, slots=True)
class Sample:
    """What would go out of one member, or why nothing would."""

    mpid: int
    identities: Sequence[tuple[str, ShownIdentity]]
    why: str


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """A preview for the page."""

    preview: ConnectionPreview
    skipped: Sequence[tuple[str, int]]
    samples: Sequence[Sample]


async def show_connect(asked: Asked) -> Answer:
    """Show the form; first the choice of the output, since what can be said depends on it."""
    audience = await audience_of(asked)
    number = number_from(asked.query.text("output"))
    if not number:
        outputs = asked.service.activation.outputs.known(audience.workspace)
        return Shown(
            "audience_connect.html", "Connect", NOBODY, {"audience": audience, "outputs": outputs}, _trail(audience)
        )
    output = await _own_output(asked, audience, number)
    return _form(asked, audience, output, {"environments": ["production"]}, ())


async def connect(asked: Asked) -> Answer:
    """Connect, or only say what that would send of whom."""
    audience = await audience_of(asked)
    output = await _own_output(asked, audience, number_from(asked.form.text("output")) or 0)
    written, faults = _written(asked, output)
    audiences = asked.service.activation.audiences
    if faults:
        return _form(asked, audience, output, written, faults)
    if asked.form.text("do") != "connect":
        given = asked.form.text("environment")
        environment = given if given in set(Environment) else Environment.PRODUCTION.value
        preview = await audiences.preview_connection(audience, environment, written)
        if isinstance(preview, tuple):
            return _form(asked, audience, output, written, preview)
        return _form(asked, audience, output, written, (), _shown(asked, preview))
    made = await audiences.connect(audience, written)
    if isinstance(made, tuple):
        return _form(asked, audience, output, written, made)
    said = f"{output.document.name} is told of the members of {audience.document.name} from now on."
    return Moved(f"/audience-connections/{made}", NOBODY, done(said))


async def ask_to_disconnect(asked: Asked) -> Answer:
    """Ask whether a connection shall be taken away."""
    connection, audience, output = await connection_of(asked)
    values = {"audience": audience, "output": output, "connection": connection}
    return Shown("audience_disconnect.html", "Take the connection away", NOBODY, values, _trail(audience))


async def disconnect(asked: Asked) -> Answer:
    """Take a connection away."""
    connection, audience, output = await connection_of(asked)
    await asked.service.activation.audiences.disconnect(connection.id)
    said = f"{output.document.name} is told that all members of {audience.document.name} have left."
    return Moved(f"/audiences/{audience.id}", NOBODY, done(said))


def _kind(asked: Asked, output: KnownOutput) -> Destination:
    return asked.service.activation.catalogues.destinations[output.document.destination]


async def _own_output(asked: Asked, audience: KnownAudience, number: int) -> KnownOutput:
    """Return an output of the audience's workspace."""
    output = await output_of(asked, number)
    return output if output.workspace == audience.workspace else await output_of(asked, 0)


def _written(asked: Asked, output: KnownOutput) -> tuple[dict[str, Any], Sequence[Fault]]:
    """Return what somebody has set, as its document has it; and what of it can't be read."""
    form = asked.form
    consents: list[dict[str, str]] = []
    for line in form.raw("consents").splitlines():
        regulation, _, purpose = line.strip().partition(".")
        if regulation:
            consents.append({"regulation": regulation, "purpose": purpose})
    encoding = form.text("hash")
    written: dict[str, Any] = {
        "identities": list(form.all("identities")),
        "hash": False if encoding == "raw" else encoding,
        "values": form.text("values"),
        "devices": form.text("devices"),
        "excluded": list(form.all("excluded")),
        "users": form.text("users"),
        "consents": consents,
        "default_calling_code": form.text("default_calling_code"),
        "on_identity_change": form.text("on_identity_change"),
        "environments": list(form.all("environments")),
        "settings": settings_from(_kind(asked, output).connection_settings, form),
    }
    # What was left empty is as the destination has it.
    said = {name: value for name, value in written.items() if value is False or value}
    if not form.is_on("send_anonymous_users"):
        said["send_anonymous_users"] = False
    faults: list[Fault] = []
    more = form.raw("more", DEFINITION_FIELD_CHARACTERS_MAX).strip()
    if more:
        try:
            said |= msgspec.json.decode(more, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            told = error if isinstance(error, msgspec.MsgspecError) else "it is too deep"
            faults.append(Fault("/more", f"an object of JSON is wanted: {told}"))
    return {**said, "output": str(output.id)}, faults


def _shown(asked: Asked, preview: ConnectionPreview) -> ShownPreview:
    samples: list[Sample] = []
    for one in preview.shown:
        if isinstance(one, Skipped):
            samples.append(Sample(one.mpid, (), one.sentence))
        else:
            going = [(each.slot, asked.identity(each.target.value, each.value)) for each in one.identities]
            samples.append(Sample(one.mpid, going, ""))
    skipped = [(sentence(reason, about), count) for (reason, about), count in preview.skipped.items()]
    return ShownPreview(preview, sorted(skipped, key=lambda one: -one[1]), samples)


def _form(
    asked: Asked,
    audience: KnownAudience,
    output: KnownOutput,
    written: Mapping[str, Any],
    faults: Sequence[Fault],
    preview: ShownPreview | None = None,
) -> Answer:
    kind, form = _kind(asked, output), asked.form
    accepted = {target for place in kind.places for target in place.accepts}
    types = [one.value for one in (*IdentityType, MPID) if not kind.places or kind.ask_places or one in accepted]
    said: dict[str, list[str]] = {}
    for one in faults:
        member = one.place.split("/")[1] if one.place.startswith("/") else ""
        if member != "settings":
            known = member in _FIELDS or member in ("default_calling_code", "on_identity_change")
            told = one.sentence if known or not one.place else f"{one.place}: {one.sentence}"
            said.setdefault(member if known else "", []).append(told)
    values = {
        "audience": audience,
        "output": output,
        "kind": kind,
        "types": types,
        "usual": [target.value for place in kind.places for target in place.usual],
        "written": written,
        "consents": form.raw("consents"),
        "more": form.raw("more", DEFINITION_FIELD_CHARACTERS_MAX),
        "more_most": DEFINITION_FIELD_CHARACTERS_MAX,
        "hash": form.text("hash"),
        "said": said,
        "settings": setting_fields(
            kind.connection_settings, written.get("settings", {}), [one for one in faults if "settings" in one.place]
        ),
        "choices": {"hash": HASHES, "takes": TAKES, "users": USERS, "changes": CHANGES},
        "environments": [one.value for one in Environment],
        "environment": form.text("environment") or Environment.PRODUCTION.value,
        "preview": preview,
    }
    about = NOBODY if preview is None else [one.mpid for one in preview.samples]
    title = f"Connect with {output.document.name}"
    return Shown("audience_connect_form.html", title, about, values, _trail(audience), 400 if faults else 200)


def _trail(audience: KnownAudience) -> Sequence[Crumb]:
    return (Crumb(audience.document.name, f"/audiences/{audience.id}"),)


_CONNECT: Final = "/audiences/{id}/connect"
_TAKE_AWAY: Final = "/audience-connections/{id}/delete"
PAGES: Final = (
    Page("GET", _CONNECT, "showConnect", Right.AUDIENCES, show_connect, AUDIENCES),
    Page("POST", _CONNECT, "connectAudience", Right.AUDIENCES, connect, AUDIENCES, LONG_REQUEST_SECONDS),
    Page("GET", _TAKE_AWAY, "askToDisconnectAudience", Right.AUDIENCES, ask_to_disconnect, AUDIENCES),
    Page("POST", _TAKE_AWAY, "disconnectAudience", Right.AUDIENCES, disconnect, AUDIENCES),
)
