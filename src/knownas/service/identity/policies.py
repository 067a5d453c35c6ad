"""Keeps the versions of each scope's policy: changing a policy makes a new one, and old receipts name the old.

A version comes from the configuration, or somebody publishes it while servers run (`publishing`). One that was published stays in force as long
as the configuration says what it said then; when that changes, the configuration's rules are in force again, as another version.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Settings, Strategy, with_version
from knownas.core.identity.toxic_limits import ToxicSettings
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store, StoredPolicy

log: Final = logging.getLogger(__name__)

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_ATTEMPTS_MAX: Final = 5
PUBLICATIONS_KEPT_MAX: Final = 100
"""Publications of a scope of which is remembered who made them and why, the last ones."""


class Publication(msgspec.Struct, frozen=True):
    """That somebody published a version: who, when (Unix milliseconds), and why. `digest` is that of its rules."""

    version: int
    by: str
    at_ms: int
    note: str
    digest: str


class Publications(msgspec.Struct, frozen=True):
    """The last publications of a scope, the newest last, and the rules that the configuration gave it at that time."""

    configured: msgspec.Raw
    made: tuple[Publication, ...]

    def of(self, stored: StoredPolicy) -> Publication | None:
        """Return the publication of a version, if it is one that was published."""
        digest = digest_of(stored.document)
        return next((one for one in self.made if (one.version, one.digest) == (stored.version, digest)), None)


_PUBLICATIONS: Final = msgspec.json.Decoder(Publications)


def publications_name(scope: str) -> str:
    """Return where the publications of a scope are kept."""
    return f"policy/{scope}"


def publications_from(kept: bytes | None) -> Publications | None:
    """Read the publications of a scope.

    Raises:
        StoreDamaged: what is kept is none.
    """
    if kept is None:
        return None
    try:
        return _PUBLICATIONS.decode(kept)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not the publications of a policy: {error}") from error


def digest_of(document: bytes) -> str:
    """Return what tells a policy's rules from others."""
    return hashlib.sha256(document).hexdigest()


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
    """Return the policy of a scope: what was published, or else what is configured, as a new version if those rules are new to the store.

    `publish` False says under which version it would be, and keeps nothing.

    Raises:
        StoreError: the store does not answer.
    """
    document = encode_policy(configured)
    for _ in range(_ATTEMPTS_MAX):
        publications = publications_from(await store.kept(publications_name(scope)))
        versions = await store.policies(scope)
        if versions and decode_policy(versions[-1]).rules_equal(configured):
            return with_version(configured, versions[-1].version)
        if versions and publications is not None and publications.of(versions[-1]) is not None:
            if bytes(publications.configured) == document:
                log.info("scope %s: version %d of the policy is in force, as published", scope, versions[-1].version)
                return decode_policy(versions[-1])
            log.warning(
                "scope %s: the configuration was changed, and its rules take the place of those published", scope
            )
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
