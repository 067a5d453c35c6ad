"""What a valid policy is: the presets of the strategies, and every fault at once (idsync §2, §3.1, §8)."""

from collections.abc import Mapping
from typing import Any

import pytest

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import (
    DEFAULT_PRIORITY,
    InvalidPolicy,
    Settings,
    Strategy,
    TieBreak,
    policy,
    unreachable_flags,
    with_version,
)

T = IdentityType
CUSTOMER, BOTH = {T.CUSTOMER_ID}, {T.CUSTOMER_ID, T.EMAIL}


@pytest.mark.parametrize(
    ("strategy", "login", "unique", "immutable"),
    [
        (Strategy.DEFAULT, CUSTOMER, CUSTOMER, CUSTOMER),
        (Strategy.PROFILE_CONVERSION, CUSTOMER, CUSTOMER, set()),
        (Strategy.PROFILE_LINK, BOTH, BOTH, set()),
        (Strategy.PROFILE_ISOLATION, BOTH, BOTH, set()),
        (Strategy.BEST_MATCH, set(), set(), set()),
    ],
)
def test_each_strategy_has_its_preset(
    strategy: Strategy, login: set[IdentityType], unique: set[IdentityType], immutable: set[IdentityType]
) -> None:
    """A scope that names only a strategy gets the lists of idsync §3.1 and the documented priority."""
    preset = policy(strategy)
    assert (preset.login_ids, preset.unique_ids, preset.immutable_ids) == (login, unique, immutable)
    assert preset.priority == DEFAULT_PRIORITY
    assert preset.settings == Settings()
    assert preset.version == 1


def test_a_list_that_is_given_replaces_the_preset() -> None:
    """Giving login and unique IDs drops a preset's immutable IDs that could no longer be immutable."""
    given = policy(Strategy.DEFAULT, login_ids=[T.EMAIL], unique_ids=[T.EMAIL])
    assert (given.login_ids, given.immutable_ids) == ({T.EMAIL}, frozenset())
    assert policy(Strategy.DEFAULT, login_ids=[T.CUSTOMER_ID, T.EMAIL]).immutable_ids == CUSTOMER


def test_the_stamp_is_the_last_resort_unless_configured_otherwise() -> None:
    """The device application stamp stands at the end of a priority that leaves it out (idsync §2.1)."""
    das = T.DEVICE_APPLICATION_STAMP
    assert policy(Strategy.DEFAULT, priority=[T.EMAIL]).ranking == (T.EMAIL, das)
    assert policy(Strategy.DEFAULT, priority=[das, T.EMAIL]).ranking == (das, T.EMAIL)
    without = policy(Strategy.DEFAULT, priority=[T.EMAIL], settings=Settings(implicit_das=False))
    assert without.ranking == (T.EMAIL,)


FAULTS: list[tuple[Mapping[str, Any], str]] = [
    ({"version": 0}, "version"),
    ({"priority": [T.EMAIL, T.OTHER, T.EMAIL]}, "priority"),
    ({"priority": [], "settings": Settings(implicit_das=False)}, "priority"),
    ({"login_ids": [], "immutable_ids": [T.CUSTOMER_ID]}, "immutable_ids"),
    ({"unique_ids": [], "immutable_ids": [T.CUSTOMER_ID]}, "immutable_ids"),
    ({"settings": Settings(max_age_seconds=-1)}, "settings.max_age_seconds"),
    ({"settings": Settings(max_age_seconds=31_536_001)}, "settings.max_age_seconds"),
    ({"settings": Settings(max_values={T.EMAIL: 0})}, "settings.max_values.email"),
    ({"settings": Settings(max_values={T.EMAIL: 1_001})}, "settings.max_values.email"),
    ({"settings": Settings(tie_break=())}, "settings.tie_break"),
    ({"settings": Settings(tie_break=(TieBreak.MOST_RECENT,))}, "settings.tie_break"),
    ({"settings": Settings(tie_break=(TieBreak.SMALLEST_MPID,) * 2)}, "settings.tie_break"),
]


@pytest.mark.parametrize(("given", "member"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_policy_that_contradicts_itself_is_refused(given: Mapping[str, Any], member: str) -> None:
    """Each fault names the member it concerns."""
    with pytest.raises(InvalidPolicy) as refused:
        policy(Strategy.PROFILE_CONVERSION, **given)
    assert [fault.member for fault in refused.value.faults] == [member]


def test_all_faults_are_told_at_once() -> None:
    """Whoever mends a configuration hears of every fault the first time."""
    with pytest.raises(InvalidPolicy) as refused:
        policy(
            Strategy.BEST_MATCH,
            priority=[T.EMAIL, T.EMAIL],
            login_ids=[T.EMAIL],
            unique_ids=[T.EMAIL],
            immutable_ids=[T.OTHER],
            settings=Settings(max_age_seconds=-1),
            version=0,
        )
    members = [fault.member for fault in refused.value.faults]
    assert members.count("immutable_ids") == 3
    assert set(members) == {
        "version",
        "priority",
        "login_ids",
        "unique_ids",
        "immutable_ids",
        "settings.max_age_seconds",
    }
    assert all(fault.sentence in str(refused.value) for fault in refused.value.faults)


@pytest.mark.parametrize("member", ["login_ids", "unique_ids"])
def test_best_match_has_no_flags(member: str) -> None:
    """Best match accumulates everything on the best match; a flag for it is refused (idsync §8)."""
    with pytest.raises(InvalidPolicy, match=member):
        policy(Strategy.BEST_MATCH, **{member: [T.EMAIL]})


def test_versions_that_decide_alike_are_equal_in_their_rules() -> None:
    """Two versions with the same rules compare as such; a changed setting makes them differ."""
    first = policy(Strategy.PROFILE_LINK)
    assert with_version(first, 7).version == 7
    assert first.rules_equal(with_version(first, 7))
    assert not first.rules_equal(policy(Strategy.PROFILE_LINK, settings=Settings(implicit_das=False), version=7))
    with pytest.raises(InvalidPolicy):
        with_version(first, 0)


def test_flags_outside_the_priority_are_pointed_out() -> None:
    """A flagged type that no lookup uses is legal and reported, since it is probably a slip."""
    slip = policy(Strategy.PROFILE_CONVERSION, priority=[T.EMAIL], login_ids=[T.CUSTOMER_ID], unique_ids=[T.EMAIL])
    assert unreachable_flags(slip) == {"login_ids": {T.CUSTOMER_ID}}
    assert unreachable_flags(policy(Strategy.DEFAULT)) == {}


def test_a_policy_cannot_be_changed() -> None:
    """A policy is a value: whoever wants other rules makes another one."""
    fixed: Any = policy(Strategy.DEFAULT)
    with pytest.raises(AttributeError):
        fixed.version = 2
