"""Says how an erasure begins: for each profile that was found what goes, and what is told of it in the evidence."""

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from knownas.core.privacy.evidence import Fact, Step
from knownas.service.erasure.erasing_case import Told
from knownas.service.identity.knowing import others_of_scope
from knownas.service.privacy.subject_counting import counted_of
from knownas.service.privacy.subject_finding import Found
from knownas.service.privacy.subject_request_form import Progress
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Store

KEY_BYTES: Final = 32
"""The random bytes from which an erasure's replacements are drawn."""


class Begun(NamedTuple):
    """How far an erasure is with each profile when it has begun, the profiles that go as a whole, and what is told."""

    each: Sequence[Progress]
    whole: Sequence[int]
    told: Sequence[Told]


async def begun_with(store: Store, directory: Directory, place: Place, found: Sequence[Found]) -> Begun:
    """Begin with those who were found, which can be nobody. Reads only.

    Where several were named, what is told of one has its number among those who were found.

    Raises:
        StoreError: the store does not answer.
    """
    each: list[Progress] = []
    whole: list[int] = []
    told: list[Told] = []
    for one in found:
        progress, facts = await _begun(store, directory, place, one)
        if progress.mpid is not None:
            each.append(progress)
            whole += [progress.mpid] if progress.is_whole else []
        several = {"profile": len(each)} if len(found) > 1 and progress.mpid is not None else {}
        told += [(step, {**some, **several}) for step, some in facts]
    return Begun(each or [Progress(is_sought=True)], whole, told)


async def _begun(store: Store, directory: Directory, place: Place, found: Found) -> tuple[Progress, list[Told]]:
    facts: dict[str, Fact] = {
        "why": found.why.value,
        "profiles": int(found.mpid is not None),
        "identities_unmatched": found.unmatched,
        "out_of_reach": len({one.mpid for one in found.unreached}),
        "other_workspaces": len(found.knowing),
    }
    if found.mpid is None or found.environment is None:
        return Progress(is_sought=True), [(Step.FOUND, facts)]
    is_whole = not found.knowing
    places = [place, *others_of_scope(directory, place)] if is_whole else [place]
    there = (await counted_of(store, directory, places, found.mpid))._asdict()
    progress = Progress(
        is_sought=True,
        mpid=found.mpid,
        environment=found.environment,
        is_whole=is_whole,
        key=secrets.token_hex(KEY_BYTES),
        own=found.named,
        there=there,
    )
    started: dict[str, Fact] = {"identity_record": is_whole, "kept_for_workspaces": len(found.knowing)}
    of_found: dict[str, Fact] = {**facts, **there, "environment": found.environment.value}
    return progress, [(Step.FOUND, of_found), (Step.STARTED, started)]
