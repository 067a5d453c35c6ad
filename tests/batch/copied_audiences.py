"""Fills a database with something of every kind of what is kept for audiences and outputs, and looks at all of it."""

from typing import Any, NamedTuple

from knownas.store.audiences import EVERYWHERE, Passed, StoredMark
from knownas.store.conformance.audiences import (
    CONNECTION,
    EMAIL_HELD,
    JOINED,
    LEFT,
    commit,
    stands,
    version_of,
)
from knownas.store.conformance.deliveries import DEAD, DROPPED, OUTPUT, SENT, settled, told, write
from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.marks import AUDIENCE
from knownas.store.conformance.user_data_examples import ANN, BOB
from knownas.store.deliveries import Settlement
from knownas.store.groups import PlaceWrite
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

GONE = ANN._replace(mpid=900)
"""Somebody of whom nothing is left by the time of the copy, whose numbers were the last ones given out."""


class Given(NamedTuple):
    """The numbers of what was written last: none of them, nor a smaller one, may be given out again."""

    standing: int
    mark: int
    change: int
    delivery: int


async def fill_audiences(store: Store) -> None:
    """Write documents, judge three people, and let outputs be told in every state there is."""
    for document in (AUDIENCE, CONNECTION, AUDIENCE._replace(number=2, workspace=200)):
        assert await store.audiences.write_document(document, None)
    seen = next(one for one in await store.audiences.documents() if one.kind is CONNECTION.kind)
    assert await store.audiences.write_document(seen._replace(document=b"other"), seen.version)
    await commit(
        store,
        standings=[stands(due_ms=START_MS + 2), stands(BOB, due_ms=START_MS + 1), stands(GONE)],
        changes=[JOINED, JOINED._replace(key=BOB), JOINED._replace(audience=2)],
        held=[EMAIL_HELD, EMAIL_HELD._replace(mpid=BOB.mpid, slot="device", device="stamp", platform="ios")],
        passed=[Passed(5, mpid, reason, "email") for mpid in (BOB.mpid, 3) for reason in ("no_identity", "no_consent")],
        marks=[StoredMark(0, *key, text) for key in (ANN, SectionKey(EVERYWHERE, "", 0)) for text in (b"", b"\0again")],
    )
    await commit(store, changes=[LEFT], passed_by=[(5, 3)])
    for mpid in (BOB.mpid, ANN.mpid):
        await commit(store, places=[PlaceWrite(ANN._replace(mpid=mpid), kind, None, "aa", b"{}") for kind in (3, 4)])
    # Of the dead ones the older waits again: behind all others by its number, and before the newer by when it was written.
    names = {"sent": SENT, "dropped": DROPPED, "older": DEAD, "newer": DEAD}
    for one, state in zip(await write(store, *map(told, names)), names.values(), strict=True):
        await settled(store, state, one)
        if one.delivery_id == "older":
            older = one.seq
    await write(store, told("first", mpid=9), told("second", mpid=9))
    assert await store.deliveries.wait_again([older]) == [older]


async def use_up(store: Store) -> Given:
    """Give out one number of every kind, and let nothing be left of what has it."""
    change, mark = JOINED._replace(key=GONE), StoredMark(0, *GONE, b"")
    await commit(store, standings=[stands(GONE, await version_of(store, GONE))], changes=[change], marks=[mark])
    given = Given(
        await version_of(store, GONE),
        max(one.seq for one in await store.audiences.marks(0, PAGE)),
        (await store.audiences.changes_of(GONE, None, 1))[0].seq,
        (await write(store, told("used up", mpid=GONE.mpid)))[0].seq,
    )
    assert await store.audiences.forget_profile(GONE.workspace, GONE.mpid, PAGE) > 0
    # Before all others, so that it alone is forgotten.
    await store.deliveries.settle([Settlement(given.delivery, SENT, START_MS)])
    assert await store.deliveries.forget_deliveries(START_MS + 1, PAGE) == 1
    return given


async def write_more(store: Store) -> Given:
    """Write something more of every kind, and return its numbers."""
    await commit(
        store,
        standings=[stands(GONE)],
        changes=[JOINED._replace(key=GONE)],
        marks=[StoredMark(0, *GONE, b"")],
        passed=[Passed(5, GONE.mpid, "no_identity", "email")],
    )
    return Given(
        await version_of(store, GONE),
        max(one.seq for one in await store.audiences.marks(0, PAGE)),
        (await store.audiences.changes_of(GONE, None, 1))[0].seq,
        (await write(store, told("more", mpid=GONE.mpid)))[0].seq,
    )


async def seen(store: Store) -> dict[str, Any]:
    """Return all that the store shows of audiences and deliveries, numbers and order included."""
    audiences, deliveries, keys = store.audiences, store.deliveries, (ANN, BOB, GONE)
    rows = await deliveries.deliveries(OUTPUT, None, None, PAGE)
    subjects = await audiences.subjects(keys)
    return {
        "documents": await audiences.documents(),
        "watches": dict(await audiences.watches()),
        "marks": await audiences.marks(0, PAGE),
        "due": await audiences.due(START_MS + 2, PAGE),
        "standings": [subjects[key].standing for key in keys],
        "members": [list(await audiences.members(100, "production", one, None, PAGE)) for one in (1, 2)],
        "changes": [list(await audiences.changes_of(key, None, PAGE)) for key in keys],
        "places": dict(await store.groups.places(keys)),
        "held": list(await audiences.held_of([5], [ANN.mpid, BOB.mpid])),
        "values": list(await audiences.held_values(5, [EMAIL_HELD.value])),
        "passed": list(await audiences.passed_over(5, None, None, PAGE)),
        "outputs": list(await deliveries.waiting_outputs()),
        "waiting": list(await deliveries.waiting(OUTPUT, 0, PAGE)),
        "all": list(rows),
        "later": [await deliveries.later(one) for one in rows],
    }
