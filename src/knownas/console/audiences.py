"""Serves the pages on which audiences are looked at: what there is, who is in one and why, and what became of whom."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from knownas.console.audience_words import told_definition, told_reasons
from knownas.console.charts import Chart, Series, bar_chart
from knownas.console.limits import LISTED_A_PAGE, SIZES_SECONDS
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done, not_done
from knownas.console.places import AUDIENCES
from knownas.console.rights import Right
from knownas.console.workspace_asked import (
    after_mpid,
    audience_of,
    connection_of,
    environment_choice,
    number_from,
    output_names,
    workspace_choice,
    workspace_name,
    workspace_of,
)
from knownas.core.audience.dates import NEVER
from knownas.core.audience.mentions import mentions
from knownas.core.identity.record import parse_mpid
from knownas.core.translation.reason import Reason, sentence
from knownas.service.audience.catalogue import KnownAudience, KnownConnection
from knownas.service.audience.previewing import Reasoned
from knownas.service.audience.turnover import By, Turnover, lately, turnover
from knownas.service.delivery.connection_form import connection_document
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.store.audiences import ChangeCount
from knownas.store.user_data import SectionKey

CHANGES_SHOWN: Final = 50
"""Changes of a profile's memberships that are looked at for those in one audience, the newest ones."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An audience in the list: its size and who joined and left lately, None where there was no time to count them, and how far it is judged."""

    audience: KnownAudience
    size: int | None
    lately: ChangeCount | None
    share: float
    outputs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Who joined an audience and who left it, and a chart of that."""

    told: Turnover
    chart: Chart


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection of an audience: with what, how far it is applied, and how many members are passed over, by reason."""

    connection: KnownConnection
    output: str
    share: float
    passed: Sequence[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody joined an audience, or left it."""

    at_ms: int
    is_member: bool


async def show_audiences(asked: Asked) -> Answer:
    """Show the audiences of a workspace, by id, with how many are in each, and how many joined and left in the last 24 hours."""
    workspace = workspace_of(asked)
    catalogue = await asked.service.activation.catalogues.refresh()
    known = catalogue.of(workspace.id).known
    after = number_from(asked.query.text("after")) or 0
    here = sorted(one for one in known if one > after)
    audiences, names = asked.service.activation.audiences, output_names(catalogue)
    until = time.monotonic() + SIZES_SECONDS
    rows: list[Listed] = []
    for one in here[:LISTED_A_PAGE]:
        audience, is_time = known[one], time.monotonic() < until
        size = await audiences.count(audience, asked.environment.value) if is_time else None
        changed = await _lately(asked, audience) if is_time else None
        outputs = [names.get(each.output, "") for each in audiences.connections(audience)]
        rows.append(Listed(audience, size, changed, await audiences.share_of(audience), outputs))
    has_more = len(here) > LISTED_A_PAGE
    values = {
        "workspace": workspace,
        "choices": (workspace_choice(asked, workspace), environment_choice(asked)),
        "environment": asked.environment.value,
        "rows": rows,
        "next": asked.address(after=str(rows[-1].audience.id)) if has_more else "",
    }
    return Shown("audiences.html", "Audiences", NOBODY, values)


async def show_audience(asked: Asked) -> Answer:
    """Show an audience: what it asks for, how many are in it, who joined and left, and which outputs are told of them."""
    audience, environment = await audience_of(asked), asked.environment.value
    audiences = asked.service.activation.audiences
    catalogue = asked.service.activation.catalogues.now
    written = msgspec.json.decode(audience.document.definition)
    values = {
        "audience": audience,
        "workspace": workspace_name(asked, audience.workspace),
        "environment": environment,
        "choices": (environment_choice(asked),),
        "size": await audiences.count(audience, environment),
        "share": await audiences.share_of(audience),
        "told_as": audience.document.told_name,
        "definition": told_definition(asked, audience.definition, written, _names(asked, audience)),
        "turnovers": [await _drawn(asked, audience, by) for by in (By.DAY, By.HOUR)],
        "connections": [
            await connected(asked, one, catalogue.outputs[one.output].document.name)
            for one in audiences.connections(audience)
        ],
    }
    return Shown("audience.html", audience.document.name, NOBODY, values)


async def show_members(asked: Asked) -> Answer:
    """Show who is in an audience, by MPID, in pages; each with why if that is asked for."""
    audience, environment = await audience_of(asked), asked.environment.value
    somebody = parse_mpid(asked.query.text("mpid"))
    if somebody is not None:
        return Moved(f"/audiences/{audience.id}/members/{somebody}?environment={environment}", NOBODY)
    reasoned = asked.query.is_on("reasons")
    audiences = asked.service.activation.audiences
    page = await audiences.members(audience, environment, after_mpid(asked), LISTED_A_PAGE + 1, reasoned=reasoned)
    shown = page[:LISTED_A_PAGE]
    values = {
        "audience": audience,
        "environment": environment,
        "choices": (environment_choice(asked),),
        "is_reasoned": reasoned,
        "kept": {"reasons": "on"} if reasoned else {},
        "rows": [Reasoned(one.member, told_reasons(asked, audience.definition, one.reasons)) for one in shown],
        "next": asked.address(next=str(shown[-1].member.mpid)) if len(page) > LISTED_A_PAGE else "",
        "otherwise": asked.address(reasons="" if reasoned else "on"),
    }
    return Shown("audience_members.html", "Members", [one.member.mpid for one in shown], values, _trail(audience))


async def show_membership(asked: Asked) -> Answer:
    """Show why a profile is in an audience or is not, condition by condition, and when it joined and left."""
    audience, mpid = await audience_of(asked), asked.mpid
    key = SectionKey(audience.workspace, asked.environment.value, mpid)
    audiences = asked.service.activation.audiences
    reasons = await audiences.why(key, audience)
    mine = next((one for one in await audiences.memberships(key) if one.audience.id == audience.id), None)
    changes = await asked.service.store.audiences.changes_of(key, None, CHANGES_SHOWN)
    until_ms = NEVER if mine is None else mine.until_ms
    values = {
        "audience": audience,
        "mpid": mpid,
        "environment": asked.environment.value,
        "reasons": told_reasons(asked, audience.definition, reasons),
        "is_member": mine is not None,
        "since_ms": None if mine is None else mine.standing.since_ms,
        "until_ms": None if until_ms == NEVER else until_ms,
        "changes": [
            Changed(one.change.at_ms, one.change.is_member) for one in changes if one.change.audience == audience.id
        ],
    }
    trail = (*_trail(audience), Crumb("Members", f"/audiences/{audience.id}/members"))
    return Shown("audience_member.html", str(mpid), (mpid,), values, trail)


async def show_connection(asked: Asked) -> Answer:
    """Show a connection of an audience: what it sends of whom, and who is passed over, for which reasons."""
    connection, audience, output = await connection_of(asked)
    reason, about = asked.query.text("reason"), after_mpid(asked)
    known = reason if reason in {one.value for one in Reason} else None
    page = await asked.service.store.audiences.passed_over(connection.id, known, about, LISTED_A_PAGE + 1)
    shown = page[:LISTED_A_PAGE]
    values = {
        "audience": audience,
        "output": output,
        "known": await connected(asked, connection, output.document.name),
        "written": written_connection(asked, connection),
        "reason": known or "",
        "rows": [(one.mpid, sentence(Reason(one.reason), one.about)) for one in shown],
        "next": asked.address(next=str(shown[-1].mpid)) if len(page) > LISTED_A_PAGE else "",
    }
    title = f"Connection with {output.document.name}"
    return Shown("audience_connection.html", title, [one.mpid for one in shown], values, _trail(audience))


async def ask_to_delete(asked: Asked) -> Answer:
    """Ask whether an audience shall be deleted, and say what depends on it."""
    audience = await audience_of(asked)
    known = asked.service.activation.audiences.known(audience.workspace)
    asking = [one for one in known.values() if str(audience.id) in mentions(one.definition).audiences]
    catalogue = asked.service.activation.catalogues.now
    connections = asked.service.activation.audiences.connections(audience)
    values = {
        "audience": audience,
        "asking": asking,
        "outputs": [catalogue.outputs[one.output].document for one in connections],
        "sizes": {
            one.value: await asked.service.activation.audiences.count(audience, one.value)
            for one in type(asked.environment)
        },
    }
    return Shown("audience_delete.html", f"Delete {audience.document.name}", NOBODY, values, _trail(audience))


async def delete_audience(asked: Asked) -> Answer:
    """Delete an audience, unless another one asks for it."""
    audience = await audience_of(asked)
    asking = await asked.service.activation.audiences.delete(audience.id)
    if asking:
        said = "It is not deleted: other audiences ask for membership in it."
        return Moved(f"/audiences/{audience.id}/delete", NOBODY, not_done(said))
    said = f"{audience.document.name} is deleted. Everybody leaves it, and its outputs are told."
    return Moved(f"{AUDIENCES.path}?workspace={audience.workspace}", NOBODY, done(said))


async def connected(asked: Asked, connection: KnownConnection, output: str) -> Connected:
    """Return a connection for a page."""
    passed = await asked.service.store.audiences.count_passed(connection.id)
    told = sorted(
        ((reason, sentence(Reason(reason), about), count) for (reason, about), count in passed.items()), key=_by_count
    )
    return Connected(connection, output, await asked.service.activation.audiences.share_of(connection), told)


def written_connection(asked: Asked, connection: KnownConnection) -> str:
    """Return what somebody has set for a connection, without what is confidential."""
    outputs, destinations = (
        asked.service.activation.catalogues.now.outputs,
        asked.service.activation.catalogues.destinations,
    )
    kind = destinations[outputs[connection.output].document.destination]
    confidential = frozenset(one.name for one in kind.connection_settings if one.confidential)
    return msgspec.json.format(
        msgspec.json.encode(connection_document(connection.asked, confidential)), indent=2
    ).decode()


def _by_count(one: tuple[str, str, int]) -> tuple[int, str]:
    return -one[2], one[1]


def _names(asked: Asked, audience: KnownAudience) -> Mapping[str, str]:
    known = asked.service.activation.audiences.known(audience.workspace)
    return {str(number): one.document.name for number, one in known.items()}


def _trail(audience: KnownAudience) -> Sequence[Crumb]:
    return (Crumb(audience.document.name, f"/audiences/{audience.id}"),)


async def _lately(asked: Asked, audience: KnownAudience) -> ChangeCount:
    now_ms = asked.service.clock()
    return await lately(asked.service.store.audiences, audience, asked.environment.value, now_ms)


async def _drawn(asked: Asked, audience: KnownAudience, by: By) -> Drawn:
    """Draw how many joined an audience and how many left it in the last days, or hours."""
    now_ms = asked.service.clock()
    told = await turnover(asked.service.store.audiences, audience, asked.environment.value, by, now_ms)
    names = {By.DAY: ("By day (UTC)", "%d %b"), By.HOUR: ("By the hour (UTC)", "%H:%M")}
    title, form = names[by]
    length = f"{len(told.intervals)} {by.value}s"
    says = f"In the last {length}, {told.joined:,} joined and {told.left:,} left."
    labels = [f"{datetime.fromtimestamp(one.from_ms / 1_000, UTC):{form}}" for one in told.intervals]
    series = [
        Series("joined", [float(one.joined) for one in told.intervals]),
        Series("left", [float(one.left) for one in told.intervals]),
    ]
    return Drawn(told, bar_chart(title, says, labels, series, side_by_side=True))


PAGES: Final = (
    Page("GET", AUDIENCES.path, "showAudiences", Right.READ, show_audiences, AUDIENCES, LONG_REQUEST_SECONDS),
    Page("GET", "/audiences/{id}", "showAudience", Right.READ, show_audience, AUDIENCES, LONG_REQUEST_SECONDS),
    Page("GET", "/audiences/{id}/members", "showMembers", Right.READ, show_members, AUDIENCES, LONG_REQUEST_SECONDS),
    Page("GET", "/audiences/{id}/members/{mpid}", "showMembership", Right.READ, show_membership, AUDIENCES),
    Page("GET", "/audiences/{id}/delete", "askToDeleteAudience", Right.AUDIENCES, ask_to_delete, AUDIENCES),
    Page("POST", "/audiences/{id}/delete", "deleteAudience", Right.AUDIENCES, delete_audience, AUDIENCES),
    Page(
        "GET",
        "/audience-connections/{id}",
        "showConnection",
        Right.READ,
        show_connection,
        AUDIENCES,
        LONG_REQUEST_SECONDS,
    ),
)
