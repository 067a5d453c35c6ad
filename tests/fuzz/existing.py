"""Lets a generated request of our own API name what exists, and keep the rules between its members that its description tells in words.

What the schema of a request can say is left as it was generated: a schema that promises too much has to be found.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from schemathesis.generation.case import Case

from tests.served import WEB_KEY

Json = dict[str, Any]
SPARE_SCOPE: Final = "spare"
"""A scope whose rules may change, since nobody asks it anything."""

WORKSPACE: Final = "/api/workspaces/100"
ANYBODY: Final[Json] = {
    "schema_version": "1.6.0",
    "audience": {"operator": "exists", "operand": {"model": "user", "path": "mpid"}},
}
WEBHOOK: Final[Json] = {"type": "webhook", "settings": {"url": "https://127.0.0.1:9/nobody"}}
"""An output that takes identities of every type, and never gets anything through."""


PARTS_KEPT: Final = 5
"""Elements that each list of a definition keeps: how many parts it may have in all is told in words."""


class Existing:
    """What exists on one server while requests about it are made. `api` is a client of our own API."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._asked = self._made(f"{WORKSPACE}/audiences", {"name": "asked for", "definition": ANYBODY})
        self._audience = self._made(f"{WORKSPACE}/audiences", {"name": "looked at", "definition": ANYBODY})
        self._output = self._made(f"{WORKSPACE}/outputs", {"name": "looked at", **WEBHOOK})
        self._bodies: Mapping[str, Callable[[Json], None]] = {
            "createAudience": self._audience_body,
            "changeAudience": self._audience_body,
            "previewAudience": self._audience_body,
            "createConnection": self._connection_body,
            "createInputConnection": self._input_connection_body,
            "createOutput": self._output_body,
            "changeOutput": self._changed_output_body,
            "createGroup": self.group_body,
            "changeGroup": self.group_body,
            "publishPolicy": self._published_body,
            "beginRehearsal": lambda body: keep_policy_rules(body["policy"]),
        }

    def name(self, case: Case) -> None:
        """Let a request that fits its schema name what exists."""
        told = case.operation.definition.raw
        operation = told["operationId"]
        # JSON Schema can't tell 83.0 from 83.
        if isinstance(case.body, dict | list):
            case.body = whole(case.body)
        if operation in self._bodies and isinstance(case.body, dict):
            self._bodies[operation](case.body)
        self._path(operation, case.path_parameters or {})
        if operation == "listAudienceChanges":
            keep_period(case.query or {})

    def undone(self, case: Case, value: str) -> None:
        """Let a request that takes one identity back name the one that the decision was asked with."""
        if isinstance(case.body, dict) and case.body.get("identity"):
            case.body["identity"] = {"type": "other", "value": value}

    def _path(self, operation: str, named: Json) -> None:
        if operation == "publishPolicy":
            named["scope"] = SPARE_SCOPE
        if "audience" in named:
            named["audience"] = self._audience
        if "output" in named:
            named["output"] = self._output
        if "group" in named:
            named["group"] = self._one(f"{WORKSPACE}/groups", {"id": "homes", "source_user_attribute": "$zip"})
        if "connection" in named:
            audiences = f"{WORKSPACE}/audiences/{self._audience}"
            here = f"{audiences if 'audience' in named else WORKSPACE}/connections"
            body = {"output": self._output, "identities": ["email"]}
            named["connection"] = self._one(here, body if "audience" in named else {**body, "input": WEB_KEY})
        if operation == "deleteAudience":
            named["audience"] = self._made(f"{WORKSPACE}/audiences", {"name": "to go", "definition": ANYBODY})
        if operation == "deleteOutput":
            named["output"] = self._made(f"{WORKSPACE}/outputs", {"name": "to go", **WEBHOOK})

    def _audience_body(self, body: Json) -> None:
        self._clear(f"{WORKSPACE}/audiences", {self._asked, self._audience})
        keep_definition_rules(body["definition"]["audience"], str(self._asked), [])

    def _connection_body(self, body: Json) -> None:
        self._clear(f"{WORKSPACE}/audiences/{self._audience}/connections", set())
        body["output"] = self._output
        keep_webhook_rules(body)

    def _input_connection_body(self, body: Json) -> None:
        self._clear(f"{WORKSPACE}/connections", set())
        body |= {"output": self._output, "input": WEB_KEY}
        keep_webhook_rules(body)
        switched = body.get("data_filter", {})
        switched["on"] = [one for one in switched.get("on", ()) if one not in switched.get("off", ())]
        body["data_filter"] = switched
        if "key" in body.get("sampling", {}):
            body["sampling"]["key"] = uuid.uuid4().hex

    def _output_body(self, body: Json) -> None:
        self._clear(f"{WORKSPACE}/outputs", {self._output})
        body["type"] = WEBHOOK["type"]
        self._changed_output_body(body)

    def _changed_output_body(self, body: Json) -> None:
        body["settings"] = WEBHOOK["settings"]
        if body.get("erasures") is not None:
            keep_webhook_rules(body["erasures"])

    def group_body(self, body: Json) -> None:
        """Let a kind of groups have names that no other has, where there is room for one."""
        self._clear(f"{WORKSPACE}/groups", set())
        body["id"] = uuid.uuid4().hex
        body["source_user_attribute"] = uuid.uuid4().hex
        for one in body.get("attributes", ()):
            one["id"] = uuid.uuid4().hex

    def _published_body(self, body: Json) -> None:
        body["after_version"] = self._api.get(f"/api/scopes/{SPARE_SCOPE}/policy").json()["versions"][0]["version"]
        keep_policy_rules(body["policy"])

    def _made(self, path: str, body: Json) -> Any:
        answer = self._api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["id"]

    def _one(self, path: str, body: Json) -> Any:
        there = self._api.get(path).json()["items"]
        return there[0]["id"] if there else self._made(path, body)

    def _clear(self, path: str, kept: set[Any]) -> None:
        """Make room: a workspace has only so many of each."""
        for one in self._api.get(path).json()["items"]:
            if one["id"] not in kept:
                self._api.delete(f"{path}/{one['id']}")


def whole(given: Any) -> Any:
    """Write each number that is whole as a whole number."""
    if isinstance(given, dict):
        return {name: whole(one) for name, one in given.items()}
    if isinstance(given, list):
        return [whole(one) for one in given]
    return int(given) if isinstance(given, float) and given.is_integer() else given


def keep_period(query: Json) -> None:
    """Let a period be one of the last days: how long ago and how long it may be is told in words."""
    now = datetime.now(UTC)
    for name, days in (("from", 2), ("to", 1)):
        if name in query:
            query[name] = (now - timedelta(days=days)).isoformat()


def keep_definition_rules(part: Any, audience: str, earlier: list[str]) -> None:
    """Let a definition be small, ask for an audience that there is, and for steps by the aliases that `earlier` ones have."""
    if isinstance(part, list):
        del part[PARTS_KEPT:]
        for one in part:
            keep_definition_rules(one, audience, earlier)
    elif isinstance(part, dict) and "sequence" in part:
        aliases = [f"step {number}" for number in range(len(part["sequence"]))]
        for number, step in enumerate(part["sequence"]):
            step["alias"] = aliases[number]
            keep_definition_rules(step.get("condition"), audience, aliases[:number])
    elif isinstance(part, dict):
        _keep_names(part, audience, earlier)
        for one in part.values():
            keep_definition_rules(one, audience, earlier)


def _keep_names(part: Json, audience: str, earlier: list[str]) -> None:
    if not earlier:
        part.pop("relative_to", None)
    if part.keys() == {"audience"}:
        part["audience"] = audience
    if part.keys() == {"alias", "path"} and earlier:
        part["alias"] = earlier[-1]
    elif part.keys() == {"alias", "path"}:
        part["model"] = "events"
        del part["alias"]


def keep_webhook_rules(body: Json) -> None:
    """Let a connection send what a webhook takes: identities of some types, which has no places for them and nothing to set."""
    body.pop("places", None)
    body.pop("settings", None)
    wanted = body.get("identities") or ["email"]
    if body.get("send_anonymous_users") is False and wanted == ["mpid"]:
        wanted = ["email"]
    body["identities"] = wanted
    body["excluded"] = [one for one in body.get("excluded", ()) if one not in wanted]
    if "default_calling_code" in body:
        body.pop("plus_left_out", None)


def keep_policy_rules(policy: Json) -> None:
    """Let the lists of a policy agree with each other, and its texts be printable."""
    lists = ("login_ids", "unique_ids", "immutable_ids")
    if policy.get("strategy") == "best_match":
        for name in lists:
            policy.pop(name, None)
    login, unique, immutable = (policy.get(name) for name in lists)
    if immutable is not None:
        # What is left out is a preset, which differs by strategy.
        policy["immutable_ids"] = [one for one in immutable if one in (login or ()) and one in (unique or ())]
    settings = policy.get("settings") or {}
    if policy.get("priority") == [] and settings.get("implicit_das") is False:
        del settings["implicit_das"]
    for one in (settings.get("toxic") or {}).get("allowed") or ():
        one["value"] = uuid.uuid4().hex
