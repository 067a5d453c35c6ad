"""Serves the results of access requests: a zip file for as long as the link is good (platform §5.3, §5.6).

It is gathered before it is sent, since its signature stands before it; nothing of it is kept afterwards.
"""

from functools import partial
from typing import Final

from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.opendsr import VERSIONS
from knownas.api.opendsr_answers import FILE, SignedSurface, SpooledFile
from knownas.api.opendsr_wire import UUID4
from knownas.api.routes import Route, Routes
from knownas.api.telemetry import Telemetry
from knownas.api.unavailable import unavailable
from knownas.core.privacy.request import DAY_MS
from knownas.service.access.archive import FetchedTooOften
from knownas.service.limits import RESULTS_FETCHES_MAX
from knownas.service.privacy.assembly import Privacy
from knownas.service.privacy.subject_request_form import KeptRequest
from knownas.service.privacy.subject_status import RESULTS_DAYS, are_results_old, has_results
from knownas.service.security.directory import Directory
from knownas.service.server import Clock
from knownas.store.errors import StoreError

ROUTES: Final = Routes(
    *(Route(f"/{one}/requests/{{request_id}}/results", ("GET",), partial(str)) for one in VERSIONS),
)

_ZIP: Final[Header] = (b"content-type", b"application/zip")
_WORKSPACE: Final[Header] = (b"x-mp-rate-limit-exceeded", b"workspace")
_NOTHING: Final = "There is nothing to fetch for this request."


class Results(SignedSurface[str]):
    """The results of the requests of a service."""

    name = "opendsr"
    changes = False

    def __init__(self, privacy: Privacy, directory: Directory, clock: Clock, telemetry: Telemetry) -> None:
        super().__init__(privacy.signing, directory, telemetry)
        self._privacy = privacy
        self._clock = clock

    async def answer(self, target: str, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Leave the file for the answer; the body that is returned stands for it."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        await read_body(receive, given)
        place = self._place(scope["headers"], given)
        self._admit(place, headers)
        if UUID4.fullmatch(target) is None:
            raise RequestRefused(404, "unknown_request", "The workspace has no request with this id.")
        try:
            await self._privacy.signing.processor()
            kept = await self._privacy.requests.find(place, target)
            scope[FILE] = await self._gathered(kept)
        except StoreError as error:
            raise unavailable(error, "The store could not tell what there is.") from error
        name = f'attachment; filename="{target}.zip"'.encode()
        headers += [_ZIP, (b"content-disposition", name)]
        return 200, b""

    async def _gathered(self, kept: KeptRequest | None) -> SpooledFile:
        if kept is None:
            raise RequestRefused(404, "unknown_request", "The workspace has no request with this id.")
        if not has_results(kept.request):
            raise RequestRefused(404, "no_results", _NOTHING)
        if are_results_old(kept.request, self._clock()):
            sentence = f"The link was good for {RESULTS_DAYS} days. Ask for access again."
            raise RequestRefused(410, "results_expired", sentence)
        try:
            parts = await self._privacy.results.open(kept)
        except FetchedTooOften:
            sentence = f"Results can be fetched {RESULTS_FETCHES_MAX} times. Send a new request."
            left_ms = (kept.request.ended_ms or 0) + RESULTS_DAYS * DAY_MS - self._clock()
            # There is no more before the link is too old.
            wait = (b"retry-after", b"%d" % max(1, left_ms // 1000))
            raise RequestRefused(429, "fetched_too_often", sentence, (_WORKSPACE, wait)) from None
        if parts is None:
            raise RequestRefused(404, "no_results", _NOTHING)
        file = SpooledFile()
        try:
            async for part in parts:
                file.write(part)
        except BaseException:
            file.close()
            raise
        return file
