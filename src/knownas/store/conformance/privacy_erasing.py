"""Tests erasing: what a workspace has of a profile goes step by step, lines of the log say something else, free space is blank."""

import asyncio
from dataclasses import replace
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    PAGE,
    SHOP,
    START_MS,
    commit_of,
    entry,
    get,
    look_up,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.privacy_examples import ANNS, MENTION, audited
from knownas.store.conformance.privacy_examples import entry as evidence
from knownas.store.conformance.privacy_examples import keep as keep_for_subjects
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    alias,
    happened,
    history,
    keep,
    receipt,
    refuse,
    section,
)
from knownas.store.conformance.verdicts import is_not_so, is_so, same, turns, was_kept
from knownas.store.port import Commit, LogEntry, Store
from knownas.store.privacy import Counts, PrivacyCommit, RedactedLine
from knownas.store.user_data import BatchReceipt, MessageKey, RequestKey, SectionKey, UserDataCommit

BATCHES: Final = 5
TURNS: Final = 20
ELSEWHERE: Final = SectionKey(101, ANN.environment, ANN.mpid)
IN_DEVELOPMENT: Final = ANN._replace(environment="development")
WHOLE: Final = Counts(sections=2, events=BATCHES + 1, messages=BATCHES, aliases=2, receipts=BATCHES)
"""What `begin` writes that is Ann's in her workspace."""


def mentioning(receipt_id: str, at_ms: int, named: RequestKey | None = None, document: bytes = MENTION) -> BatchReceipt:
    """Make the receipt of a batch."""
    return receipt(receipt_id, named, at_ms)._replace(document=b"{" + document + b"}")


async def begin(store: Store) -> UserDataCommit:
    """Keep what Ann's workspace has of her, and beside it all that is not meant; return the latter."""
    at_ms = [happened(ANN, START_MS + number).at_ms for number in range(BATCHES)]
    mine = UserDataCommit(
        sections=[section(ANN), section(IN_DEVELOPMENT)],
        events=[*(happened(ANN, START_MS + number) for number in range(BATCHES)), happened(IN_DEVELOPMENT)],
        receipts=[mentioning(f"mine {n}", at, RequestKey("crm", f"r{n}")) for n, at in enumerate(at_ms)],
        messages={MessageKey("web", ANN.mpid, f"m{number}"): START_MS for number in range(BATCHES)},
        new_aliases=[alias("from", ANN.mpid, 50), alias("to", 50, ANN.mpid, environment="development")],
    )
    others = UserDataCommit(
        sections=[section(BOB), section(ELSEWHERE)],
        events=[happened(BOB), happened(ELSEWHERE)],
        receipts=[
            mentioning("of bob", at_ms[0], document=b'"mpid":"77"'),
            mentioning("another input's", at_ms[0], RequestKey("elsewhere", "r0")),
            mentioning("another time", at_ms[0] + 500),
        ],
        messages={MessageKey("elsewhere", ANN.mpid, "m0"): START_MS, MessageKey("web", BOB.mpid, "m0"): START_MS},
        new_aliases=[alias("other", BOB.mpid, 50), alias("elsewhere", ANN.mpid, 50, workspace=101)],
    )
    await keep(store, mine)
    await keep(store, others)
    return others


async def nothing_of_ann(store: Store) -> None:
    """Check that nothing is found any more of what Ann's workspace had of her."""
    data = store.user_data
    same(set(await data.sections_of(ANN.mpid)), {ELSEWHERE}, "her sections")
    same(sum([len(await history(store, key)) for key in (ANN, IN_DEVELOPMENT)]), 0, "how many events of hers")
    same(len((await data.load([], [], [MessageKey("web", ANN.mpid, "m0")])).messages), 0, "how many messages of hers")
    same(await data.alias("from"), None, "an alias request from her")
    same(await data.alias("to"), None, "one to her")
    same(await data.receipt("mine 0"), None, "a batch's receipt")
    same(list(await data.receipts_named("r1", PAGE)), [], "a batch by its sender's id")


async def is_all_there(store: Store, others: UserDataCommit) -> None:
    """Check that everything that was not meant is still there."""
    data = store.user_data
    for one in others.sections:
        is_so(await data.section(one.key) is not None, f"the section {one.key} is there")
        same(len(await history(store, one.key)), 1, f"the events of {one.key}")
    for one in others.receipts:
        same(await data.receipt(one.receipt_id), one, f"the receipt {one.receipt_id}")
    same(set((await data.load([], [], list(others.messages))).messages), set(others.messages), "messages of others")
    for one in others.new_aliases:
        same(await data.alias(one.request_id), one, f"the alias request {one.request_id}")


class ErasingPromises(Subject):
    """What `count`, `erase`, `redact`, `replace_or_drop` and `scrub` do."""

    async def test_a_holding_is_erased_at_once(self) -> None:
        """All that a workspace has of a profile is counted and goes, in all environments; nothing else does."""
        async with self.rivals() as (one, other):
            others = await begin(one)
            same(await other.privacy.count(ANNS), WHOLE, "what there is")
            same(await other.privacy.erase(ANNS, PAGE), WHOLE, "what goes")
            await nothing_of_ann(one)
            await is_all_there(one, others)
            same(await one.privacy.count(ANNS), Counts(), "what is left")
            same(await one.privacy.erase(ANNS, PAGE), Counts(), "what goes the second time")

    async def test_a_holding_is_erased_in_steps(self) -> None:
        """A step removes at most so much, events with their receipts first and sections last, and together all of it goes."""
        for limit in (1, 4, 9):
            async with self.opened() as store:
                others = await begin(store)
                steps: list[Counts] = []
                for _ in turns():
                    step = await store.privacy.erase(ANNS, limit)
                    if not step.total:
                        break
                    is_so(step.total - step.receipts <= limit, f"a step of at most {limit}: {step}")
                    steps.append(step)
                    left = await store.privacy.count(ANNS)
                    is_so(not (left.events and left.sections < WHOLE.sections), "sections outlast events")
                same(Counts(*map(sum, zip(*steps, strict=True))), WHOLE, "what went in all")
                await nothing_of_ann(store)
                await is_all_there(store, others)
                await self._blank(store)

    async def _blank(self, store: Store) -> None:
        """Remove what is left of a round, so that the next one can write it again."""
        horizon = START_MS * 2
        await store.user_data.forget_older(events_ms=horizon, requests_ms=horizon, sections_ms=horizon, limit=PAGE)
        for workspace in (ANN.workspace, ELSEWHERE.workspace):
            await store.privacy.erase(ANNS._replace(workspace=workspace, mpid=50), PAGE)

    async def test_an_id_of_an_erased_batch_is_free(self) -> None:
        """After an erasure the sender's id of a batch, and the ids of its messages, are nobody's."""
        async with self.opened() as store:
            await begin(store)
            again = UserDataCommit(
                receipts=[mentioning("again", START_MS, RequestKey("crm", "r0"))],
                messages={MessageKey("web", ANN.mpid, "m0"): START_MS},
            )
            await refuse(store, again, "a batch that was kept")
            await store.privacy.erase(ANNS, PAGE)
            await keep(store, again)

    async def test_an_erasure_and_batches_at_once_leave_one_or_the_other(self) -> None:
        """Batches that come while their profile is erased are there or not, whole, and the erasing ends."""
        async with self.rivals() as (one, other):
            await begin(one)

            async def arrive(number: int) -> bool:
                at_ms = START_MS + 10_000 + number
                return await other.user_data.commit(
                    UserDataCommit(
                        events=[happened(ANN, at_ms)],
                        receipts=[mentioning(f"late {number}", happened(ANN, at_ms).at_ms)],
                    )
                )

            async def sweep() -> None:
                for _ in turns():
                    if not (await one.privacy.erase(ANNS, 2)).total:
                        break

            outcomes = await asyncio.gather(sweep(), *(arrive(number) for number in range(BATCHES)))
            same(outcomes[1:], [True] * BATCHES, "batches that were acknowledged")
            left = await other.privacy.count(ANNS)
            same(left.receipts, left.events, "batches that came later, whole")
            await sweep()
            await nothing_of_ann(other)

    async def test_lookups_go_on_while_subjects_are_served(self) -> None:
        """Profiles are looked up and kept while reads are noted, evidence is written and holdings are erased, of one store."""
        async with self.opened() as store:
            others = await begin(store)

            async def look() -> None:
                for number in range(1, TURNS + 1):
                    await put(store, record(1_000 + number, {EMAIL: [f"e{number}"]}))
                    same(await look_up(store, Identity(EMAIL, f"e{number}")), [1_000 + number], "who is looked up")

            async def serve() -> None:
                for number in range(1, TURNS + 1):
                    await store.privacy.audit([audited()])
                    await keep_for_subjects(store, PrivacyCommit(entries=[evidence(number)]))
                    await store.privacy.erase(ANNS, 1)

            await asyncio.gather(look(), serve())
            same(len(await store.privacy.entries(0, PAGE)), TURNS, "how much evidence there is")
            await nothing_of_ann(store)
            await is_all_there(store, others)

    async def test_lines_of_the_log_say_something_else(self) -> None:
        """Redacted lines are told with their new words, under their old and new numbers but not under those dropped."""
        async with self.rivals() as (one, other):
            lines = [
                replace(entry(touched=(7,)), subjects=(-5, -6, -7), observation=b"first"),
                replace(entry(touched=(8,)), subjects=(-5,), observation=b"second"),
                replace(entry(), subjects=(-5,), observation=b"third"),
            ]
            await put(one, record(7, {CUSTOMER: ["ann"]}))
            was_kept(await one.commit(await one.load([wanted()]), Commit({}, lines)))
            kept = [stored for stored in await one.log(SHOP, 0, PAGE) if stored.observation in (b"first", b"second")]
            change = [
                RedactedLine(kept[0].seq, b"first", b"un", b"decided", dropped=[-5, 7, 99], subjects=[-9, -6, 7]),
                RedactedLine(kept[1].seq, b"second", b"deux", b"decided too", dropped=[-5], subjects=[-9, -9]),
            ]
            is_so(await other.privacy.redact(change), "both lines are redacted")
            for store in (one, other):
                for line, stored in zip(change, kept, strict=True):
                    wanted_line = replace(stored, observation=line.observation, decision=line.decision)
                    same(await store.decision(stored.decision_id), wanted_line, "a redacted line")
                same(await seqs(store, -5), [kept[1].seq + 1], "a number that was dropped")
                same(await seqs(store, -6), [kept[0].seq], "one that is named again")
                same(await seqs(store, -7), [kept[0].seq], "one that stayed")
                same(await seqs(store, -9), [kept[0].seq, kept[1].seq], "one that is new")
                same((await seqs(store, 7))[1:], [kept[0].seq], "the profile, which it stays about")
            is_so(await one.privacy.redact([]), "nothing to redact")

    async def test_a_line_is_redacted_as_it_was_read(self) -> None:
        """If one of the lines says something else by now, or is not there, none is changed."""
        async with self.opened() as store:
            lines = [replace(entry(), subjects=(-5,), observation=word) for word in (b"first", b"second")]
            was_kept(await store.commit(await store.load([wanted()]), Commit({}, lines)))
            first, second = await store.log(SHOP, 0, PAGE)
            good = RedactedLine(first.seq, b"first", b"un", b"", dropped=[-5], subjects=[-9])
            for wrong in (
                RedactedLine(second.seq, b"other", b"deux", b""),
                RedactedLine(second.seq + 1_000, b"second", b"deux", b""),
                RedactedLine(0, b"second", b"deux", b""),
            ):
                is_not_so(await store.privacy.redact([good, wrong]), "a redaction of what it was not")
                same(await store.log(SHOP, 0, PAGE), [first, second], "the log")
                same([await seqs(store, -5), await seqs(store, -9)], [[first.seq, second.seq], []], "its index")
            is_so(await store.privacy.redact([good]), "the one that stands")
            is_not_so(await store.privacy.redact([good]), "the same once more")

    async def test_a_kept_document_is_replaced_or_dropped(self) -> None:
        """A document is replaced or removed if it is the one that was read, and stays as it is otherwise."""
        async with self.opened() as store:
            await store.keep("name", b"first")
            is_not_so(await store.privacy.replace_or_drop("name", b"other", b"second"), "a replacement of another")
            is_not_so(await store.privacy.replace_or_drop("name", b"other", None), "a removal of another")
            is_not_so(await store.privacy.replace_or_drop("nobody", b"", None), "a removal of nothing")
            same(await store.kept("name"), b"first", "the document")
            is_so(await store.privacy.replace_or_drop("name", b"first", b"second"), "a replacement")
            same(await store.kept("name"), b"second", "the new document")
            is_so(await store.privacy.replace_or_drop("name", b"second", None), "a removal")
            same(await store.kept("name"), None, "what is left")
            is_so(await store.keep("name", b"third"), "a new one under its name")

    async def test_a_scrubbed_store_goes_on(self) -> None:
        """Scrubbing loses nothing, says that it is done, and lets everybody go on, other servers too."""
        async with self.rivals() as (one, other):
            await put(one, record(1, {CUSTOMER: ["ann"], EMAIL: ["e"]}))
            await put(other, record(2, {CUSTOMER: ["bob"]}))
            others = await begin(other)
            await one.privacy.erase(ANNS, PAGE)
            for value in ("left", "taken"):
                await put(one, record(6, {EMAIL: [value]}))
            before = [await store.load([wanted(Identity(EMAIL, "left"))]) for store in (one, other)]
            scrubbed = await one.privacy.scrub()
            is_so(scrubbed.complete, "it is done")
            is_so(bool(scrubbed.method), "it says how")
            # Whatever becomes of commits that were decided before, the value comes to whoever takes it last.
            for store, snapshot in zip((one, other), before, strict=True):
                await store.commit(snapshot, commit_of(new(record(7, {EMAIL: ["left"]}))))
            await put(one, record(7, {EMAIL: ["left"]}))
            same(await look_up(other, Identity(EMAIL, "left")), [7], "who has a value that nobody held")
            for store, mpid in ((one, 3), (other, 4)):
                same(await look_up(store, Identity(EMAIL, "e")), [1], "who was there")
                await is_all_there(store, others)
                await put(store, record(mpid, {CUSTOMER: [f"new {mpid}"]}))
            same((await get(one, 4)).mpid, 4, "what was kept afterwards")
            snapshot = await other.load([wanted()])
            was_kept(await other.commit(snapshot, commit_of(new(record(5, {EMAIL: ["f"]})))))


async def seqs(store: Store, subject: int) -> list[int]:
    """Return the numbers of the lines in the history of a profile or subject."""
    found: list[LogEntry] = list(await store.history(subject, 0, PAGE))
    return [one.seq for one in found]
