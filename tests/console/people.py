"""Sends requests for people to the application of a stage, without HTTP."""

from collections.abc import Mapping, Sequence

from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.service.identity.question import Answer
from tests.console.stage import Stage


async def answered(stage: Stage, observation: Observation, scope: str = "shop") -> Answer:
    """Ask the server."""
    return await stage.service.resolver.answer(stage.service.directory.scopes[scope].ask(observation))


async def ask(stage: Stage, endpoint: str, previous: int | None = None, **given: str) -> tuple[int, str]:
    """Ask who somebody is; return the MPID and the decision's id."""
    held = identities({IdentityType(name): value for name, value in given.items()})
    request = IdentityRequest(Endpoint(endpoint), stage.clock(), Environment.PRODUCTION, "web", held, previous)
    answer = await answered(stage, request)
    return answer.decision.answered or 0, answer.decision_id


async def change(stage: Stage, mpid: int, *changes: tuple[str, str | None, str | None]) -> str:
    """Modify a profile; return the decision's id."""
    lines = tuple(IdentityChange(IdentityType(kind), old, new) for kind, old, new in changes)
    return (await answered(stage, ModifyRequest(stage.clock(), Environment.PRODUCTION, "crm", mpid, lines))).decision_id


async def seed(stage: Stage, held: Mapping[str, Sequence[str]]) -> int:
    """Bring a profile over; return its MPID."""
    given = tuple(Identity(IdentityType(name), value) for name, values in held.items() for value in values)
    answer = await answered(stage, SeedRequest(stage.clock(), Environment.PRODUCTION, "api", None, given))
    return answer.decision.answered or 0
