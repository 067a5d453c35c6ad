"""What holds of a profile is said by all workspaces together."""

from typing import Any

from knownas.core.profile.device import Device
from knownas.core.profile.section import Section
from knownas.core.profile.whole import Whole, whole_of


def device(seen_ms: int, **facts: Any) -> Device:
    return Device(None, None, {}, facts, 1, seen_ms)


def test_nobody_has_seen_it() -> None:
    """Of a profile that no workspace has seen, nothing is known."""
    assert whole_of(()) == Whole(None, opted_out=False, limit_ad_tracking=None)


def test_the_earliest_sight_and_the_newest_statements_count() -> None:
    """First seen is the earliest, opted out what was said last, ad tracking what the device seen last says of it."""
    one = Section(5, 6, opted_out=True, opted_out_ms=2, devices=(device(9), device(7, limit_ad_tracking=True)))
    two = Section(3, 9, opted_out=False, opted_out_ms=1, devices=(device(8, limit_ad_tracking=False),))
    assert whole_of((one, two)) == whole_of((two, one)) == Whole(3, opted_out=True, limit_ad_tracking=False)


def test_of_statements_of_one_time_the_opt_out_counts() -> None:
    """In doubt a user is opted out."""
    sections = [Section(1, 1, opted_out=said, opted_out_ms=1) for said in (False, True)]
    assert whole_of(sections).opted_out
