"""Questions are decided in batches: few round trips, arrival order, and nobody is left without an answer."""

import asyncio
from functools import cached_property
from pathlib import Path

import pytest

from knownas.core.identity.decision import Created, NotFound, Returned
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import Policy
from knownas.service.identity import resolver
from knownas.service.identity.question import Answer, Rules
from knownas.service.identity.resolver import Overloaded
from knownas.service.limits import BATCH_MAX, COMMIT_ATTEMPTS_MAX, WAITING_MAX
from knownas.store.errors import StoreBusy, StoreError, StoreFull, StoreUnavailable
from knownas.store.port import Commit, CommitOutcome, Conflict, Snapshot
from knownas.store.sqlite.store import SqliteStore
from tests.core.pool import rules as policy_of
from tests.service.stage import PRODUCTION, SCOPE, Stage, Watched, mpid_of
from tests.store.world import EVERYTHING
from tests.waiting import moment

LOGIN, SEARCH = Endpoint.LOGIN, Endpoint.SEARCH


class BrokenPolicy(Policy):
    """A policy with a rule that raises: whoever learns something asks which types log in."""

    @cached_property
    def login_types(self) -> frozenset[IdentityType]:
        raise ZeroDivisionError


class Contested(Watched):
    """A store where somebody else is always faster."""

    async def commit(self, _: Snapshot, __: Commit) -> CommitOutcome:
        self.commits += 1
        return Conflict("somebody else was faster")


def broken_rules() -> Rules:
    """Return the stage's rules with one that raises."""
    sound = policy_of()
    broken = BrokenPolicy(sound.strategy, sound.priority, sound.login_ids, sound.unique_ids, sound.immutable_ids)
    return Rules(SCOPE, broken)


async def test_questions_in_flight_are_one_batch() -> None:
    """Twenty first sightings that are in flight together cost two loads at most and one commit."""
    stage = Stage()

    answers = await stage.together(*(stage.ask(LOGIN, customerid=f"c-{number}") for number in range(20)))

    assert len({mpid_of(answer) for answer in answers}) == 20
    assert stage.store.loads <= 2
    assert stage.store.commits == 1
    assert len(await stage.log()) == 20


async def test_returning_users_in_flight_are_one_glance() -> None:
    """Twenty users who come back together cost one glance, no load and no commit."""
    stage = Stage()
    asked = [stage.ask(LOGIN, customerid=f"c-{number}") for number in range(20)]
    made = await stage.together(*asked)
    stage.store.forget_counts()

    back = await stage.together(*asked)

    assert list(map(mpid_of, back)) == list(map(mpid_of, made))
    assert (stage.store.glances, stage.store.loads, stage.store.commits) == (1, 0, 0)


async def test_a_batch_has_a_limit() -> None:
    """One question more than a batch takes is decided in a second batch."""
    stage = Stage()

    answers = await stage.together(*(stage.ask(LOGIN, customerid=f"c-{one}") for one in range(BATCH_MAX + 1)))

    assert len({mpid_of(answer) for answer in answers}) == BATCH_MAX + 1
    assert stage.store.commits == 2


async def test_a_lone_question_does_not_wait() -> None:
    """A lone question is decided at once: no timer has to run out first."""
    stage = Stage()

    future = stage.resolver.submit(stage.ask(customerid="c"))
    for _ in range(10):
        await asyncio.sleep(0)

    assert future.done()


async def test_a_profile_made_in_a_batch_answers_the_next_question() -> None:
    """The second of two equal first sightings in one batch is answered with the profile that the first one made."""
    stage = Stage()

    first, second = await stage.together(stage.ask(ios_idfv="d"), stage.ask(ios_idfv="d", email="e"))

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert isinstance(first.decision.outcome, Created)
    assert isinstance(second.decision.outcome, Returned)
    assert mpid_of(first) == mpid_of(second)
    assert stage.store.commits == 1
    assert [entry.decision_id for entry in await stage.log()] == [first.decision_id, second.decision_id]


async def test_several_changes_of_one_profile_are_one_write() -> None:
    """A profile that a batch changes several times ends up with all the changes, in one commit."""
    stage = Stage()

    answers = await stage.together(
        stage.ask(ios_idfv="d"), stage.ask(ios_idfv="d", email="e"), stage.ask(ios_idfv="d", customerid="c")
    )

    assert len(set(map(mpid_of, answers))) == 1
    assert stage.store.commits == 1
    (record,) = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert {one.value for one in record.lookups()} == {"d", "e", "c"}
    assert record.known


async def test_a_value_taken_away_unsettles_a_later_question() -> None:
    """A user whose ID a modify of the same batch took away is not answered with the profile that lost it."""
    stage = Stage()
    old = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c", email="e")))

    modified, later = await stage.together(
        stage.modify(old, ("customerid", "c", "other")), stage.ask(LOGIN, customerid="c")
    )

    assert mpid_of(modified) == old
    assert isinstance(later, Answer)
    assert isinstance(later.decision.outcome, Created)
    assert mpid_of(later) != old


async def test_an_unsettled_question_is_answered_over_the_new_state() -> None:
    """A user who lost a value to an earlier change of the batch gets it back by naming it: nothing old shows."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c", email="e")))

    _, later = await stage.together(stage.modify(mpid, ("email", "e", None)), stage.ask(customerid="c", email="e"))

    assert mpid_of(later) == mpid
    assert isinstance(later, Answer)
    assert [change.identity.value for change in later.decision.changes] == ["e"]
    assert len(await stage.log()) == 3


async def test_a_question_before_a_change_does_not_see_it() -> None:
    """A question that arrived before a modify of its batch is answered as if there were no modify."""
    stage = Stage()
    old = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))

    earlier, _ = await stage.together(stage.ask(LOGIN, customerid="c"), stage.modify(old, ("customerid", "c", "other")))

    assert mpid_of(earlier) == old


async def test_a_returning_user_costs_no_commit() -> None:
    """A known user who comes back with nothing new costs one glance, no commit, and no line of the log."""
    stage = Stage()
    made = await stage.answer(stage.ask(LOGIN, customerid="c", email="e"))
    log = await stage.log()
    stage.store.forget_counts()

    back = await stage.answer(stage.ask(LOGIN, customerid="c", email="e"))
    await stage.resolver.close()

    assert mpid_of(back) == mpid_of(made)
    assert not back.changed
    assert (stage.store.glances, stage.store.loads, stage.store.commits, stage.store.touches) == (1, 0, 0, [])
    assert await stage.log() == log


@pytest.mark.parametrize("refusal", [StoreFull("no room"), StoreUnavailable("gone")], ids=lambda one: one.code)
async def test_a_failed_commit_keeps_the_answers_that_change_nothing(refusal: StoreError) -> None:
    """While nothing can be written, those who change nothing are answered, and the others are told why not."""
    stage = Stage()
    known = stage.ask(LOGIN, customerid="c")
    mpid = mpid_of(await stage.answer(known))
    stage.store.refusal = refusal

    back, new, found, unknown = await stage.together(
        known, stage.ask(LOGIN, customerid="n"), stage.ask(SEARCH, customerid="c"), stage.ask(SEARCH, customerid="n")
    )

    assert mpid_of(back) == mpid_of(found) == mpid
    assert new is refusal
    assert isinstance(unknown, Answer)
    assert isinstance(unknown.decision.outcome, NotFound)
    assert len(await stage.log()) == 1


async def test_writing_goes_on_after_a_failed_commit() -> None:
    """What failed because the store was full is made when it is asked again and there is room."""
    stage = Stage()
    stage.store.refusal = StoreFull("no room")
    with pytest.raises(StoreFull):
        await stage.answer(stage.ask(customerid="c"))
    stage.store.refusal = None

    again = await stage.answer(stage.ask(customerid="c"))

    assert isinstance(again.decision.outcome, Created)
    assert len(await stage.store.records(PRODUCTION, None, EVERYTHING)) == 1


async def test_the_loser_of_a_race_gets_the_winners_profile(tmp_path: Path) -> None:
    """A server that loses the race for a first sighting decides again and answers with the winner's profile."""
    ours, rival = Stage(SqliteStore(tmp_path / "a.db")), Stage(SqliteStore(tmp_path / "a.db"), seed=2)
    won: list[Answer] = []

    async def be_faster() -> None:
        won.append(await rival.answer(rival.ask(LOGIN, customerid="c", email="rival")))

    ours.store.before_commit = be_faster
    try:
        lost = await ours.answer(ours.ask(LOGIN, customerid="c"))

        assert isinstance(won[0].decision.outcome, Created)
        assert isinstance(lost.decision.outcome, Returned)
        assert mpid_of(lost) == mpid_of(won[0])
        assert len(await ours.store.records(PRODUCTION, None, EVERYTHING)) == 1
    finally:
        for stage in (ours, rival):
            await stage.resolver.close()
            await stage.store.close()


async def test_losing_every_race_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who loses every race is told that the store is busy, after as many attempts as the limit says."""
    monkeypatch.setattr("knownas.service.retrying.RETRY_PAUSE_SECONDS_MAX", 0)
    stage = Stage()
    contested = Contested(stage.store.store)
    stage.resolver._store = contested

    with pytest.raises(StoreBusy):
        await stage.answer(stage.ask(customerid="c"))

    assert contested.commits == COMMIT_ATTEMPTS_MAX


async def test_too_many_waiting_are_sent_away() -> None:
    """One question more than may wait is refused at once; those that wait are answered, and then there is room."""
    stage = Stage()
    known = stage.ask(LOGIN, customerid="c")
    mpid = mpid_of(await stage.answer(known))
    waiting = [stage.resolver.submit(known) for _ in range(WAITING_MAX)]

    with pytest.raises(Overloaded):
        stage.resolver.submit(known)

    assert {mpid_of(answer) for answer in await asyncio.gather(*waiting)} == {mpid}
    assert mpid_of(await stage.answer(known)) == mpid


async def test_a_rule_that_raises_is_told_to_everyone() -> None:
    """A rule that raises is told to every caller of its batch, nothing of it is kept, and the resolver goes on."""
    stage = Stage()
    broken = broken_rules().ask(stage.request(customerid="c"))

    told = await stage.together(stage.ask(customerid="a"), broken, stage.ask(customerid="b"))

    assert [type(one) for one in told] == [ZeroDivisionError] * 3
    assert await stage.log() == []
    assert isinstance((await stage.answer(stage.ask(customerid="a"))).decision.outcome, Created)


async def test_what_the_store_fails_to_load_is_told() -> None:
    """Every caller is told when the store can't be read, and the resolver goes on when it can again."""
    stage = Stage()
    await stage.store.close()

    told = await stage.together(stage.ask(customerid="a"), stage.ask(SEARCH, customerid="b"))
    stage.store.store._closed = False

    assert [type(one) for one in told] == [StoreUnavailable] * 2
    assert isinstance((await stage.answer(stage.ask(customerid="a"))).decision.outcome, Created)


async def test_a_caller_who_left_is_not_decided() -> None:
    """The question of a caller who went away while it waited is not decided, and those around it are."""
    stage = Stage()
    stage.store.open.clear()
    first = asyncio.create_task(stage.resolver.answer(stage.ask(customerid="first")))
    await moment()
    gone = asyncio.create_task(stage.resolver.answer(stage.ask(customerid="gone")))
    last = asyncio.create_task(stage.resolver.answer(stage.ask(customerid="last")))
    await moment()

    gone.cancel()
    stage.store.open.set()
    answered = {mpid_of(await first), mpid_of(await last)}

    records = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert {record.mpid for record in records} == answered
    assert gone.cancelled()


async def test_a_caller_who_leaves_too_late_spoils_nothing() -> None:
    """A caller who goes away while the batch is under way leaves the others of that batch their answers."""
    stage = Stage()
    stage.store.open.clear()
    gone = asyncio.create_task(stage.resolver.answer(stage.ask(customerid="gone")))
    stays = asyncio.create_task(stage.resolver.answer(stage.ask(customerid="stays")))
    await moment()

    gone.cancel()
    stage.store.open.set()

    assert isinstance((await stays).decision.outcome, Created)


async def test_closing_answers_what_waits() -> None:
    """Closing waits until every question in flight is answered and kept."""
    stage = Stage()
    waiting = [stage.resolver.submit(stage.ask(customerid=f"c-{number}")) for number in range(BATCH_MAX + 1)]

    await stage.resolver.close()

    assert all(future.done() for future in waiting)
    assert len({mpid_of(await future) for future in waiting}) == BATCH_MAX + 1
    assert len(await stage.store.records(PRODUCTION, None, EVERYTHING)) == BATCH_MAX + 1


async def test_a_closed_resolver_refuses_questions() -> None:
    """A resolver that is closing or closed refuses further questions as unavailable, and may be closed again."""
    stage = Stage()
    stage.store.open.clear()
    waiting = stage.resolver.submit(stage.ask(customerid="a"))
    closing = asyncio.create_task(stage.resolver.close())
    await moment()

    with pytest.raises(StoreUnavailable):
        stage.resolver.submit(stage.ask(customerid="b"))

    stage.store.open.set()
    await closing
    assert isinstance((await waiting).decision.outcome, Created)
    await stage.resolver.close()
    with pytest.raises(StoreUnavailable):
        await stage.resolver.answer(stage.ask(customerid="b"))


async def test_looking_waits_for_its_turn() -> None:
    """Who only looks is shown the records between two batches, with what these have changed, and costs no commit."""
    stage = Stage()
    question = stage.ask(LOGIN, customerid="c")
    waiting = stage.resolver.submit(question)

    records = await stage.resolver.look(question.wanted())

    assert waiting.done()
    assert [record.mpid for record in records] == [mpid_of(await waiting)]
    assert stage.store.commits == 1


async def test_looking_knows_visits_that_are_not_written_down() -> None:
    """Whoever looks sees when a profile was last active, also where only this server knows."""
    stage = Stage()
    question = stage.ask(LOGIN, customerid="c")
    mpid = mpid_of(await stage.answer(question))
    await stage.answer(stage.ask(LOGIN, customerid="c"))

    records = await stage.resolver.look(question.wanted())

    record = records.record(mpid)
    assert record is not None
    assert records.active_ms(record) == stage.now_ms > record.active_ms


async def test_too_many_who_look_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many wait to look; a further one is told so at once, and those who wait are shown what they want."""
    monkeypatch.setattr(resolver, "LOOKS_WAITING_MAX", 2)
    stage = Stage()
    stage.store.open.clear()
    wanted = stage.ask(customerid="c").wanted()
    under_way = asyncio.create_task(stage.resolver.look(wanted))
    await moment()
    two = [asyncio.create_task(stage.resolver.look(wanted)) for _ in range(2)]
    await moment()

    with pytest.raises(Overloaded):
        await stage.resolver.look(wanted)

    stage.store.open.set()
    assert [len(records) for records in await asyncio.gather(under_way, *two)] == [0, 0, 0]


async def test_what_fails_for_one_who_looks_is_told() -> None:
    """A look that the store fails is told its error, and the next question is answered."""

    class Forgetful(Watched):
        async def load(self, _: object) -> Snapshot:
            raise StoreFull("no room")

    stage = Stage(Forgetful())
    with pytest.raises(StoreFull):
        await stage.resolver.look(stage.ask(customerid="c").wanted())

    await stage.resolver.close()
    with pytest.raises(StoreUnavailable):
        await stage.resolver.look(stage.ask(customerid="c").wanted())


async def test_only_so_many_wait_to_work_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further one is told so at once, and those who wait have their turn."""
    monkeypatch.setattr(resolver, "IN_BETWEEN_WAITING_MAX", 2)
    stage = Stage()
    turn = asyncio.Event()
    works = asyncio.create_task(stage.resolver.between_batches(turn.wait))
    await moment()
    waiting = [asyncio.create_task(stage.resolver.between_batches(turn.wait)) for _ in range(2)]
    await moment()

    with pytest.raises(Overloaded):
        await stage.resolver.between_batches(turn.wait)

    turn.set()
    assert all(await asyncio.gather(works, *waiting))
