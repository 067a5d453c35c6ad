"""The worked examples of the strategies, lived through in browsers with the web SDK (idsync §3.7)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import OpenShop, Visit
from tests.browser.shop import Shop
from tests.browser.visitor import Answer, Visitor
from tests.conformance.scenarios import scenarios, values

DEVICE_TYPES = ("ios_idfv", "roku_aid")
STORIES = ("conversion-worked-example-1", "link-worked-example", "isolation-worked-example")


class Story:
    """Plays a scenario: each device of it is a browser, and the stamp that the SDK makes stands for the device's ID."""

    def __init__(self, store: Shop, visit: Visit) -> None:
        self._store = store
        self._visit = visit
        self._browsers: dict[tuple[str, str], Visitor] = {}
        self._mpids: dict[str, str] = {}
        self._current: Visitor | None = None

    def live(self, step: Mapping[str, Any]) -> None:
        """Do one step and check what the SDK was told and what the server keeps."""
        expect = step["expect"]
        if step["call"] == "feed":
            self._meet(expect["mpid"], self._store.feed(**step["identities"])["mpid"])
        elif step["call"] == "modify":
            told = self._change(step)
            assert (told.code, told.mpid, told.logged_in) == (200, self._mpids[step["mpid"]], True)
        else:
            told = self._be(step["call"], step["identities"])
            assert (told.code, told.logged_in) == (200, expect["is_logged_in"])
            self._meet(expect["mpid"], told.mpid)
        if "source" in expect:
            source = self._store.profile(self._mpids[expect["mpid"]])["source_mpid"]
            assert source == self._mpids[expect["source"]]
        kept = {label: values(self._store.profile(mpid)["identities"]) for label, mpid in self._mpids.items()}
        assert kept == {label: values(self._stamped(record)) for label, record in expect["records"].items()}

    def picture(self, folder: Path) -> None:
        """Save what the browsers show, for whoever wants to look."""
        for (device, _), visitor in self._browsers.items():
            visitor.page.screenshot(path=folder / f"{device}.png", full_page=True)

    def _meet(self, label: str, mpid: str | None) -> None:
        """Bind a label to an MPID never seen before, or find it bound to this one."""
        assert mpid is not None
        if label not in self._mpids:
            assert mpid not in self._mpids.values()
            self._mpids[label] = mpid
        assert self._mpids[label] == mpid

    def _be(self, call: str, identities: Mapping[str, str]) -> Answer:
        device = next((kind, value) for kind, value in identities.items() if kind in DEVICE_TYPES)
        if device not in self._browsers:
            assert call == "identify", "an unknown device starts with the SDK's own identify"
            self._current = self._browsers[device] = self._visit()
            return self._current.enter(self._store)
        self._current = self._browsers[device]
        return self._current.ask(
            call, **{kind: value for kind, value in identities.items() if kind not in DEVICE_TYPES}
        )

    def _change(self, step: Mapping[str, Any]) -> Answer:
        assert self._current is not None
        return self._current.ask(
            "modify", **{change["identity_type"]: change["new_value"] for change in step["identity_changes"]}
        )

    def _stamped(self, record: Mapping[str, str]) -> dict[str, Any]:
        """Return a record with the browsers' stamps in the place of the devices' IDs."""
        stamps = [self._browsers[device].stamp for device in record.items() if device in self._browsers]
        others = {kind: value for kind, value in record.items() if kind not in DEVICE_TYPES}
        return {**others, "device_application_stamp": stamps} if stamps else others


@pytest.mark.parametrize("name", STORIES)
def test_worked_example_in_browsers(name: str, open_shop: OpenShop, visit: Visit, tmp_path: Path) -> None:
    """Each row of a strategy's page gives the SDK the users, and the server the records, that are printed there."""
    scenario = next(one for one in scenarios() if one.id == name)
    story = Story(open_shop(scenario.settings), visit)
    for step in scenario.steps:
        story.live(step)
    story.picture(tmp_path)
