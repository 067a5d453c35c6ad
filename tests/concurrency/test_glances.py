"""What a batch glanced at is not what its other questions are decided over: another server may have been in between."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from knownas.core.identity.decision import Created, Modified, Returned
from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Question, Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool, Snapshot, Wanted
from tests.store.world import START_MS, fold_differs

CUSTOMER, OTHER = IdentityType.CUSTOMER_ID, IdentityType.OTHER


class InterruptedStore(MemoryStore):
    """A store that lets somebody else work once, between the glance of a batch and its load."""

    interrupt: Callable[[], Awaitable[object]] | None = None

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        if self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            await interrupt()
        return await super().load(wanted)


async def test_a_question_is_decided_over_one_moment() -> None:
    """A new customer gets a unique value that its holder gave up, though a glance of the batch still showed it there."""
    store = InterruptedStore()
    configured = policy(
        Strategy.PROFILE_CONVERSION, priority=[CUSTOMER, OTHER], login_ids=[CUSTOMER], unique_ids=[CUSTOMER, OTHER]
    )
    rules = Rules("shop", await policy_in_force(store, "shop", configured, START_MS))
    ours, rival = (Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory()) for _ in range(2))

    def login(**given: str) -> Question:
        held = identities({IdentityType(kind): value for kind, value in given.items()})
        return rules.ask(IdentityRequest(Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "test", held))

    holder = (await ours.answer(login(customerid="ann", other="card"))).decision.outcome
    assert isinstance(holder, Created)

    async def give_up() -> None:
        change = IdentityChange(OTHER, "card", None)
        request = ModifyRequest(START_MS, Environment.PRODUCTION, "test", holder.mpid, (change,))
        assert isinstance((await rival.answer(rules.ask(request))).decision.outcome, Modified)

    store.interrupt = give_up
    returning, new = await asyncio.gather(
        ours.answer(login(customerid="ann")), ours.answer(login(customerid="bob", other="card"))
    )
    assert returning.decision.outcome == Returned(holder.mpid, known=True)
    assert isinstance(new.decision.outcome, Created)
    assert new.decision.skipped == ()
    await ours.close()
    await rival.close()
    assert await fold_differs(store, Pool("shop", "production")) == []
