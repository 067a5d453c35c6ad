"""Reads the conformance scenarios: each is run through the core alone and over HTTP against a started server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("idsync.yaml")


@dataclass(frozen=True)
class Scenario:
    """One scenario under one of its settings variants."""

    id: str
    settings: Mapping[str, Any]
    given: Mapping[str, Mapping[str, Any]]
    steps: list[Mapping[str, Any]]


def document() -> dict[str, Any]:
    """Return the whole file."""
    return yaml.safe_load(FILE.read_text())


def scenarios() -> Iterator[Scenario]:
    """Yield every scenario of identity resolution, once for each settings variant."""
    for one in document()["scenarios"]:
        variants = one.get("settings_variants") or [one["settings"]]
        for number, settings in enumerate(variants):
            name = one["id"] if len(variants) == 1 else f"{one['id']}-{number + 1}"
            yield Scenario(name, settings, one.get("given", {}), one["steps"])


def values(identities: Mapping[str, Any]) -> dict[str, list[str]]:
    """Spell the values of a record out as sorted lists, the way the runs compare them."""
    return {kind: sorted(value) if isinstance(value, list) else [value] for kind, value in sorted(identities.items())}
