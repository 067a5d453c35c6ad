"""Tests that whoever goes over all sections of a workspace, stretch by stretch, passes nobody over."""

from collections.abc import Collection, Mapping
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.audiences import AudienceCommit, StandingWrite
from knownas.store.conformance.examples import EMAIL, START_MS, put, record
from knownas.store.conformance.marks import ELSEWHERE
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import ANN, BOB, DOCUMENT, happened, keep, section
from knownas.store.conformance.verdicts import is_so, same, turns
from knownas.store.port import Store
from knownas.store.traces import Trace, Traces
from knownas.store.user_data import SectionKey, UserDataCommit

ENVIRONMENTS = ("development", "production")
FIRST = 1
TRACED = (
    '{"plan":["gold",1]}',
    '{"plan":["GoLd",1]}',
    '{"gold":["plan",1]}',
    '{"plan":["silver",1],"city":["Gold\\nCoast",2]}',
    '{"plan":["\u00dcgold_%",1]}',
    '{"plan":["go",1],"more":["ld",1]}',
    '{"plan":["\u017filver",1]}',
    "{}",
)
SOUGHT: Final[Mapping[Trace, Collection[str]]] = {
    ("gold",): [*TRACED[:3], TRACED[3], TRACED[4]],
    ('PLAN":[', "gold"): [*TRACED[:2], *TRACED[3:5]],
    ("\u00dcGOLD",): [TRACED[4]],
    ("\u00fcgold",): [],
    ("\u017f",): [TRACED[6]],
    ("go", "ld"): [*TRACED[:3], *TRACED[3:6]],
    ("{}",): [TRACED[7]],
}
"""What is looked for, and in which of these it is."""


async def swept(
    store: Store, workspace: int, length: int, limit: int, traces: Traces | None = None
) -> list[tuple[int, str, bytes]]:
    """Go over all sections of a workspace, or over those with traces."""
    found: list[tuple[int, str, bytes]] = []
    after, share = None, 0.0
    for _ in turns():
        stretch = await store.audiences.stretch(workspace, after, length)
        if not stretch:
            break
        is_so(share <= stretch.share <= 1, "a stretch ends further on")
        share, place = stretch.share, after
        for _ in turns():
            page = await store.audiences.sections_in(workspace, place, stretch.until, limit, traces)
            if not page:
                break
            is_so(1 <= len(page.mpids) <= limit, "a page has what was asked for")
            found += zip(page.mpids, page.environments, page.documents, strict=True)
            place = page.last
        after = stretch.until
    return found


class SweepPromises(Subject):
    """What `store.audiences` says of stretches of sections, and of how many profiles stand."""

    async def test_stretches_pass_nobody_over(self) -> None:
        """Each section of the workspace comes once, however long stretches and pages are; none of another does."""
        async with self.opened() as store:
            keys = [SectionKey(100, name, mpid) for mpid in (MPID_MIN, -1, 7, 8, MPID_MAX) for name in ENVIRONMENTS]
            told = [section(key, f'"{key.mpid} {key.environment}"'.encode()) for key in keys]
            for start in range(0, len(told), 3):
                others = [section(ELSEWHERE)] if start == 0 else []
                await keep(store, UserDataCommit(sections=[*told[start : start + 3], *others]))
            wanted = sorted((one.key.mpid, one.key.environment, one.document) for one in told)
            for length, limit in ((1, 1), (2, 1), (3, 2), (4, 9), (99, 4), (99, 99)):
                found = await swept(store, 100, length, limit)
                same(sorted(found), wanted, f"what comes in stretches of {length} and pages of {limit}")

    async def test_whoever_has_a_trace_is_found(self) -> None:
        """In a section or in an event, in capitals or not, however long stretches and pages are; and in the end hardly anybody else."""
        async with self.opened() as store:
            keys = [ANN._replace(mpid=number) for number in range(1, len(TRACED) + 1)]
            told = [section(key, document.encode()) for key, document in zip(keys, TRACED, strict=True)]
            await keep(store, UserDataCommit(sections=told))
            for sought, wanted in SOUGHT.items():
                traces = Traces([sought, ("nowhere",)], [], 0)
                for length, limit in ((1, 1), (2, 5), (99, 2), (99, 99)):
                    found = [TRACED[mpid - 1] for mpid, _, _ in await swept(store, 100, length, limit, traces)]
                    same(found, [one for one in TRACED if one in wanted], f"where {sought} is, by {limit} of {length}")
            same(await swept(store, 100, 99, 99, Traces([], [], 0)), [], "who is found where nothing is looked for")
            odd = await swept(store, 100, 99, 99, Traces([("gold_%",)], [], 0))
            is_so(TRACED[4] in {one.decode() for _, _, one in odd}, "who has what means something else in a pattern")

    async def test_whoever_has_a_trace_in_an_event_is_found(self) -> None:
        """Of those that did not end before a time; whoever has one in their section is found besides."""
        async with self.opened() as store:
            keys = [ANN._replace(mpid=number) for number in range(1, 6)]
            await keep(
                store, UserDataCommit(sections=[section(key, b'"Gold"' if key.mpid == FIRST else b"0") for key in keys])
            )
            events = [
                happened(key, START_MS, START_MS + last, document)
                for key, last, document in (
                    (keys[1], 5, b'"seen"'),
                    (keys[1], 5, b'"bought"'),
                    (keys[2], 4, b'"bought"'),
                    (keys[3], 9, b'["seen","BOUGHT"]'),
                )
            ]
            await keep(store, UserDataCommit(events=events))
            for since, wanted in ((0, {1, 2, 3, 4}), (5, {1, 2, 4}), (6, {1, 4}), (10, {1})):
                traces = Traces([("gold",)], [("bought",)], START_MS + since)
                found = {mpid for mpid, _, _ in await swept(store, 100, 99, 2, traces)}
                is_so(found >= wanted, f"all are found of {wanted} who have a trace since {since}: {found}")

    async def test_a_place_that_is_not_there_is_the_beginning(self) -> None:
        """Such as one that another kind of store gave."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section(ANN), section(BOB)]))
            first = await store.audiences.stretch(100, None, 1)
            for place in ("", "nowhere", "1:2:3", "7/", "x/production", f"{MPID_MAX}1/production"):
                same(await store.audiences.stretch(100, place, 1), first, f"the stretch after {place!r}")
            is_so(
                await store.audiences.stretch(99, None, 1) is None or not await swept(store, 99, 1, 1), "nobody else's"
            )

    async def test_standings_are_told_of_those_who_are_there(self) -> None:
        """Of somebody without a standing, that there is none."""
        async with self.opened() as store:
            await put(store, *(record(key.mpid, {EMAIL: [str(key.mpid)]}) for key in (ANN, BOB)))
            elsewhere, gone = ANN._replace(environment="development"), ANN._replace(mpid=99)
            writes = [StandingWrite(key, None, DOCUMENT, None) for key in (ANN, elsewhere, gone)]
            is_so(await store.audiences.commit(AudienceCommit(standings=writes)), "the standings are kept")
            found = await store.audiences.standings([ANN, BOB, gone])
            same(set(found), {ANN, BOB}, "who is there")
            same([None if one is None else one.document for one in found.values()], [DOCUMENT, None], "how they stand")

    async def test_events_of_long_ago_can_be_left_out(self) -> None:
        """A batch counts that ended at the time or later; whoever has none is left out, and the newest are the newest of all."""
        async with self.opened() as store:
            times = ((0, 5), (3, 4), (1, 9), (2, 2))
            events = [happened(ANN, START_MS + first, START_MS + last) for first, last in times]
            await keep(store, UserDataCommit(events=[*events, happened(BOB, START_MS)]))
            for since, limit, wanted in (
                (0, 9, [5, 4, 9, 2]),
                (4, 9, [5, 4, 9]),
                (5, 9, [5, 9]),
                (10, 9, []),
                (5, 3, [9]),
                (5, 1, []),
            ):
                found = await store.audiences.newest_events([ANN, BOB], limit, START_MS + since)
                told = [one.last_ms - START_MS for one in found.get(ANN, ())]
                same(told, wanted, f"of the {limit} newest, those that ended at {since} or later")
                same(BOB in found, since == 0, "whether somebody else has any")

    async def test_the_newest_events_are_the_newest_of_each(self) -> None:
        """Whoever else is asked about, and however many there are."""
        async with self.opened() as store:
            several = [ANN._replace(mpid=number) for number in range(1, 6)]
            events = [happened(key, START_MS + at) for at in range(4) for key in several[: at + 2]]
            await keep(store, UserDataCommit(events=events))
            for limit in (1, 2, 99):
                found = await store.audiences.newest_events(several, limit)
                for place, key in enumerate(several):
                    wanted = [START_MS + at for at in range(4) if place < at + 2][-limit:]
                    same([one.first_ms for one in found.get(key, ())], wanted, f"the {limit} newest of {key.mpid}")
