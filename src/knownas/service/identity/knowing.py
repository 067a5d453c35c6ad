"""Says which workspaces of a scope know a profile: whose sections it has, and through whose inputs it was observed.

An identity record belongs to all workspaces of its scope. As long as one of them knows the person, an erasure that another one
asks for leaves it to them (platform §5.1). A workspace for which the person was erased knows them again as soon as they come back.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from knownas.service.identity.log_form import observation_from
from knownas.service.limits import PAGE_MAX
from knownas.service.security.directory import Directory, Place
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store
from knownas.store.privacy import Holding

ERASED_FOR: Final = "erased"
"""Documents with this beginning of their names say since when a profile is erased for a workspace."""


class Knowing(NamedTuple):
    """A workspace that knows a profile: it has a section of it, or has observed it through an input."""

    workspace: int
    has_section: bool
    observed: bool


class ErasedFor(msgspec.Struct, frozen=True):
    """Since when a profile is erased for a workspace, in Unix milliseconds, and by which request."""

    request_id: str
    at_ms: int


def holding_of(directory: Directory, workspace: int, mpid: int) -> Holding:
    """Return what a workspace has of a profile, as a store is asked for it.

    The inputs are those that the workspace has now, under the keys by which they are remembered.
    """
    doors = [one for one in directory.doors if one.workspace.id == workspace]
    keys = {one.lasting_key for one in doors} | {one.input.key for one in doors}
    return Holding(workspace, mpid, sorted(keys), f'"mpid":"{mpid}"'.encode())


def place_of(directory: Directory, workspace: int) -> Place | None:
    """Return a workspace by its id alone."""
    return next((one for one in directory.places if one.workspace.id == workspace), None)


def others_of_scope(directory: Directory, place: Place) -> list[Place]:
    """Return the other workspaces of a workspace's scope."""
    scope, mine = place.rules.scope, place.workspace.id
    return [one for one in directory.places if one.rules.scope == scope and one.workspace.id != mine]


def erased_for_name(workspace: int, mpid: int) -> str:
    """Return the name of the document that says since when a profile is erased for a workspace."""
    return f"{ERASED_FOR}/{workspace}/{mpid}"


async def erased_for(store: Store, workspace: int, mpid: int) -> ErasedFor | None:
    """Say since when a profile is erased for a workspace; None if it is not.

    Raises:
        StoreError: the store does not answer, or what it keeps can't be read (StoreDamaged).
    """
    kept = await store.kept(erased_for_name(workspace, mpid))
    try:
        return None if kept is None else msgspec.json.decode(kept, type=ErasedFor)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not what is kept of an erasure: {error}") from error


async def remember_erased(store: Store, workspace: int, mpid: int, erased: ErasedFor) -> None:
    """Keep since when a profile is erased for a workspace, instead of what was kept of that before.

    Raises:
        StoreError: the store could not do it.
    """
    name, written = erased_for_name(workspace, mpid), msgspec.json.encode(erased)
    before = await store.kept(name)
    if before is None:
        await store.keep(name, written)
    else:
        await store.privacy.replace_or_drop(name, before, written)


async def knowing_among(store: Store, directory: Directory, place: Place, mpid: int) -> list[Knowing]:
    """Return the other workspaces of the scope that know a profile.

    An input's name that several workspaces have tells nothing if one of them is the one that asks.

    Raises:
        StoreError: the store does not answer.
    """
    others = others_of_scope(directory, place)
    if not others:
        return []
    sections = {key.workspace for key in await store.user_data.sections_of(mpid)}
    own = {one.name for one in place.workspace.inputs}
    names = {one.workspace.id: {each.name for each in one.workspace.inputs} - own for one in others}
    seen_ms = await _seen_by(store, mpid, {name for some in names.values() for name in some})
    found: list[Knowing] = []
    for one in others:
        workspace = one.workspace.id
        erased = await erased_for(store, workspace, mpid)
        since_ms = 0 if erased is None else erased.at_ms
        observed = any(seen_ms.get(name, 0) > since_ms for name in names[workspace])
        if observed or workspace in sections:
            found.append(Knowing(workspace, workspace in sections, observed))
    return found


async def _seen_by(store: Store, mpid: int, names: Collection[str]) -> Mapping[str, int]:
    """Return when a profile was last observed through each of some inputs, as far as the log keeps it."""
    last: dict[str, int] = {}
    after = 0
    while names and (page := await store.history(mpid, after, PAGE_MAX)):
        after = page[-1].seq
        for entry in page:
            name = observation_from(entry.observation).input
            if name in names:
                last[name] = max(entry.at_ms, last.get(name, 0))
    return last
