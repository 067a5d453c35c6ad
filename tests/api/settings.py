"""Builds the configuration that the tests of the HTTP surfaces share: one server, an input for each switch."""

from collections.abc import Mapping
from typing import Any

from tests.served import SECRET, configuration


def with_inputs(inputs: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the usual configuration with further apps in its workspace, by their keys."""
    document = configuration(settings)
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    for key, switches in inputs.items():
        kind = {} if "feed" in switches else {"platform": "android"}
        workspace["inputs"].append({"name": key, "key": key, "secret": SECRET, **kind, **switches})
    return document


def with_scope(document: dict[str, Any], name: str, inputs: Mapping[str, Any], **scope: Any) -> dict[str, Any]:
    """Add a scope with a workspace and an input to a configuration."""
    account = document["organization"]["accounts"][0]
    number = 100 + len(account["workspaces"])
    document["scopes"].append({"name": name, **scope})
    made = [{"name": name, "platform": "web", "secret": SECRET, **inputs}]
    account["workspaces"].append(
        {"id": number, "name": name, "scope": name, "key": f"ws-{name}", "secret": SECRET, "inputs": made}
    )
    return document
