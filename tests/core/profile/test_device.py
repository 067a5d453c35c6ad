"""What is known of a user's devices."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.limits import DEVICES_MAX
from knownas.core.profile.device import DEVICE_FACTS_MAX, Device, with_device

IDFV = IdentityType.IOS_IDFV


def device(stamp: str | None, first_ms: int, last_ms: int | None = None, **facts: Any) -> Device:
    return Device(stamp, None, {}, facts, first_ms, first_ms if last_ms is None else last_ms)


def without_stamp(idfv: str, at_ms: int) -> Device:
    return Device(None, "iOS", {IDFV: idfv}, {}, at_ms, at_ms)


@given(st.permutations([(stamp, at_ms) for stamp in "abc" for at_ms in (1, 5, 9)]))
def test_one_entry_a_device_whatever_the_order_of_arrival(order: list[tuple[str, int]]) -> None:
    """A device has one entry, which says when it was seen first and last, however the sightings arrive."""
    devices: tuple[Device, ...] = ()
    for stamp, at_ms in order:
        devices = with_device(devices, device(stamp, at_ms))
    assert {one.stamp: (one.first_seen_ms, one.last_seen_ms) for one in devices} == dict.fromkeys("abc", (1, 9))
    assert len(devices) == 3


def test_the_newer_description_wins_and_the_older_fills_its_gaps() -> None:
    """A fact is the one said last; what only the older description has stays."""
    old, new = device("a", 1, os="16", model="x"), device("a", 2, os="17")
    for order in ((old, new), (new, old)):
        devices: tuple[Device, ...] = ()
        for one in order:
            devices = with_device(devices, one)
        assert [one.facts for one in devices] == [{"os": "17", "model": "x"}]


def test_without_stamps_an_id_in_common_makes_a_device() -> None:
    """Devices without a stamp are told by their ids, and are never one that has a stamp."""
    devices = with_device(with_device((), without_stamp("v", 1)), without_stamp("v", 2))
    assert [one.first_seen_ms for one in devices] == [1]
    assert len(with_device(devices, without_stamp("w", 3))) == 2
    assert len(with_device(devices, Device("s", None, {IDFV: "v"}, {}, 3, 3))) == 2


def test_the_longest_unseen_is_forgotten() -> None:
    """Beyond the limit the devices seen last stay, the last seen first."""
    devices: tuple[Device, ...] = ()
    for number in range(DEVICES_MAX + 5):
        devices = with_device(devices, device(str(number), number))
    assert [one.last_seen_ms for one in devices] == list(range(DEVICES_MAX + 4, 4, -1))


def test_facts_do_not_grow_without_end() -> None:
    """However many facts are said of a device over time, those said last stay, up to the limit."""
    devices: tuple[Device, ...] = ()
    for number in range(10):
        devices = with_device(devices, device("a", number, **{f"{number}-{n}": n for n in range(DEVICE_FACTS_MAX)}))
    assert set(devices[0].facts) == {f"9-{n}" for n in range(DEVICE_FACTS_MAX)}


def test_ad_tracking_is_a_truth_value_or_unknown() -> None:
    """Only true and false say anything about ad tracking."""
    said = [device("a", 1, limit_ad_tracking=value).limit_ad_tracking for value in (True, False, "true", 1, None)]
    assert said == [True, False, None, None, None]
