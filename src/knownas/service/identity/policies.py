"""Keeps the versions of each scope's policy: changing a policy makes a new one, and old receipts name the old."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Settings, Strategy, with_version
from knownas.core.identity.toxic_limits import ToxicSettings
from knownas.store.port import Store, StoredPolicy

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_ATTEMPTS_MAX: Final = 5


def encode_policy(policy: Policy) -> bytes:
    """Write a policy's rules down; the version stands beside them."""
    return _ENCODER.encode(policy_document(policy))


def policy_document(policy: Policy) -> Document:
    """Show a policy's rules, by the names that a configuration file gives them."""
    return {
        "strategy": policy.strategy,
        "priority": list(policy.priority),
        "login_ids": sorted(policy.login_ids),
        "unique_ids": sorted(policy.unique_ids),
        "immutable_ids": sorted(policy.immutable_ids),
        "settings": {name: _plain(value) for name, value in _members(policy.settings)},
    }


def _plain(value: object) -> object:
    """Return a setting as it can be written down."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, ToxicSettings):
        return {name: _plain(getattr(value, name)) for name in ToxicSettings.__dataclass_fields__}
    return value


def _members(settings: Settings) -> Iterable[tuple[str, object]]:
    for name in Settings.__dataclass_fields__:
        yield name, getattr(settings, name)


def decode_policy(stored: StoredPolicy) -> Policy:
    """Read a policy that was written down, under its version."""
    document: dict[str, Any] = msgspec.json.decode(stored.document)
    return Policy(
        strategy=Strategy(document["strategy"]),
        priority=tuple(map(IdentityType, document["priority"])),
        login_ids=frozenset(map(IdentityType, document["login_ids"])),
        unique_ids=frozenset(map(IdentityType, document["unique_ids"])),
        immutable_ids=frozenset(map(IdentityType, document["immutable_ids"])),
        settings=msgspec.convert(document["settings"], Settings),
        version=stored.version,
    )


async def policy_in_force(store: Store, scope: str, configured: Policy, now_ms: int, *, publish: bool = True) -> Policy:
    """Return the configured policy under its version, making a new version if the rules are new to the store.

    `publish` False says under which version it would be, and keeps nothing.
    """
    document = encode_policy(configured)
    for _ in range(_ATTEMPTS_MAX):
        versions = await store.policies(scope)
        if versions and decode_policy(versions[-1]).rules_equal(configured):
            return with_version(configured, versions[-1].version)
        version = versions[-1].version + 1 if versions else 1
        if not publish:
            return with_version(configured, version)
        # Another server that starts at the same time may be faster; then its version is read above.
        if await store.add_policy(StoredPolicy(scope, version, now_ms, document)):
            return with_version(configured, version)
    raise AssertionError(f"{_ATTEMPTS_MAX} servers have changed the policy of {scope} at once")


async def policies_of(store: Store, scope: str) -> dict[int, Policy]:
    """Return every version of a scope's policy."""
    return {stored.version: decode_policy(stored) for stored in await store.policies(scope)}
