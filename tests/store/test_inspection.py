"""What looks into a database from outside finds members whom no change explains: it is what other tests rely on."""

import asyncio
from pathlib import Path

import pytest

from knownas.store.conformance.audiences import JOINED, LEFT, commit
from knownas.store.conformance.user_data_examples import BOB
from knownas.store.copying import LARGEST, Part, Row
from knownas.store.opening import open_copy_end
from tests.store.places import PLACES

ANNS_CHANGES = [JOINED, LEFT, JOINED._replace(at_ms=LEFT.at_ms + 1)]
BOBS = (1, BOB.workspace, BOB.environment, BOB.mpid)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    ("part", "row", "words"),
    [
        (Part.MEMBERS, (*BOBS, LEFT.at_ms), "did not join"),
        (Part.MEMBERSHIP_CHANGES, (LARGEST, BOB.mpid, 100, "production", 1, 1, LEFT.at_ms, b""), "is no member"),
        (Part.MEMBERSHIP_CHANGES, (LARGEST, 7, 100, "production", 1, 0, LEFT.at_ms, b""), "did not join"),
        (Part.MEMBERSHIP_CHANGES, (LARGEST, 7, 100, "production", 1, 1, LEFT.at_ms, b""), "did not join then"),
    ],
    ids=["unexplained", "missing", "left", "since"],
)
def test_members_that_no_change_explains_are_found(kind: str, part: Part, row: Row, words: str, tmp_path: Path) -> None:
    """Who never joined, who joined and is not there, who has left, and who joined at another time; nothing where all is well."""
    with PLACES[kind](tmp_path) as place:

        async def spoil() -> None:
            store, tables = place.open(), open_copy_end(place.url)
            await commit(store, changes=ANNS_CHANGES)
            assert await asyncio.to_thread(place.contradictions) == []
            await tables.put(part, [row])
            await tables.close()
            await store.close()

        asyncio.run(spoil())
        assert any(words in one for one in place.contradictions())
