"""What a device repeats of attributes with each event counts where it changes, and not again."""

from collections.abc import Mapping

from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.profile.repeating import REPEATING_DEVICES_MAX
from knownas.core.profile.section import Section, fold


def single(at_ms: int, stamp: str | None, told: Mapping[str, AttributeValue]) -> EventBatch:
    """A single event of an older web SDK, with what its device knows of attributes."""
    device = None if stamp is None else Device(stamp, "web", {}, {}, at_ms, at_ms)
    events = (Event("screen_view", at_ms, None, {}),)
    return EventBatch(
        Environment.PRODUCTION, at_ms, "web", Channel.JAVASCRIPT, device=device, events=events, repeated=told
    )


def server(at_ms: int, attributes: Mapping[str, AttributeValue | None]) -> EventBatch:
    """What a server says of attributes."""
    return EventBatch(Environment.PRODUCTION, at_ms, "app", Channel.SERVER, attributes=attributes)


def after(*batches: EventBatch) -> Section:
    """What is known after batches."""
    section = None
    for one in batches:
        section = fold(section, one).section
    assert section is not None
    return section


def test_what_a_device_tells_first_counts() -> None:
    """The first event of a device sets every attribute that it knows."""
    section = after(single(1, "d", {"tier": "gold", "likes": ("a", "b")}))
    assert section.attributes == {"tier": Attribute("gold", 1), "likes": Attribute(("a", "b"), 1)}


def test_a_repeat_does_not_undo_what_others_said_since() -> None:
    """A device that goes on repeating an old value changes nothing; one that has a new value does."""
    known = after(single(1, "d", {"tier": "silver"}), server(2, {"tier": "gold"}), single(3, "d", {"tier": "silver"}))
    assert known.attributes == {"tier": Attribute("gold", 2)}
    assert fold(known, single(4, "d", {"tier": "bronze"})).section.attributes == {"tier": Attribute("bronze", 4)}


def test_what_a_device_no_longer_tells_is_deleted() -> None:
    """An attribute that was removed on the page is missing from then on, and is deleted here."""
    assert after(single(1, "d", {"a": 1, "b": 2}), single(2, "d", {"b": 2})).attributes == {
        "a": Attribute(None, 2),
        "b": Attribute(2, 1),
    }


def test_a_repeat_that_was_overtaken_changes_nothing() -> None:
    """Events travel by themselves: one that comes later but was made earlier says nothing new."""
    assert after(single(2, "d", {"a": 2}), single(1, "d", {"a": 1})).attributes == {"a": Attribute(2, 2)}


def test_each_device_repeats_for_itself() -> None:
    """What one device lacks, another one may have told; devices without a stamp count as one."""
    section = after(single(1, "d", {"a": 1}), single(2, "e", {"b": 2}), single(3, None, {"c": 3}), single(4, None, {}))
    assert {name: one.value for name, one in section.attributes.items()} == {"a": 1, "b": 2, "c": None}


def test_only_so_many_devices_are_remembered() -> None:
    """Beyond the limit, what the longest silent device told last is forgotten, and would count again."""
    devices = [single(at_ms, f"d{at_ms}", {"a": at_ms}) for at_ms in range(1, REPEATING_DEVICES_MAX + 2)]
    section = after(*devices)
    assert "d1" not in section.repeats
    assert len(section.repeats) == REPEATING_DEVICES_MAX
