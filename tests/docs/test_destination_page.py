"""Promises about the guide to destinations: the one that it shows is whole, and keeps to what the guide says."""

import re
from pathlib import Path
from typing import Any

import pytest

from knownas.core.delivery.outcome import Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.place import Wish, rule_of
from knownas.core.translation.telling import Action
from knownas.service.delivery.destination import Destination
from tests.outputs.messages import NOW_MS, membership, outgoing, surroundings
from tests.outputs.receiving import answering, receiving
from tests.outputs.refusals import REFUSALS, assert_means, each_refusal, short_of_time  # noqa: F401 - a fixture

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-destination.md"
ADDRESS = outgoing(IdentityType.EMAIL, "ada@example.com", Encoding.SHA256, slot="address")


@pytest.fixture(scope="module")
def shown() -> Destination:
    [program] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(program, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    return names["DESTINATION"]


async def test_destination_of_the_page_sends(shown: Destination) -> None:
    """The destination of the guide sends members as it says, and checks without telling of anybody."""
    async with receiving(otherwise=answering(202)) as server:
        settings = {"url": server.url, "api_key": "k3y"}
        assert list(shown.faults(settings)) == []
        sender = shown.open(settings, surroundings(NOW_MS))
        second = membership(ADDRESS, id="m-2", mpid=2, action=Action.REMOVE)
        assert await sender.send([membership(ADDRESS), second]) == Taken()
        assert await sender.check() == Taken()
        await sender.close()
    first, check = server.requests
    change = {"list": "Eager shoppers", "sha256": ADDRESS.value}
    assert first.json == {"changes": [{**change, "op": "add"}, {**change, "op": "remove"}]}
    assert first.headers["x-api-key"] == "k3y"
    assert check.json == {"changes": []}


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_destination_of_the_page_bears_refusals(shown: Destination, how: str) -> None:
    """Whatever the service does, the destination of the guide has an outcome for it."""
    async with receiving(REFUSALS[how]) as server:
        sender = shown.open({"url": server.url, "api_key": "k"}, surroundings())
        assert_means(await sender.send([membership()]), how)
        await sender.close()


def test_place_of_the_page_makes_a_rule(shown: Destination) -> None:
    """Whoever connects the destination of the guide and says nothing sends addresses as SHA-256."""
    [slot] = rule_of(Wish(), shown.places, shown.keeps).slots
    assert (slot.label, slot.required, slot.wanted[0].encoding) == ("address", True, Encoding.SHA256)
