"""Knows which key and secret replaced which, and until when the old pair opens beside the new one.

The configuration names the first pair of an input or workspace. What follows stands in the store: one document a
change, `keys/000001` and up, rewritten only to seal its secret anew. Secrets in it are sealed (`service.security.sealing`), each under its key's name.
A pair is found by following the changes from the configured key, so that a configuration which names a newer pair
of the same chain goes on from there. At most two pairs of a holder are valid at any time.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar, assert_never

import msgspec

from knownas.config.values import Secret
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store

KEY_CHANGES_MAX: Final = 999_999
"""Changes of keys that a store keeps."""

APPEND_ATTEMPTS_MAX: Final = 5
"""Times a change is thought over again because somebody else changed keys at the same moment."""

TAKEN_UP_WITHIN_SECONDS: Final = 5.0
"""How long a running server may take to notice a change of keys, or the end of an old pair."""

POLL_SECONDS: Final = 2.0
"""The pause between two looks at the store for changes of keys."""


KEY_BYTES: Final = 16
SECRET_BYTES: Final = 32
"""Random bytes of a key and of a secret that are made here."""


def fresh_pair() -> tuple[str, Secret]:
    """Draw a key and a secret."""
    return secrets.token_hex(KEY_BYTES), Secret(secrets.token_urlsafe(SECRET_BYTES))


class Holding(StrEnum):
    """Whose a pair of key and secret is."""

    INPUT = "input"
    WORKSPACE = "workspace"


class Rotation(msgspec.Struct, frozen=True, tag="rotation", tag_field="change", forbid_unknown_fields=True):
    """A new pair came in the place of another, which stays valid until a time. `secret` is sealed."""

    holding: Holding
    workspace: int
    replaces: str
    key: str
    secret: str
    at_ms: int
    replaced_until_ms: int


class Revocation(msgspec.Struct, frozen=True, tag="revocation", tag_field="change", forbid_unknown_fields=True):
    """A replaced pair ended before its time."""

    holding: Holding
    workspace: int
    key: str
    at_ms: int


KeyChange = Rotation | Revocation
Change = TypeVar("Change", Rotation, Revocation)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[KeyChange]] = msgspec.json.Decoder(KeyChange)


class KeyChangeRefused(Exception):
    """Keys can't be changed this way; `code` is stable, the message says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with its secret. The newest pair of a holder ends never (`until_ms` None).

    `lasting_key` is the key of the first pair of the chain: the same for all pairs of a holder, for those who
    remember things by the key. Times are Unix milliseconds.
    """

    key: str
    secret: Secret
    lasting_key: str
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Link:
    """A pair of a chain as the changes tell it; the configured one has no rotation that brought it."""

    key: str
    brought: Rotation | None
    until_ms: int | None


class KeyChain:
    """The changes of keys so far, folded. Immutable: later changes make another one."""

    def __init__(self, changes: Sequence[KeyChange] = ()) -> None:
        self.changes = tuple(changes)
        self._next: dict[tuple[Holding, str], Rotation] = {}
        self._before: dict[tuple[Holding, str], Rotation] = {}
        self._revoked: set[tuple[Holding, str]] = set()
        for change in self.changes:
            match change:
                case Rotation():
                    self._next[change.holding, change.replaces] = change
                    self._before[change.holding, change.key] = change
                case Revocation():
                    self._revoked.add((change.holding, change.key))
                case _:
                    assert_never(change)

    def _links(self, holding: Holding, configured: str) -> tuple[_Link, ...]:
        """Return the last two pairs from the configured one on, the older first; at most these are valid."""
        older: _Link | None = None
        newest = _Link(configured, None, None)
        for _ in range(len(self.changes)):
            step = self._next.get((holding, newest.key))
            if step is None:
                break
            ended = (holding, newest.key) in self._revoked
            older = _Link(newest.key, newest.brought, 0 if ended else step.replaced_until_ms)
            newest = _Link(step.key, step, None)
        return (newest,) if older is None else (older, newest)

    def keys(self, holding: Holding, configured: str) -> tuple[str, ...]:
        """Return every key from the configured one to the newest, valid or not."""
        found = [configured]
        for _ in range(len(self.changes)):
            step = self._next.get((holding, found[-1]))
            if step is None:
                break
            found.append(step.key)
        return tuple(found)

    def current(self, holding: Holding, configured: str) -> str:
        """Return the key of the newest pair of the holder whose configured key this is."""
        return self._links(holding, configured)[-1].key

    def replaced(self, holding: Holding, configured: str, now_ms: int) -> tuple[str, int] | None:
        """Return the key of the older pair and when it ends, if it is still valid."""
        links = self._links(holding, configured)
        until_ms = links[0].until_ms
        return None if until_ms is None or until_ms <= now_ms else (links[0].key, until_ms)

    def lasting_key(self, holding: Holding, key: str) -> str:
        """Return the first key of the chain that a key is in."""
        for _ in range(len(self.changes)):
            step = self._before.get((holding, key))
            if step is None:
                break
            key = step.replaces
        return key

    def pairs(
        self,
        holding: Holding,
        configured: str,
        secret: Secret,
        keys: SecretKeys,
        now_ms: int,
        passed_over: Callable[[Unopenable], None] | None = None,
    ) -> tuple[Pair, ...]:
        """Return the pairs that are valid now, one or two, the newest last. `secret` is the configured one.

        A pair whose secret can't be opened is told to `passed_over` and left out.

        Raises:
            Unopenable: the secret of a valid pair can't be opened with these keys, and there is no `passed_over`.
        """
        lasting = self.lasting_key(holding, configured)
        found: list[Pair] = []
        for link in self._links(holding, configured):
            if link.until_ms is not None and link.until_ms <= now_ms:
                continue
            try:
                own = secret if link.brought is None else _opened(link.brought, keys)
            except Unopenable as unopenable:
                if passed_over is None:
                    raise
                passed_over(unopenable)
            else:
                since_ms = None if link.brought is None else link.brought.at_ms
                found.append(Pair(link.key, own, lasting, since_ms, link.until_ms))
        return tuple(found)

    def mentions(self, holding: Holding, key: str) -> bool:
        """Whether a key is or was part of a chain."""
        return (holding, key) in self._next or (holding, key) in self._before

    def ends(self, after_ms: int, until_ms: int) -> bool:
        """Whether a replaced pair ends later than the first time and not later than the second."""
        return any(
            isinstance(change, Rotation) and after_ms < change.replaced_until_ms <= until_ms for change in self.changes
        )


def _sealed_as(holding: Holding, key: str) -> str:
    return f"the secret of the {holding} key {key}"


def _opened(rotation: Rotation, keys: SecretKeys) -> Secret:
    return Secret(keys.open(_sealed_as(rotation.holding, rotation.key), rotation.secret).decode())


async def read_changes(store: Store, known: KeyChain | None = None) -> KeyChain:
    """Return all changes of keys that a store keeps; those already known are not read again.

    Raises:
        StoreError: the store does not answer, or what it keeps is no change of keys.
    """
    changes = [] if known is None else list(known.changes)
    for number in range(len(changes) + 1, KEY_CHANGES_MAX + 1):
        document = await store.kept(_name(number))
        if document is None:
            break
        try:
            changes.append(_DECODER.decode(document))
        except msgspec.DecodeError as error:
            raise StoreDamaged(f"{_name(number)} is no change of keys: {error}") from error
    return known if known is not None and len(changes) == len(known.changes) else KeyChain(changes)


async def reseal_changes(store: Store, keys: SecretKeys) -> int:
    """Seal the secrets of all changes under the first key, those that are not yet; returns how many.

    Raises:
        Unopenable: one can't be opened with the keys at hand; those before it are done.
        StoreError: the store does not answer, or what it keeps is no change of keys.
    """
    done = 0
    for number, change in enumerate((await read_changes(store)).changes, 1):
        if isinstance(change, Rotation) and not keys.is_newest(change.secret):
            name = _sealed_as(change.holding, change.key)
            fresh = msgspec.structs.replace(change, secret=keys.seal(name, keys.open(name, change.secret)))
            # Nobody else rewrites a change but another of these, and then it is done too.
            done += await store.replace_kept(_name(number), _ENCODER.encode(change), _ENCODER.encode(fresh))
    return done


def _name(number: int) -> str:
    return f"keys/{number:06d}"


async def _append(store: Store, decide: Callable[[KeyChain], Change]) -> Change:
    chain: KeyChain | None = None
    for _ in range(APPEND_ATTEMPTS_MAX):
        chain = await read_changes(store, chain)
        change = decide(chain)
        number = len(chain.changes) + 1
        if number > KEY_CHANGES_MAX:
            raise KeyChangeRefused("too_many_changes", f"A store keeps {KEY_CHANGES_MAX} changes of keys.")
        if await store.keep(_name(number), _ENCODER.encode(change)):
            return change
    raise KeyChangeRefused("keys_changed_meanwhile", "Others are changing keys at the same time; try again.")


@dataclass(frozen=True, slots=True)
class Holder:
    """An input or workspace whose keys are to change, with the first pair, which the configuration names."""

    holding: Holding
    workspace: int
    key: str
    secret: Secret


async def rotate(
    store: Store,
    keys: SecretKeys,
    holder: Holder,
    fresh: tuple[str, Secret],
    now_ms: int,
    valid_for_ms: int,
    *,
    now: bool = False,
) -> Rotation:
    """Give a holder a fresh pair, and let the one it has now be valid for a while yet.

    Two pairs are valid at once, never three: while an older one still is, this is refused, unless `now` ends it.

    Raises:
        KeyChangeRefused: an older pair is still valid, or the fresh key is in use.
        Unopenable: there is no secret key, or another one than the server's other secrets were sealed with.
    """
    key, secret = fresh

    def decide(chain: KeyChain) -> Rotation:
        replaced = chain.replaced(holder.holding, holder.key, now_ms)
        if replaced is not None and not now:
            sentence = f"The older key {replaced[0]} is still valid: wait for its end, or use --now, which ends it."
            raise KeyChangeRefused("older_pair_valid", sentence)
        if chain.mentions(holder.holding, key) or key == holder.key:
            raise KeyChangeRefused("key_taken", "The fresh key is in use already.")
        chain.pairs(holder.holding, holder.key, holder.secret, keys, now_ms)  # with the server's own secret key
        return Rotation(
            holder.holding,
            holder.workspace,
            chain.current(holder.holding, holder.key),
            key,
            keys.seal(_sealed_as(holder.holding, key), secret.reveal().encode()),
            now_ms,
            now_ms + valid_for_ms,
        )

    return await _append(store, decide)


async def revoke(store: Store, holder: Holder, key: str, now_ms: int) -> Revocation:
    """End the older pair of a holder now.

    Raises:
        KeyChangeRefused: the key is the newest, without which nothing could be asked, or is not valid anyway.
    """

    def decide(chain: KeyChain) -> Revocation:
        if key == chain.current(holder.holding, holder.key):
            sentence = (
                f"{key} is the newest key of the {holder.holding}. `knownas keys rotate --valid-for 0s` replaces and "
                "ends it at once; to shut its holder out altogether, take it out of the configuration."
            )
            raise KeyChangeRefused("newest_pair", sentence)
        replaced = chain.replaced(holder.holding, holder.key, now_ms)
        if replaced is None or replaced[0] != key:
            raise KeyChangeRefused("not_valid", f"{key} has ended already.")
        return Revocation(holder.holding, holder.workspace, key, now_ms)

    return await _append(store, decide)
