"""Publishes policies while servers run, and puts in force what others have published.

A publication names the version that it follows, so that nobody overwrites what they have not seen. It is written down before the version is, and
counts only with it: whatever is killed between the two has published nothing. Other servers take it up within `POLICY_LOOK_SECONDS`; what they
decide until then is decided, and named in receipts, under the version of before.

Which pools there are, and what is quarantined, is decided when a server starts: such rules change with the configuration only.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.config.values import Configuration
from knownas.core.identity.policy import Policy, with_version
from knownas.service.identity.policies import (
    PUBLICATIONS_KEPT_MAX,
    Publication,
    Publications,
    decode_policy,
    digest_of,
    encode_policy,
    publications_from,
    publications_name,
)
from knownas.service.identity.question import Rules
from knownas.service.kept_document import rewrite
from knownas.service.limits import POLICY_LOOK_SECONDS, POLICY_VERSIONS_SHOWN_MAX
from knownas.service.repeating import Repeating
from knownas.service.security.directory import Directory
from knownas.store.audiences import EVERYBODY, AudienceCommit, StoredMark
from knownas.store.errors import StoreError
from knownas.store.port import Store, StoredPolicy

log: Final = logging.getLogger(__name__)

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Published:
    """The rules are in force, under a version."""

    version: int


@dataclass(frozen=True, slots=True)
class NothingNew:
    """These rules are in force already."""

    version: int


@dataclass(frozen=True, slots=True)
class Outdated:
    """Another version than the one that was to be followed is the newest."""

    version: int


@dataclass(frozen=True, slots=True)
class NeedsRestart:
    """Members of the settings are others, which only the configuration can change."""

    members: tuple[str, ...]


Outcome = Published | NothingNew | Outdated | NeedsRestart


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a scope's policy, since when (Unix milliseconds) it is there, and its publication; None if it was configured."""

    policy: Policy
    since_ms: int
    publication: Publication | None


class Publishing:
    """Publishes for the scopes of a configuration. One event loop, one of these. `clock` gives Unix milliseconds."""

    def __init__(
        self, configuration: Configuration, store: Store, directory: Directory, clock: Callable[[], int]
    ) -> None:
        self._configured: Final = {one.name: one.policy for one in configuration.scopes}
        self._store: Final = store
        self._directory: Final = directory
        self._clock: Final = clock
        self._seen: dict[str, bytes] = {}
        self._looking: Final = Repeating(
            self.look, POLICY_LOOK_SECONDS, log, "published policies", "they are looked for again soon"
        )

    def start(self) -> None:
        """Follow what others publish from now on, until it is closed."""
        self._looking.start()

    async def close(self) -> None:
        """Look no more."""
        await self._looking.close()

    async def publish(self, rules: Rules, policy: Policy, after: int, by: str, note: str) -> Outcome:
        """Put a policy in force as the version that follows the version `after`. `by` and `note` say who does it, and why.

        Raises:
            StoreError: the store does not answer; whether it is published shows in the versions.
        """
        newest = (await self._store.policies(rules.scope))[-1]
        if newest.version != after:
            return Outdated(newest.version)
        members = restart_members(rules.policy, policy)
        if members:
            return NeedsRestart(members)
        if decode_policy(newest).rules_equal(policy):
            return NothingNew(newest.version)
        now_ms, document = self._clock(), encode_policy(policy)
        made = Publication(after + 1, by, now_ms, note, digest_of(document))
        await self._write_down(rules.scope, made)
        if not await self._store.add_policy(StoredPolicy(rules.scope, made.version, now_ms, document)):
            return Outdated(made.version)
        before = rules.policy
        rules.policy = with_version(policy, made.version)
        log.warning("scope %s: version %d of the policy is in force, published by %s", rules.scope, made.version, by)
        if before.login_types != policy.login_types:
            await self._judge_anew(rules.scope)
        return Published(made.version)

    async def versions(self, scope: str) -> Sequence[Version]:
        """Return the newest versions of a scope's policy, the newest first.

        Raises:
            StoreError: the store does not answer.
        """
        publications = publications_from(await self._store.kept(publications_name(scope)))
        return [
            Version(decode_policy(one), one.since_ms, None if publications is None else publications.of(one))
            for one in (await self._store.policies(scope))[: -POLICY_VERSIONS_SHOWN_MAX - 1 : -1]
        ]

    async def look(self) -> None:
        """Put in force what somebody else has published.

        Raises:
            StoreError: the store does not answer.
        """
        for scope, rules in self._directory.scopes.items():
            kept = await self._store.kept(publications_name(scope))
            if kept is None or kept == self._seen.get(scope):
                continue
            newest = (await self._store.policies(scope))[-1]
            publications = publications_from(kept)
            is_written = publications is not None and publications.made[-1].version <= newest.version
            if (
                publications is not None
                and newest.version > rules.policy.version
                and publications.of(newest) is not None
            ):
                self._take_up(rules, decode_policy(newest))
            if is_written:
                # Until the version is there, too, this has to be looked at again.
                self._seen[scope] = kept

    def _take_up(self, rules: Rules, policy: Policy) -> None:
        members = restart_members(rules.policy, policy)
        if members:
            log.error(
                "scope %s: version %d of the policy needs a restart: it has other %s",
                *(rules.scope, policy.version, ", ".join(members)),
            )
            return
        rules.policy = policy
        log.warning("scope %s: version %d of the policy is in force, published elsewhere", rules.scope, policy.version)

    async def _write_down(self, scope: str, made: Publication) -> None:
        configured = msgspec.Raw(encode_policy(self._configured[scope]))

        def with_it(kept: bytes | None) -> bytes:
            publications = publications_from(kept)
            earlier = () if publications is None else publications.made
            # Somebody may be publishing the same number: of these, the one counts whose rules become that version.
            return _ENCODER.encode(Publications(configured, (*earlier, made)[-PUBLICATIONS_KEPT_MAX:]))

        await rewrite(self._store, publications_name(scope), with_it)

    async def _judge_anew(self, scope: str) -> None:
        """Have everybody judged by audiences: others are known users now."""
        try:
            watches = await self._store.audiences.watches()
            marks = [
                StoredMark(0, place.workspace.id, "", EVERYBODY, b"")
                for place in self._directory.places
                if place.rules.scope == scope and place.workspace.id in watches
            ]
            if marks:
                await self._store.audiences.commit(AudienceCommit(marks=marks))
        except StoreError:
            log.exception("scope %s: audiences that ask who is known have to be saved again", scope)


def restart_members(now: Policy, then: Policy) -> tuple[str, ...]:
    """Return the members of the settings that differ and can't be changed while a server runs."""
    return tuple(
        f"settings.{name}"
        for name in ("environment_pools", "toxic")
        if getattr(now.settings, name) != getattr(then.settings, name)
    )
