"""Reads which workspace, audience, connection or output a page is about."""

from collections.abc import Mapping, Sequence
from typing import Final

from knownas.config.limits import ID_MAX
from knownas.config.values import Workspace
from knownas.console.page import Asked
from knownas.console.refusal import Refusal, not_taken
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.service.audience.catalogue import Catalogue, KnownAudience, KnownConnection, KnownOutput, is_gone

_DIGITS_MAX: Final = len(str(ID_MAX))
Choice = tuple[str, str, Sequence[tuple[str, str]], str]
"""A choice for `parts.picker`: name, label, options, and what is chosen."""


def number_from(text: str) -> int | None:
    """Read an id; None for what can't be one."""
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS_MAX:
        return None
    number = int(text)
    return number if number <= ID_MAX else None


def path_number(asked: Asked) -> int:
    """Return the number of the address; 0 for what can't be one, which is the number of nothing."""
    return number_from(asked.request.path_params["id"]) or 0


def workspace_of(asked: Asked, *, is_form: bool = False) -> Workspace:
    """Return the workspace that is chosen, in the query or in a form; the first of the configuration if none is.

    Raises:
        Refusal: there is no such workspace.
    """
    found = {str(one.id): one for one in asked.service.configuration.workspaces()}
    given = (asked.form if is_form else asked.query).text("workspace")
    chosen = found.get(given) if given else next(iter(found.values()), None)
    if chosen is None:
        raise not_taken("The configuration has no workspace of this id.")
    return chosen


def workspace_name(asked: Asked, workspace: int) -> str:
    """Return what a workspace is called; its id if it is not in the configuration any more."""
    return next((one.name for one in asked.service.configuration.workspaces() if one.id == workspace), str(workspace))


def workspace_choice(asked: Asked, chosen: Workspace) -> Choice:
    """Return the choice among the workspaces."""
    options = [(str(one.id), one.name) for one in asked.service.configuration.workspaces()]
    return ("workspace", "Workspace", options, str(chosen.id))


def environment_choice(asked: Asked) -> Choice:
    """Return the choice between the environments."""
    options = [(one.value, one.value) for one in Environment]
    return ("environment", "Environment", options, asked.environment.value)


def after_mpid(asked: Asked) -> int | None:
    """Return after which profile a page begins.

    Raises:
        Refusal: it is none.
    """
    given = asked.query.text("next")
    mpid = parse_mpid(given) if given else None
    if given and mpid is None:
        raise not_taken("The field next is no address of a page that was shown.")
    return mpid


def before_number(asked: Asked) -> int | None:
    """Return before which number a page begins.

    Raises:
        Refusal: it is none.
    """
    given = asked.query.text("before")
    number = number_from(given) if given else None
    if given and number is None:
        raise not_taken("The field before is no address of a page that was shown.")
    return number


async def audience_of(asked: Asked) -> KnownAudience:
    """Return the audience of the address.

    Raises:
        Refusal: there is none.
        StoreError: the store does not answer.
    """
    known = (await _catalogue(asked)).audiences.get(path_number(asked))
    if known is None or known.document.is_deleted:
        raise Refusal(
            404,
            "unknown_audience",
            "There is no such audience.",
            "It may have been deleted. Begin at the list of audiences.",
        )
    return known


async def connection_of(asked: Asked) -> tuple[KnownConnection, KnownAudience, KnownOutput]:
    """Return the connection of the address, with its audience and its output.

    Raises:
        Refusal: there is none.
        StoreError: the store does not answer.
    """
    catalogue = await _catalogue(asked)
    known = catalogue.connections.get(path_number(asked))
    if known is None or is_gone(catalogue, known):
        raise Refusal(
            404,
            "unknown_connection",
            "There is no such connection.",
            "It may have been taken away. Begin at its audience.",
        )
    return known, catalogue.audiences[known.audience], catalogue.outputs[known.output]


async def output_of(asked: Asked, number: int | None = None) -> KnownOutput:
    """Return the output of the address, or of a number.

    Raises:
        Refusal: there is none.
        StoreError: the store does not answer.
    """
    known = (await _catalogue(asked)).outputs.get(path_number(asked) if number is None else number)
    if known is None or known.document.is_deleted:
        raise Refusal(
            404, "unknown_output", "There is no such output.", "It may have been deleted. Begin at the list of outputs."
        )
    return known


def output_names(catalogue: Catalogue) -> Mapping[int, str]:
    """Return the names of all outputs, of those too that are gone."""
    return {number: one.document.name for number, one in catalogue.outputs.items()}


async def _catalogue(asked: Asked) -> Catalogue:
    return await asked.service.activation.catalogues.refresh()
