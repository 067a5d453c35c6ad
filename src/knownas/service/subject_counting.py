"""Counts what there is of a person: in a workspace, store by store, and in the log (platform §5.6)."""

from collections.abc import Mapping
from typing import NamedTuple

from knownas.service.directory import Directory, Place
from knownas.service.limits import LINES_COUNTED_MAX, PAGE_MAX
from knownas.service.log_form import observation_from
from knownas.store.port import Store
from knownas.store.privacy import Holding


def holding_of(directory: Directory, place: Place, mpid: int) -> Holding:
    """Return what a workspace has of a profile, as a store is asked for it.

    The inputs are those that the workspace has now, under the keys by which they are remembered.
    """
    workspace = place.workspace
    lasting = {one.lasting_key for one in directory.doors if one.workspace.id == workspace.id}
    keys = sorted(lasting | {one.key for one in workspace.inputs})
    return Holding(workspace.id, mpid, keys, f'"mpid":"{mpid}"'.encode())


def place_of(directory: Directory, workspace: int) -> Place | None:
    """Return a workspace by its id alone."""
    return next((one for one in directory.places if one.workspace.id == workspace), None)


class Lines(NamedTuple):
    """How many lines of the log are about a profile, and through which inputs they came, by the inputs' names.

    `is_all` False: there are more lines than are counted.
    """

    total: int
    inputs: Mapping[str, int]
    is_all: bool


async def lines_about(store: Store, mpid: int) -> Lines:
    """Count the lines of the log that changed a profile or were answered with it.

    Raises:
        StoreError: the store does not answer.
    """
    counted, after, inputs = 0, 0, dict[str, int]()
    while page := await store.history(mpid, after, PAGE_MAX):
        after = page[-1].seq
        counted += len(page)
        for one in page:
            name = observation_from(one.observation).input
            inputs[name] = inputs.get(name, 0) + 1
        if counted >= LINES_COUNTED_MAX:
            return Lines(counted, inputs, is_all=False)
    return Lines(counted, inputs, is_all=True)
