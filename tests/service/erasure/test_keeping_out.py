"""Whoever was erased and is to stay out is turned away wherever they come from, counted, and kept nowhere."""

from collections.abc import AsyncIterator

import pytest

from knownas.batch.import_deciding import Source
from knownas.batch.import_mapping import ColumnMapping
from knownas.batch.import_rows import Reading
from knownas.batch.import_working import keeping_out
from knownas.config.values import Account, Configuration, Input, InputPlatform, Organization, Scope, Secret, Workspace
from knownas.core.identity.decision import Created, Decision, Modified, NotFound, Refusal, Refused
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.identity.policy import Capture, Strategy, policy
from knownas.core.privacy.evidence import Step
from knownas.core.profile.event import Channel, EventBatch
from knownas.service.erasure.keeping_out import KeepingOut, suppression_key
from knownas.service.identity.question import Rules
from knownas.service.profile.batch_receipts import Kept, Rejected
from knownas.service.profile.ingest import Arrival
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from knownas.store.privacy import PrivacyCommit
from tests.store.world import START_MS, RepeatingChance

SHOP = Pool("shop", "production")
ANN, BOB = Identity(IdentityType.EMAIL, "ann@example.com"), Identity(IdentityType.EMAIL, "bob@example.com")
PHONE = Identity(IdentityType.IOS_IDFV, "phone")
APP = Input("app", InputPlatform.IOS, None, "app-key", Secret("app-secret"))
WORKSPACE = Workspace(100, "Shop", "shop", "own-key", Secret("own-secret"), (APP,))
RULES = policy(Strategy.PROFILE_CONVERSION)
CONFIGURATION = Configuration(
    scopes=tuple(Scope(name, RULES) for name in ("shop", "bank")),
    organization=Organization(accounts=(Account(10, "Retail", (WORKSPACE,)),)),
)
AT = (START_MS, Environment.PRODUCTION, "app")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that keeps Ann out of the shop."""
    opened = await open_service(CONFIGURATION, MemoryStore(), clock=lambda: START_MS, chance=RepeatingChance(1))
    await shut_out(opened, ANN)
    yield opened
    await opened.close()


async def shut_out(service: Service, *who: Identity) -> None:
    """Keep identities out of the shop, as an erasure does."""
    following = service.keeping_out
    assert following is not None
    kept = following.suppressions(SHOP, who, "request", START_MS)
    assert await service.store.privacy.commit(PrivacyCommit(suppressed=kept))
    await following.changed()


def rules(service: Service, scope: str = "shop") -> Rules:
    found = service.directory.rules(scope)
    assert found is not None
    return found


async def ask(
    service: Service, endpoint: Endpoint, *who: Identity, scope: str = "shop", environment: Environment = AT[1]
) -> Decision:
    request = IdentityRequest(endpoint, START_MS, environment, "app", identities({one.type: one.value for one in who}))
    return (await service.resolver.answer(rules(service, scope).ask(request))).decision


def reason(decision: Decision) -> Refusal | None:
    return decision.outcome.reason if isinstance(decision.outcome, Refused) else None


@pytest.mark.parametrize("endpoint", [Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT])
async def test_a_request_is_refused_whole(service: Service, endpoint: Endpoint) -> None:
    """A request that names somebody who is to stay out makes no profile, also not for its other identities."""
    assert reason(await ask(service, endpoint, ANN, PHONE)) is Refusal.SUPPRESSED
    assert await service.store.records(SHOP, None, 10) == []
    assert isinstance((await ask(service, endpoint, BOB, PHONE)).outcome, Created)


async def test_only_the_scope_and_environment_of_the_erasure_are_shut(service: Service) -> None:
    """The same identity is welcome in another scope, and in another environment."""
    assert isinstance((await ask(service, Endpoint.IDENTIFY, ANN, scope="bank")).outcome, Created)
    there = await ask(service, Endpoint.IDENTIFY, ANN, environment=Environment.DEVELOPMENT)
    assert isinstance(there.outcome, Created)


async def test_a_search_finds_nobody_as_for_anybody_else(service: Service) -> None:
    """A search does not tell that somebody was erased: it finds nobody, and nothing is counted."""
    assert isinstance((await ask(service, Endpoint.SEARCH, ANN)).outcome, NotFound)
    assert rules(service).keep_out.counted == 0


async def test_nobody_gets_the_value_by_a_modify_or_a_seed(service: Service) -> None:
    """A profile can lose a value that is to stay out, but not get it; none is brought over with it."""
    bob = (await ask(service, Endpoint.IDENTIFY, BOB)).answered
    assert bob is not None
    get, lose = IdentityChange(ANN.type, BOB.value, ANN.value), IdentityChange(BOB.type, BOB.value, None)
    answers = [
        (await service.resolver.answer(rules(service).ask(ModifyRequest(*AT, bob, (one,))))).decision
        for one in (get, lose)
    ]
    assert reason(answers[0]) is Refusal.SUPPRESSED
    assert isinstance(answers[1].outcome, Modified)
    seeded = await service.profiles.seed("shop", SeedRequest(*AT, 77, (ANN,)))
    assert seeded is not None
    assert reason(seeded.decision) is Refusal.SUPPRESSED


@pytest.mark.parametrize("named", [None, "bob"])
async def test_a_batch_is_refused_with_its_reason(service: Service, named: str | None) -> None:
    """A late batch is refused, also beside the MPID of somebody else, since it would be kept with what it says."""
    bob = (await ask(service, Endpoint.IDENTIFY, BOB)).answered
    door = service.directory.door("app-key")
    assert door is not None
    mpid = None if named is None else bob
    batches = [
        EventBatch(Environment.PRODUCTION, START_MS, "app", Channel.SERVER, mpid=mpid, identities=(one,))
        for one in (ANN, BOB)
    ]
    refused, kept = [(await service.ingest.submit(Arrival(door, one))).outcome for one in batches]
    assert isinstance(refused, Rejected)
    assert refused.reason == "suppressed"
    assert isinstance(kept, Kept)


async def test_what_was_turned_away_is_counted_and_kept_nowhere(service: Service) -> None:
    """The evidence tells how many were turned away, once; neither a receipt nor the log has what they were called."""
    captured = RULES.settings.capture
    assert captured is Capture.CHANGES
    request = IdentityRequest(Endpoint.IDENTIFY, *AT, (ANN,))
    answer = await service.resolver.answer(rules(service).ask(request))
    await ask(service, Endpoint.LOGIN, ANN)
    assert ANN.value not in repr(answer)
    shown = await service.decisions.show(answer.decision_id)
    assert shown is not None
    assert ANN.value not in repr(shown)
    assert shown["outcome"] == {
        "kind": "refused",
        "reason": "suppressed",
        "message": "It names somebody who was erased and is to stay out; an administrator can let them in again.",
    }
    following = service.keeping_out
    assert following is not None
    for _ in range(2):
        await following.tell()
    told = [bytes(one.document) for one in await service.store.privacy.entries(0, 10)]
    assert len(told) == 1
    assert b'"facts":{"requests":2,"scope":"shop"}' in told[0]
    assert Step.RESURRECTION_REFUSED.value.encode() in told[0]
    assert await service.store.log(SHOP, 0, 10) == []


async def test_an_explanation_says_that_somebody_is_kept_out(service: Service) -> None:
    """Whoever asks what the answer would be is told the refusal, and nothing is counted."""
    request = IdentityRequest(Endpoint.IDENTIFY, *AT, (ANN,))
    shown = await service.decisions.explain(rules(service), request)
    assert "suppressed" in repr(shown["outcome"])
    assert rules(service).keep_out.counted == 0


async def test_another_process_follows(service: Service) -> None:
    """A process that knew nobody keeps out whom another one has erased, and lets in whom that one lets in."""
    beside = rules(service)
    other = Rules("shop", beside.policy)
    key = await suppression_key(service.store, SecretKeys())
    following = KeepingOut(service.store, {"shop": other.keep_out}, key, lambda: START_MS)
    assert not other.keep_out.is_busy
    await following.take_up()
    assert other.ask(IdentityRequest(Endpoint.IDENTIFY, *AT, (ANN,))).is_turned_away
    assert service.keeping_out is not None
    await service.keeping_out.lift(SHOP, [ANN])
    await following.take_up()
    assert not other.ask(IdentityRequest(Endpoint.IDENTIFY, *AT, (ANN,))).is_turned_away
    assert isinstance((await ask(service, Endpoint.IDENTIFY, ANN)).outcome, Created)


async def test_an_import_follows_too(service: Service) -> None:
    """What takes rows of a file turns away whom the server does, if it has the key."""
    reading = Reading(ColumnMapping({}), Environment.PRODUCTION, Channel.FEED, brings_over=False)
    own = Rules("shop", rules(service).policy)
    key = await suppression_key(service.store, SecretKeys())
    source = Source(reading, own, may_create=True, workspace=100, input="crm", begun_ms=START_MS, suppression_key=key)
    following = keeping_out(source, service.store)
    assert following is not None
    await following.take_up()
    assert own.ask(IdentityRequest(Endpoint.IDENTIFY, *AT, (ANN,))).is_turned_away


async def test_the_key_outlives_a_sealing() -> None:
    """A key that lay plain goes on counting when there are secret keys, and after it was sealed only with them."""
    store, keys = MemoryStore(), SecretKeys([b"s" * 32])
    plain = await suppression_key(store, SecretKeys())
    assert await suppression_key(store, keys) == plain
    sealed = MemoryStore()
    made = await suppression_key(sealed, keys)
    assert await suppression_key(sealed, keys) == made
    kept = await sealed.kept("suppression")
    assert kept is not None
    assert made.hex() not in kept.decode()
