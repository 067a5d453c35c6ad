"""Finds who answers for a profile that a correction has made go: an MPID once given out leads somewhere for ever (design §8).

Whoever was told the MPID may come back with it at any time. What is left of such a profile is an empty record, so only those
are looked up, and the log says where they lead: the last correction that names the profile knows.
"""

from collections.abc import Iterable
from dataclasses import replace

from knownas.core.identity.observation import Correction, Erasure, IdentityRequest, ModifyRequest
from knownas.core.identity.record import Record
from knownas.service.identity.log_form import observation_from
from knownas.service.identity.question import Question
from knownas.service.limits import PAGE_MAX
from knownas.store.port import Store, StoredProfile

Gone = dict[int, int | None]
"""Profiles that have gone, each with the one that answers for it; None if nobody does."""


async def gone_among(store: Store, records: Iterable[Record]) -> Gone:
    """Say which profiles have gone, and where they lead.

    Raises:
        StoreError: the store does not answer.
    """
    found: Gone = {}
    for record in records:
        if record.size == 0:
            found.update(await _said_of(store, record.mpid))
    return found


async def named_now(store: Store, mpid: int) -> StoredProfile | None:
    """Return the profile that somebody means who was told an MPID: the one with it, or the one that answers for it now.

    Raises:
        StoreError: the store does not answer.
    """
    stored = await store.profile(mpid)
    if stored is None or stored.record.size:
        return stored
    successor = (await gone_among(store, [stored.record])).get(mpid)
    return stored if successor is None else await store.profile(successor) or stored


async def somebody_named(store: Store, mpid: int) -> StoredProfile | None:
    """Return what `named_now` does, but nobody for a profile that has gone and that nobody answers for.

    Raises:
        StoreError: the store does not answer.
    """
    profile = await named_now(store, mpid)
    if profile is None or profile.record.size:
        return profile
    return None if profile.record.mpid in await gone_among(store, [profile.record]) else profile


async def _said_of(store: Store, mpid: int) -> Gone:
    """Return what the log says of an empty profile: nothing if it has not gone, or has come back. One that is erased never does."""
    found: Gone = {}
    after = 0
    while page := await store.history(mpid, after, PAGE_MAX):
        after = page[-1].seq
        for entry in page:
            observation = observation_from(entry.observation)
            if isinstance(observation, Correction):
                gone = dict(observation.gone)
                found = {mpid: gone[mpid]} if mpid in gone else {}
            elif isinstance(observation, Erasure):
                return {mpid: None}
            elif entry.created_mpid == mpid:
                # Somebody has brought it over from another system meanwhile.
                found = {}
    return found


def meaning(question: Question, gone: Gone) -> Question:
    """Return the question with who answers now in the place of a profile that has gone."""
    observation = question.observation
    match observation:
        case IdentityRequest(previous_mpid=int() as previous) if gone.get(previous) is not None:
            return question._replace(observation=observation._replace(previous_mpid=gone[previous]))
        case ModifyRequest(mpid=mpid):
            successor = gone.get(mpid)
            if successor is not None:
                return question._replace(observation=replace(observation, mpid=successor))
        case _:
            pass
    return question
