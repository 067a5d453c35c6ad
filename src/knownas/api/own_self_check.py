"""Serves the part of our own API by which the database is checked against its history."""

from typing import Final

from starlette.requests import Request

from knownas.api.own_jobs import ACCEPTED
from knownas.api.own_operation import Operation, Refusal
from knownas.core.identity.document import Document
from knownas.service.jobs import TooManyWait
from knownas.service.limits import JOBS_WAITING_MAX
from knownas.service.server import Service


async def show_self_check(service: Service, _request: Request) -> tuple[int, Document]:
    """Show what the last check of the database against its history found, and how far one is that is under way."""
    return 200, await service.self_check.document()


async def begin_self_check(service: Service, _request: Request) -> tuple[int, Document]:
    """Check the database against its history.

    Folds the whole log again in the background and compares each profile with what is stored. Answers with the check that is
    under way, if there is one.
    """
    try:
        return ACCEPTED, {"id": await service.self_check.ask()}
    except TooManyWait as error:
        sentence = f"{JOBS_WAITING_MAX} jobs wait already; ask again when one of them is done."
        raise Refusal(409, "too_many_jobs_wait", sentence) from error


SELF_CHECK_OPERATIONS: Final = (
    Operation("GET", "/api/self-check", "showSelfCheck", show_self_check),
    Operation("POST", "/api/self-check", "beginSelfCheck", begin_self_check),
)
