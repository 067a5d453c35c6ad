"""Each set of rules of a scope has a version of its own, and comes back from the store as it went in."""

from collections.abc import Iterable
from dataclasses import fields, replace
from enum import StrEnum
from itertools import permutations
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import (
    PRESETS,
    InvalidPolicy,
    Policy,
    Settings,
    Strategy,
    TieBreak,
    policy,
    with_version,
)
from knownas.core.identity.toxic_limits import LIMIT_MAX, MetLimits, ToxicLimit, ToxicMode, ToxicSettings
from knownas.service.identity.policies import decode_policy, encode_policy, policies_of, policy_in_force
from knownas.store.memory.store import MemoryStore
from knownas.store.port import StoredPolicy
from tests.store.world import START_MS

HINTS = get_type_hints(Settings)
ENUMS = {name: kind for name, kind in HINTS.items() if isinstance(kind, type) and issubclass(kind, StrEnum)}
FLAGS = [name for name, kind in HINTS.items() if kind is bool]


def there_and_back(one: Policy) -> Policy:
    """Write a policy down and read it again."""
    return decode_policy(StoredPolicy("shop", one.version, START_MS, encode_policy(one)))


def single_settings() -> Iterable[Settings]:
    """Yield settings in which one member has one of its values, for each member that has a closed set of them."""
    for name, kind in ENUMS.items():
        yield from (replace(Settings(), **{name: value}) for value in kind)
    for name in FLAGS:
        yield from (replace(Settings(), **{name: value}) for value in (True, False))
    for size in range(len(TieBreak)):
        for first in permutations((TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT), min(size, 2)):
            yield replace(Settings(), tie_break=(*first, TieBreak.SMALLEST_MPID))


def any_toxic_settings() -> st.SearchStrategy[ToxicSettings]:
    """Draw what a policy says about toxic identities."""
    number, kinds = st.none() | st.integers(1, LIMIT_MAX), st.sampled_from(IdentityType)
    met = st.builds(MetLimits, number, number, number)
    limit = st.builds(ToxicLimit, met, met, st.integers(1, 365))
    allowed = st.lists(st.builds(Identity, kinds, st.text(min_size=1, max_size=9)), max_size=3).map(tuple)
    limits = st.dictionaries(kinds, limit, max_size=4)
    return st.builds(ToxicSettings, st.sampled_from(ToxicMode), st.booleans(), limits, allowed)


def any_settings() -> st.SearchStrategy[Settings]:
    """Draw settings of every kind."""
    members: dict[str, st.SearchStrategy[object]] = {name: st.sampled_from(kind) for name, kind in ENUMS.items()}
    members |= dict.fromkeys(FLAGS, st.booleans())
    members["max_values"] = st.dictionaries(st.sampled_from(IdentityType), st.integers(1, 1_000), max_size=5)
    members["max_age_seconds"] = st.integers(0, 31_536_000)
    members["tie_break"] = st.sampled_from([one.tie_break for one in single_settings()])
    members["toxic"] = any_toxic_settings()
    assert members.keys() == {field.name for field in fields(Settings)}
    return st.builds(Settings, **members)


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_comes_back(strategy: Strategy) -> None:
    """The preset of every strategy is read as it was written, under its version."""
    one = policy(strategy, version=7)

    assert there_and_back(one) == one


def test_every_setting_comes_back() -> None:
    """Each value of each setting with a closed set of values is read as it was written, with the same type."""
    for one in single_settings():
        back = there_and_back(policy(Strategy.DEFAULT, settings=one)).settings
        assert back == one
        for name in HINTS:
            assert isinstance(getattr(back, name), type(getattr(one, name)) if name != "max_values" else dict)
        assert [type(rule) for rule in back.tie_break] == [TieBreak] * len(one.tie_break)


@settings(max_examples=60)
@given(any_settings(), st.lists(st.sampled_from(IdentityType), min_size=1, unique=True), st.data())
def test_any_policy_comes_back(some: Settings, priority: list[IdentityType], data: st.DataObject) -> None:
    """Any valid policy is read as it was written, and writes the same bytes again."""
    unique = data.draw(st.sets(st.sampled_from(IdentityType)))
    login = data.draw(st.sets(st.sampled_from(IdentityType)))
    immutable = {kind for kind in unique & login if data.draw(st.booleans())}
    one = policy(
        Strategy.PROFILE_LINK,
        priority=priority,
        login_ids=login,
        unique_ids=unique,
        immutable_ids=immutable,
        settings=some,
    )

    back = there_and_back(one)

    assert back == one
    assert back.ranking == one.ranking
    assert encode_policy(back) == encode_policy(one)


def test_what_decides_nothing_writes_the_same_bytes() -> None:
    """The order in which flags and limits were given does not show in what is written."""
    kinds = (IdentityType.EMAIL, IdentityType.CUSTOMER_ID)
    written = {
        encode_policy(
            policy(
                Strategy.DEFAULT,
                login_ids=order,
                unique_ids=order,
                settings=Settings(max_values=dict.fromkeys(order, 2)),
            )
        )
        for order in (kinds, kinds[::-1])
    }

    assert len(written) == 1


def test_a_setting_that_was_unknown_then_has_its_default() -> None:
    """A policy written before a setting existed is read with that setting's default."""
    document = msgspec.json.decode(encode_policy(policy(Strategy.DEFAULT)))
    del document["settings"]["error_body"]

    read = decode_policy(StoredPolicy("shop", 1, START_MS, msgspec.json.encode(document)))

    assert read == policy(Strategy.DEFAULT)


def test_a_damaged_policy_is_not_read() -> None:
    """A stored policy that contradicts itself is refused rather than followed."""
    document = msgspec.json.decode(encode_policy(policy(Strategy.DEFAULT)))
    document["unique_ids"] = []

    with pytest.raises(InvalidPolicy):
        decode_policy(StoredPolicy("shop", 1, START_MS, msgspec.json.encode(document)))


async def test_the_first_policy_is_version_one() -> None:
    """A scope that the store has not seen gets version 1, whatever number its policy came with, and its time."""
    store = MemoryStore()

    mine = await policy_in_force(store, "shop", policy(Strategy.DEFAULT, version=9), START_MS)

    assert mine == policy(Strategy.DEFAULT)
    (stored,) = await store.policies("shop")
    assert (stored.version, stored.since_ms) == (1, START_MS)


async def test_the_same_rules_keep_their_version() -> None:
    """Starting again with the same rules makes no new version."""
    store = MemoryStore()
    for start in range(3):
        again = await policy_in_force(store, "shop", policy(Strategy.DEFAULT), START_MS + start)
        assert again.version == 1

    assert len(await store.policies("shop")) == 1


async def test_other_rules_are_another_version() -> None:
    """Each change of the rules makes the next version, going back to earlier rules included; old ones stay."""
    store = MemoryStore()
    first, second = policy(Strategy.DEFAULT), policy(Strategy.DEFAULT, settings=Settings(max_age_seconds=1))

    versions = [(await policy_in_force(store, "shop", one, START_MS)).version for one in (first, second, first, first)]

    assert versions == [1, 2, 3, 3]
    expected = {1: first, 2: with_version(second, 2), 3: with_version(first, 3)}
    assert await policies_of(store, "shop") == expected


async def test_scopes_count_their_own_versions() -> None:
    """A change in one scope leaves the versions of another alone."""
    store = MemoryStore()
    await policy_in_force(store, "shop", policy(Strategy.DEFAULT), START_MS)
    await policy_in_force(store, "shop", policy(Strategy.PROFILE_LINK), START_MS)

    other = await policy_in_force(store, "other", policy(Strategy.PROFILE_LINK), START_MS)

    assert other.version == 1
    assert sorted(await policies_of(store, "shop")) == [1, 2]
    assert await policies_of(store, "nowhere") == {}


@pytest.mark.parametrize(("theirs", "version"), [(Strategy.DEFAULT, 1), (Strategy.PROFILE_LINK, 2)])
async def test_two_servers_that_start_together_agree(theirs: Strategy, version: int) -> None:
    """Of two servers that start at once, the slower one shares the version of equal rules, or takes the next."""
    store = Hasty(StoredPolicy("shop", 1, START_MS, encode_policy(policy(theirs))))

    mine = await policy_in_force(store, "shop", policy(Strategy.DEFAULT), START_MS)

    assert mine.version == version
    assert len(await store.policies("shop")) == version


class Hasty(MemoryStore):
    """A store to which another server adds a policy just before we do."""

    def __init__(self, theirs: StoredPolicy) -> None:
        super().__init__()
        self.theirs: StoredPolicy | None = theirs

    async def add_policy(self, policy: StoredPolicy) -> bool:
        theirs, self.theirs = self.theirs, None
        if theirs is not None:
            assert await super().add_policy(theirs)
        return await super().add_policy(policy)


def test_there_is_a_preset_for_every_strategy() -> None:
    """No strategy is without a preset, so that the tests above leave none out."""
    assert PRESETS.keys() == set(Strategy)
