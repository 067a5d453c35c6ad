"""Says of every page and form of the console how it is asked for in the naughty world, and looks at what comes for anything that would run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from html.parser import HTMLParser
from importlib import resources
from typing import Any, Final
from urllib.parse import quote

import httpx

from knownas.console.criteria import OPERATORS
from tests.console.naughty_world import CORPUS, REQUEST_ID, SCOPE, NaughtyWorld, scripted
from tests.console.stage import PASSWORD, post


@dataclass(frozen=True)
class Visit:
    """How a page or form is asked for: its address, in braces what the world says, and the fields of the form."""

    path: str
    form: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200
    signed_in: bool = True


TYPED: Final = quote(scripted("typed in"), safe="")
"""What somebody types into an address, or has somebody else click on."""

_AUDIENCE_FORM: Final = {
    "workspace": "100",
    "number": "0",
    "name": scripted("name of a draft") * 3,
    "external_name": scripted("external name of a draft"),
    "environment": "production",
}
STRANGE_DEFINITION: Final = json.dumps(
    {
        "schema_version": "1.6.0",
        "audience": {"operator": scripted("operator of a definition"), scripted("member of a definition"): 1},
    }
)
_ROWS: Final = {
    "0-join": "all",
    "0.0-kind": "attribute",
    "0.0-name": scripted("attribute"),
    "0.0-operator": "equals",
    "0.0-value": scripted("value"),
    "0.1-kind": "attribute",
    "0.1-name": scripted("attribute of a draft"),
    "0.1-operator": "equals",
    "0.1-value": "\n".join(CORPUS[:40]),
}
_ROWS_OF_EVERY_KIND: Final = {"0-join": "any"} | {
    f"0.{at}-{name}": value
    for at, (kind, operators) in enumerate(OPERATORS.items())
    for name, value in {
        "kind": kind,
        "name": scripted(f"{kind} that is asked for"),
        "operator": next(iter(operators), ""),
        "value": scripted(f"value of {kind}"),
        "amount": scripted(f"time of {kind}"),
        "unit": "day",
    }.items()
}
_STRANGE_ROW: Final = {
    "0-join": scripted("join of a draft"),
    "0.0-kind": scripted("kind of a draft"),
    "0.0-name": scripted("what a draft asks for"),
    "0.0-operator": scripted("operator of a draft"),
    "0.0-unit": scripted("unit of a draft"),
    "0.0-amount": scripted("amount of a draft"),
}
_CONNECTION_FORM: Final = {
    "output": "{takes}",
    "users": scripted("users"),
    "environments": "production",
    "identities": ["email", scripted("type of a connection")],
    "consents": scripted("law") + "\ngdpr." + scripted("purpose"),
    "default_calling_code": scripted("calling code"),
    "more": '{{"' + "x" + '": ' + scripted("more of a connection"),
    "hash": scripted("hash"),
    "on_identity_change": scripted("change"),
    "do": "preview",
}
_SOUND_CONNECTION_FORM: Final = {
    "output": "{takes}",
    "users": "all",
    "environments": "production",
    "identities": ["email", "customerid", "other"],
    "do": "preview",
}
_OUTPUT_FORM: Final = {
    "workspace": "100",
    "type": "partner",
    "name": scripted("name of an output") * 6,
    "setting-url": scripted("url of an output"),
    "setting-size": scripted("size of an output"),
    "setting-region": scripted("region of an output"),
    "setting-token": "",
}
_PERSON: Final = {
    "workspace": "100",
    "type": "erasure",
    "regulation": "gdpr",
    "type1": "email",
    "value1": scripted("new e-mail"),
    "type2": "other",
    "value2": scripted("person"),
}
_TOXIC: Final = {"type": "email", "value": scripted("toxic")}
_BOBS: Final = {"type": "email", "value": scripted("e-mail of Bob")}
_NOBODYS: Final = {"type": "email", "value": scripted("e-mail of nobody")}
NUMBER: Final = '"><i>p</i>'
"""Mark-up as long as a field for a number may be."""

_RULES: Final = {
    "strategy": scripted("strategy"),
    "email-place": NUMBER,
    "email-most": NUMBER,
    "max_age_seconds": NUMBER,
    "tie_break": scripted("tie break"),
}
_TIMES: Final = {"from": scripted("from"), "to": scripted("to")}
_INPUT: Final = f"workspace=100&input={quote(scripted('input'), safe='')}"
_FEED: Final = f"workspace=100&input={quote(scripted('feed input'), safe='')}"

WALK: Final[Mapping[tuple[str, str], Sequence[Visit]]] = {
    ("GET", "/"): [Visit("/"), Visit(f"/?{TYPED}={TYPED}"), Visit(f"/{TYPED}", status=404)],
    ("GET", "/people"): [
        Visit("/people"),
        Visit(f"/people?q={quote(scripted('customer'), safe='')}"),
        Visit(f"/people?q={quote(scripted('e-mail'), safe='')}"),
        Visit(f"/people?q={TYPED}"),
        Visit(f"/people?q=x&type={TYPED}", status=400),
    ],
    ("GET", "/health"): [
        Visit(f"/health?scope={SCOPE}"),
        Visit(f"/health?scope={TYPED}", status=400),
        Visit(f"/health?time={TYPED}", status=400),
    ],
    ("GET", "/health/toxic"): [
        Visit(f"/health/toxic?scope={SCOPE}"),
        Visit(f"/health/toxic?state={TYPED}", status=400),
    ],
    ("GET", "/health/toxic/{id}"): [
        Visit(f"/health/toxic/1?scope={SCOPE}"),
        Visit(f"/health/toxic/{TYPED}", status=404),
    ],
    ("GET", "/health/checks/{id}"): [Visit("/health/checks/{check done}"), Visit("/health/checks/{check failed}")],
    ("GET", "/people/{mpid}"): [
        Visit("/people/{mpid}"),
        Visit("/people/{bob}"),
        Visit("/people/{undone}"),
        Visit("/people/{erased}", status=410),
    ],
    ("GET", "/people/{mpid}/attributes"): [Visit("/people/{mpid}/attributes"), Visit("/people/{bob}/attributes")],
    ("GET", "/people/{mpid}/events"): [
        Visit("/people/{mpid}/events"),
        Visit(f"/people/{{mpid}}/events?section={TYPED}", status=400),
        Visit(f"/people/{{mpid}}/events?before={TYPED}", status=400),
    ],
    ("GET", "/people/{mpid}/events/{event}"): [Visit(f"{{event {at}}}") for at in range(4)],
    ("GET", "/people/{mpid}/story"): [
        Visit("/people/{mpid}/story"),
        Visit("/people/{bob}/story"),
        Visit("/people/{undone}/story"),
        Visit(f"/people/{{mpid}}/story?next={TYPED}", status=400),
    ],
    ("GET", "/people/{mpid}/graph"): [Visit("/people/{mpid}/graph"), Visit("/people/{undone}/graph")],
    ("GET", "/decisions/{id}"): [
        Visit(f"/decisions/{{{one}}}") for one in ("decision", "mistaken", "refused", "correction", "alias")
    ],
    ("GET", "/decisions/{id}/undo"): [
        Visit("/decisions/{mistaken}/undo"),
        Visit("/decisions/{mistaken}/undo?only=1"),
        Visit("/decisions/{decision}/undo"),
        Visit("/decisions/{telling}/undo"),
        Visit(f"/decisions/{{mistaken}}/undo?only={TYPED}", status=400),
    ],
    ("GET", "/live"): [
        Visit("/live"),
        Visit(f"/live?text={TYPED}&input={TYPED}&scope={TYPED}"),
        Visit(f"/live?kind={TYPED}", status=400),
    ],
    ("GET", "/batches/{id}"): [Visit(f"/batches/{{{one}}}") for one in ("batch", "left out", "refused batch")],
    ("GET", "/sign-in"): [
        Visit(f"/sign-in?to={TYPED}", signed_in=False),
        Visit(f"/sign-in?to=/{TYPED}", signed_in=False),
    ],
    ("GET", "/sign-in/openid"): [Visit(f"/sign-in/openid?to={TYPED}", status=404, signed_in=False)],
    ("GET", "/sign-in/openid/back"): [
        Visit(f"/sign-in/openid/back?state={TYPED}&code={TYPED}&error={TYPED}", status=404, signed_in=False)
    ],
    ("GET", "/privacy"): [Visit("/privacy?state=all"), Visit(f"/privacy?state={TYPED}", status=400)],
    ("GET", "/privacy/requests/{id}"): [
        Visit(f"/privacy/requests/{REQUEST_ID}"),
        Visit(f"/privacy/requests/{TYPED}", status=404),
    ],
    ("GET", "/privacy/requests/{id}/cancel"): [Visit(f"/privacy/requests/{REQUEST_ID}/cancel")],
    ("GET", "/privacy/new"): [
        Visit(f"/privacy/new?value1={TYPED}&mpid={TYPED}&type1={TYPED}&type={TYPED}&regulation={TYPED}")
    ],
    ("GET", "/privacy/preview"): [
        Visit("/privacy/preview?mpid={mpid}&type=erasure"),
        Visit(f"/privacy/preview?mpid={TYPED}", status=400),
    ],
    ("GET", "/privacy/evidence"): [Visit("/privacy/evidence")],
    ("GET", "/privacy/evidence/head"): [Visit("/privacy/evidence/head")],
    ("GET", "/privacy/looks"): [
        Visit("/privacy/looks"),
        Visit(f"/privacy/looks?who={TYPED}"),
        Visit(f"/privacy/looks?since={TYPED}", status=400),
    ],
    ("GET", "/policies"): [Visit("/policies")],
    ("GET", "/policies/{scope}"): [Visit("/policies/{scope}"), Visit(f"/policies/{TYPED}", status=404)],
    ("GET", "/policies/{scope}/edit"): [Visit("/policies/{scope}/edit?version=1")],
    ("GET", "/policies/{scope}/rehearsals/{id}"): [
        Visit("/policies/{scope}/rehearsals/{rehearse done}"),
        Visit("/policies/{scope}/rehearsals/{rehearse failed}"),
    ],
    ("GET", "/policies/{scope}/rehearsals/{id}/publish"): [
        Visit("/policies/{scope}/rehearsals/{rehearse done}/publish")
    ],
    ("GET", "/policies/{scope}/resolve"): [Visit("/policies/{scope}/resolve")],
    ("GET", "/policies/{scope}/resolutions/{id}"): [
        Visit("/policies/{scope}/resolutions/{resolve done}"),
        Visit("/policies/{scope}/resolutions/{resolve failed}"),
    ],
    ("GET", "/setup"): [Visit("/setup")],
    ("GET", "/setup/input"): [Visit(f"/setup/input?{_INPUT}"), Visit(f"/setup/input?{_FEED}")],
    ("GET", "/setup/input/rotate"): [Visit(f"/setup/input/rotate?{_INPUT}")],
    ("GET", "/audiences"): [Visit("/audiences?workspace=100")],
    ("GET", "/audiences/new"): [Visit("/audiences/new")],
    ("GET", "/audiences/{id}"): [Visit("/audiences/{audience}")],
    ("GET", "/audiences/{id}/members"): [Visit("/audiences/{audience}/members?reasons=on")],
    ("GET", "/audiences/{id}/members/{mpid}"): [
        Visit("/audiences/{audience}/members/{mpid}"),
        Visit("/audiences/{audience}/members/{undone}"),
    ],
    ("GET", "/audiences/{id}/edit"): [Visit("/audiences/{audience}/edit")],
    ("GET", "/audiences/{id}/delete"): [Visit("/audiences/{audience}/delete")],
    ("GET", "/audiences/{id}/connect"): [
        Visit("/audiences/{audience}/connect"),
        Visit("/audiences/{audience}/connect?output={takes}"),
    ],
    ("GET", "/audience-connections/{id}"): [Visit("/audience-connections/{connection}")],
    ("GET", "/audience-connections/{id}/delete"): [Visit("/audience-connections/{connection}/delete")],
    ("GET", "/outputs"): [Visit("/outputs?workspace=100")],
    ("GET", "/outputs/ledger"): [
        Visit("/outputs/ledger?mpid={mpid}"),
        Visit(f"/outputs/ledger?mpid={TYPED}", status=400),
    ],
    ("GET", "/outputs/new"): [
        Visit("/outputs/new"),
        Visit("/outputs/new?type=partner"),
        Visit(f"/outputs/new?type={TYPED}", status=400),
    ],
    ("GET", "/outputs/{id}"): [Visit(f"/outputs/{{{one}}}") for one in ("takes", "refuses", "faults")],
    ("GET", "/outputs/{id}/change"): [Visit("/outputs/{takes}/change")],
    ("GET", "/outputs/{id}/delete"): [Visit("/outputs/{takes}/delete")],
    ("GET", "/outputs/{id}/deliveries"): [
        Visit("/outputs/{refuses}/deliveries?state=dead"),
        Visit(f"/outputs/{{refuses}}/deliveries?state={TYPED}", status=400),
    ],
    ("GET", "/deliveries/{id}"): [Visit("/deliveries/{delivery}"), Visit(f"/deliveries/{TYPED}", status=404)],
    # What is asked by a form. What ends something comes last.
    ("POST", "/theme"): [Visit("/theme", {"theme": scripted("theme"), "to": scripted("way")}, 303)],
    ("POST", "/sign-in"): [
        Visit(
            "/sign-in",
            {"name": scripted("who is not known"), "secret": "x", "to": f"/{scripted('way')}"},
            403,
            signed_in=False,
        ),
        Visit("/sign-in", {"name": scripted("user"), "secret": PASSWORD, "to": scripted("way")}, 303, signed_in=False),
    ],
    ("POST", "/audiences/draft"): [
        Visit("/audiences/draft", {**_AUDIENCE_FORM, **_ROWS, "do": "count"}),
        Visit("/audiences/draft", {**_AUDIENCE_FORM, **_ROWS_OF_EVERY_KIND, "do": "count"}),
        Visit("/audiences/draft", {**_AUDIENCE_FORM, **_STRANGE_ROW, "do": "count"}, 400),
        Visit("/audiences/draft", {**_AUDIENCE_FORM, "mode": "json", "text": scripted("definition"), "do": "rows"}),
        Visit("/audiences/draft", {**_AUDIENCE_FORM, "mode": "json", "text": STRANGE_DEFINITION, "do": "rows"}),
    ],
    ("POST", "/audiences/save"): [Visit("/audiences/save", {**_AUDIENCE_FORM, **_ROWS}, 400)],
    ("POST", "/audiences/{id}/connect"): [
        Visit("/audiences/{audience}/connect", _CONNECTION_FORM, 400),
        Visit("/audiences/{audience}/connect", _SOUND_CONNECTION_FORM),
    ],
    ("POST", "/outputs/new"): [Visit("/outputs/new", _OUTPUT_FORM, 400)],
    ("POST", "/outputs/{id}/change"): [Visit("/outputs/{takes}/change", _OUTPUT_FORM, 400)],
    ("POST", "/outputs/{id}/pause"): [Visit("/outputs/{takes}/pause", {}, 303)],
    ("POST", "/outputs/{id}/resume"): [Visit("/outputs/{takes}/resume", {}, 303)],
    ("POST", "/deliveries/{id}/resend"): [Visit("/deliveries/{delivery}/resend", {}, 303)],
    ("POST", "/outputs/{id}/resend"): [Visit("/outputs/{refuses}/resend", {}, 303)],
    ("POST", "/health/toxic/block/review"): [
        Visit(f"/health/toxic/block/review?scope={SCOPE}", _BOBS),
        Visit(f"/health/toxic/block/review?scope={SCOPE}", {**_BOBS, "type": scripted("type of a value")}, 400),
    ],
    ("POST", "/health/toxic/release/review"): [Visit(f"/health/toxic/release/review?scope={SCOPE}", _TOXIC)],
    ("POST", "/health/toxic/block"): [Visit(f"/health/toxic/block?scope={SCOPE}", _NOBODYS, 303)],
    ("POST", "/health/toxic/release"): [Visit(f"/health/toxic/release?scope={SCOPE}", _TOXIC, 303)],
    ("POST", "/health/checks"): [Visit("/health/checks", {}, 303)],
    ("POST", "/policies/{scope}/check"): [Visit("/policies/{scope}/check", _RULES)],
    ("POST", "/policies/{scope}/rehearse"): [Visit("/policies/{scope}/rehearse", {**_RULES, **_TIMES}, 400)],
    ("POST", "/policies/{scope}/review"): [Visit("/policies/{scope}/review", _RULES, 400)],
    ("POST", "/policies/{scope}/publish"): [
        Visit(
            "/policies/{scope}/publish",
            {"policy": scripted("policy"), "after": scripted("after"), "note": scripted("note")},
            400,
        )
    ],
    ("POST", "/policies/{scope}/resolve"): [Visit("/policies/{scope}/resolve", {}, 303)],
    ("POST", "/privacy/preview"): [
        Visit("/privacy/preview", _PERSON),
        Visit("/privacy/preview", {**_PERSON, "type": scripted("type"), "type1": scripted("type 1")}, 400),
    ],
    ("POST", "/privacy/requests"): [
        Visit("/privacy/requests", {**_PERSON, "id": "1b1f5c1e-2222-4333-8444-555555555555", "type": "access"}, 303),
        Visit("/privacy/requests", {**_PERSON, "id": scripted("id of a request")}, 400),
    ],
    ("POST", "/privacy/requests/{id}/results"): [Visit(f"/privacy/requests/{REQUEST_ID}/results", {}, 404)],
    ("POST", "/privacy/evidence"): [Visit("/privacy/evidence")],
    ("POST", "/privacy/requests/{id}/cancel"): [Visit(f"/privacy/requests/{REQUEST_ID}/cancel", {}, 303)],
    ("GET", "/privacy/requests/{id}/certificate"): [
        Visit(f"/privacy/requests/{REQUEST_ID}/certificate"),
        Visit(f"/privacy/requests/{REQUEST_ID}/certificate?format=pdf"),
        Visit(f"/privacy/requests/{REQUEST_ID}/certificate?format={TYPED}", status=400),
    ],
    ("POST", "/decisions/{id}/undo"): [Visit("/decisions/{mistaken}/undo", {"only": ""}, 303)],
    ("POST", "/setup/input/rotate"): [Visit(f"/setup/input/rotate?{_INPUT}")],
    ("POST", "/audience-connections/{id}/delete"): [Visit("/audience-connections/{connection}/delete", {}, 303)],
    ("POST", "/audiences/{id}/delete"): [Visit("/audiences/{audience}/delete", {}, 303)],
    ("POST", "/outputs/{id}/delete"): [Visit("/outputs/{takes}/delete", {}, 303)],
    ("POST", "/sign-out"): [Visit("/sign-out", {}, 303)],
}
"""Every page and form, in the order in which they are asked for."""


async def asked(world: NaughtyWorld, method: str, visit: Visit, browser: httpx.AsyncClient) -> httpx.Response:
    """Ask for a page as the walk says, and check that it is the page that was meant and not the way it fails."""
    at = {**world.at, "scope": SCOPE}
    path = visit.path.format(**at)
    if method == "GET":
        answer = await browser.get(path)
    else:
        form = {name: value.format(**at) if name == "output" else value for name, value in visit.form.items()}
        answer = await (post(browser, path, form) if visit.signed_in else browser.post(path, data=form))
    assert answer.status_code == visit.status, (method, path, answer.status_code, words(answer.text))
    return answer


def words(page: str) -> str:
    """Return the text of the part of a page that is its own."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2].partition("</main>")[0]).split())[:500]


class _Marks(HTMLParser):
    """What a browser would make of a page: its elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))


_LEADING: Final = ("href", "src", "action", "formaction", "data", "xlink:href", "hx-get", "hx-post", "srcdoc")
_ALONE: Final = (
    "open",
    "checked",
    "selected",
    "required",
    "hidden",
    "defer",
    "multiple",
    "novalidate",
    "formnovalidate",
    "reversed",
    "data-refused",
)
"""Attributes that templates write without a value."""


@cache
def _written() -> tuple[frozenset[str], frozenset[str]]:
    """Return the elements and the attributes that templates are written with."""
    folder = resources.files("knownas.console") / "templates"
    text = "\n".join(one.read_text() for one in folder.iterdir() if one.name.endswith(".html"))
    elements = re.findall(r"<([a-z][a-z0-9-]*)", text)
    return frozenset(elements), frozenset(
        (*(one.lower() for one in re.findall(r"([a-zA-Z][a-zA-Z0-9-]*)=[\"']", text)), *_ALONE)
    )


def faults_of(page: str) -> list[str]:
    """Tell what of a page would run, or is mark-up that no template wrote."""
    found = [f"it has this as it is: {one}" for one in (*CORPUS, "><img src=x onerror=", NUMBER) if one in page]
    marks = _Marks()
    marks.feed(page)
    elements, attributes = _written()
    for tag, given in marks.elements:
        if tag not in elements:
            found.append(f"no template writes <{tag}>")
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            found.append("a script stands in the page")
        for name, value in given.items():
            if name.startswith("on") or name not in attributes:
                found.append(f"no template writes {name}={value[:60]!r} in <{tag}>")
            if name in _LEADING and not value.startswith(("/", "#", "?")):
                found.append(f"<{tag} {name}> leads to {value[:80]!r}")
            if name in _LEADING and value.startswith("//"):
                found.append(f"<{tag} {name}> leads elsewhere: {value[:80]!r}")
    return list(dict.fromkeys(found))


def names_on(page: str) -> set[str]:
    """Return which strings of the world a page shows, as text."""
    return set(re.findall(r"alert\(\\?'([^'\\]+)\\?'\)", unescape(page)))
