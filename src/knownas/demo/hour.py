"""Plays an hour of generated traffic against a service, and finds in it what is worth showing."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter

from knownas.core.identity.decision import Created, Modified, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, ModifyRequest, Observation
from knownas.demo.player import Answer as Played
from knownas.demo.player import play
from knownas.demo.traffic import HOUR_MS, Visit, traffic
from knownas.service.identity.question import Answer
from knownas.service.server import Service

AT_ONCE = 64


@dataclass(slots=True)
class Hour:
    """What the hour brought: how many answers of which kind, and some to look at.

    `refused_decision` is one in which a guard kept a known person's profile from being opened; `moved_mpid` a
    profile that took a value from another; `device` an identity to ask about.
    """

    outcomes: Counter[str] = field(default_factory=Counter[str])
    refused_decision: str | None = None
    moved_mpid: int | None = None
    device: Identity | None = None

    def note(self, answer: Answer) -> None:
        """Take an answer into account."""
        decision, observation = answer.decision, answer.question.observation
        self.outcomes[type(decision.outcome).__name__.lower()] += 1
        if isinstance(decision.outcome, Created) and isinstance(observation, IdentityRequest):
            step = next((step for step in decision.receipt.steps if step.rejected), None)
            if step is not None:
                self.refused_decision, self.device = answer.decision_id, step.identity
        if isinstance(decision.outcome, Modified) and any(change.from_mpid for change in decision.changes):
            self.moved_mpid = decision.outcome.mpid


async def _nothing(_visit: Visit, _answer: Answer, _seconds: float) -> None:
    """Do no more than ask."""


async def play_hour(
    service: Service,
    scope: str,
    seed: int,
    people: int,
    then: Callable[[Visit, Answer, float], Awaitable[None]] = _nothing,
) -> Hour:
    """Play an hour that ends now. Observations carry the times of the traffic, not of the playing.

    `then` is awaited with each answer and how long it took, before the device goes on.
    """
    hour = Hour()
    rules = service.directory.scopes[scope]
    keys = {door.input.name: door.lasting_key for door in service.directory.doors if door.rules.scope == scope}

    async def send(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Played:
        began = perf_counter()
        answer = await service.resolver.answer(rules.ask(observation_of(visit, previous_mpid, mpid)))
        service.tallying.decided(scope, visit.environment, keys.get(visit.input, ""), answer.decision, visit.at_ms)
        hour.note(answer)
        await then(visit, answer, perf_counter() - began)
        outcome = answer.decision.outcome
        return Played(outcome.mpid if isinstance(outcome, Returned | Created | Modified) else None)

    await play(traffic(seed, people, service.clock() - HOUR_MS), send, at_once=AT_ONCE)
    return hour


def observation_of(visit: Visit, previous_mpid: int | None, mpid: int | None) -> Observation:
    """Turn a visit into the observation that its request would be."""
    environment = Environment(visit.environment)
    if visit.call == "modify":
        return ModifyRequest(visit.at_ms, environment, visit.input, mpid or 0, visit.changes)
    given = {IdentityType(name): value for name, value in visit.identities.items()}
    return IdentityRequest(
        Endpoint(visit.call), visit.at_ms, environment, visit.input, identities(given), previous_mpid
    )
