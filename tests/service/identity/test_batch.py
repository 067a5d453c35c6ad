"""A batch loads what its questions need and decides each over what those before it have left."""

from knownas.core.identity.decision import Created, DecidedBy, NotFound, Returned
from knownas.core.identity.observation import Endpoint, Environment
from knownas.service.identity.batch import load_batch
from knownas.service.identity.question import Answer
from tests.core.pool import rules as policy_of
from tests.service.stage import DEVELOPMENT, PRODUCTION, Stage, mpid_of
from tests.store.world import EVERYTHING

LOGIN, SEARCH = Endpoint.LOGIN, Endpoint.SEARCH


async def test_settled_questions_cost_one_glance() -> None:
    """A batch of users who come back with nothing new is decided after one round trip."""
    stage = Stage()
    known = stage.ask(LOGIN, customerid="c", email="e")
    await stage.answer(known)
    stage.store.forget_counts()

    batch = await load_batch(stage.store, [known, stage.ask(email="e", customerid="c")], stage.activity)

    assert None not in batch.settled
    assert (stage.store.glances, stage.store.loads) == (1, 0)


async def test_open_questions_cost_a_load() -> None:
    """A batch with a question that a glance leaves open is loaded in two round trips, however many there are."""
    stage = Stage()
    known = stage.ask(LOGIN, customerid="c")
    await stage.answer(known)
    stage.store.forget_counts()
    new = [stage.ask(ios_idfv=f"d-{number}") for number in range(10)]

    batch = await load_batch(stage.store, [known, *new], stage.activity)

    assert [one is None for one in batch.settled] == [False] + [True] * 10
    assert (stage.store.glances, stage.store.loads) == (1, 1)


async def test_deciding_names_each_answer() -> None:
    """Every answer of a batch has a decision id of its own, which begins with the time of its question."""
    stage = Stage()
    questions = [stage.ask(ios_idfv="d"), stage.ask(ios_idfv="d"), stage.ask(SEARCH, customerid="nobody")]

    answers = (await load_batch(stage.store, questions, stage.activity)).decide(stage.chance)

    ids = [answer.decision_id for answer in answers if answer is not None]
    assert len(set(ids)) == 3
    assert [int(one[:12], 16) for one in ids] == [question.observation.at_ms for question in questions]


async def test_deciding_writes_nothing() -> None:
    """Deciding a batch changes nothing in the store; that is the commit's part."""
    stage = Stage()

    batch = await load_batch(stage.store, [stage.ask(customerid="c")], stage.activity)
    batch.decide(stage.chance)

    assert await stage.store.records(PRODUCTION, None, EVERYTHING) == []


async def test_pools_of_a_batch_stay_apart() -> None:
    """Questions of two environments in one batch never see each other's profiles."""
    stage = Stage()

    here, there, again = await stage.together(
        stage.ask(LOGIN, customerid="c"),
        stage.ask(LOGIN, Environment.DEVELOPMENT, customerid="c"),
        stage.ask(LOGIN, customerid="c"),
    )

    assert mpid_of(here) == mpid_of(again) != mpid_of(there)
    assert stage.store.commits == 1
    for pool, mpid in ((PRODUCTION, mpid_of(here)), (DEVELOPMENT, mpid_of(there))):
        assert [record.mpid for record in await stage.store.records(pool, None, EVERYTHING)] == [mpid]


async def test_what_is_only_explained_is_not_seen_by_the_next() -> None:
    """A question that writes nothing leaves nothing behind for the rest of its batch."""
    stage = Stage()
    dry = stage.rules.ask(stage.request(ios_idfv="d"), writes=False)

    first, second = await stage.together(dry, stage.ask(SEARCH, ios_idfv="d"))

    assert isinstance(first, Answer)
    assert isinstance(first.decision.outcome, Created)
    assert isinstance(second, Answer)
    assert isinstance(second.decision.outcome, NotFound)
    assert stage.store.commits == 0


async def test_what_may_not_create_finds_what_the_batch_made() -> None:
    """A question that may make no profile finds nobody, but is answered with one that the batch made before it."""
    stage = Stage()
    careful = stage.rules.ask(stage.request(customerid="c"), may_create=False)

    before, _, after = await stage.together(careful, stage.ask(LOGIN, customerid="c"), careful)

    assert isinstance(before, Answer)
    assert isinstance(before.decision.outcome, NotFound)
    assert isinstance(after, Answer)
    assert isinstance(after.decision.outcome, Returned)


async def test_a_remembered_visit_breaks_a_tie() -> None:
    """A visit that was never written down makes its profile the most recently active one of the next batch."""
    stage, first, second = await _two_on_one_device()
    assert await _winner(stage) == second

    await stage.answer(stage.ask(email="first"))

    assert await _winner(stage) == first


async def test_a_visit_of_the_batch_breaks_a_tie() -> None:
    """A visit makes its profile the most recently active one for the questions behind it in the same batch."""
    stage, first, _ = await _two_on_one_device()

    visit, tied = await stage.together(stage.ask(email="first"), stage.ask(ios_idfv="d"))

    assert mpid_of(visit) == first
    assert isinstance(tied, Answer)
    assert tied.decision.receipt.decided_by is DecidedBy.MOST_RECENT
    assert mpid_of(tied) == first


async def _two_on_one_device() -> tuple[Stage, int, int]:
    """Return a stage with two anonymous profiles that share a device, the second active more recently."""
    stage = Stage(policy=policy_of(priority="customerid email ios_idfv"))
    made = []
    for email in ("first", "second"):
        seeded = await stage.profiles.seed("shop", stage.seed(("email", email), ("ios_idfv", "d")))
        assert seeded is not None
        made.append(mpid_of(seeded))
    return stage, made[0], made[1]


async def _winner(stage: Stage) -> int:
    # A question that writes nothing is no visit.
    answer = await stage.answer(stage.rules.ask(stage.request(ios_idfv="d"), writes=False))
    assert answer.decision.receipt.decided_by is DecidedBy.MOST_RECENT
    return mpid_of(answer)
