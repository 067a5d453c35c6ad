"""Tells outputs that a person has asked to be erased, as soon as the request has come and not after its waiting period (platform §5.7).

An output is told if somebody has said so of it, and which identities it gets. These are the profile's that the request leads to, and those that the
request names itself; nobody found means that the named ones alone are told. Whom a request names by a digest only is told of by what the profile has.

The message has an id that follows from the request and the output. So whoever looks at the requests that are open, after a kill as well, writes it once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

import msgspec

from knownas.core.delivery.message import ErasureMessage, Origin
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import values_of
from knownas.core.privacy.request import RequestType, SubjectRequest
from knownas.core.translation.outcome import Translated
from knownas.core.translation.rule import Users
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from knownas.service.audience.catalogue import Catalogues, Destinations, KnownOutput
from knownas.service.audience.limits import ERASURES_A_PAGE, ERASURES_LOOK_SECONDS, ERASURES_SEEN_AGAIN_MS
from knownas.service.audience.subjects import Subjects
from knownas.service.delivery.connection_form import read_connection, rule_or_faults
from knownas.service.delivery.form import message_document
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.identity.knowing import place_of
from knownas.service.privacy.subject_finding import Found, SubjectFinding
from knownas.service.privacy.subject_request_form import kept_request
from knownas.service.security.directory import Directory
from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import NewDelivery
from knownas.store.errors import StoreError
from knownas.store.port import Store
from knownas.store.privacy import StoredRequest
from knownas.store.user_data import SectionKey

log: Final = logging.getLogger(__name__)

_NAMESPACE: Final = UUID("0b2c5f0e-6f0b-5d0e-8f54-6b7f0a3d2c41")
"""Of the ids of messages about erasures."""


class ErasureForwarding:
    """The job that tells outputs of erasures. One event loop, one of these; `told` hears which outputs have something to be told."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        finding: SubjectFinding,
        directory: Directory,
        subjects: Subjects,
        clock: Callable[[], int],
        told: Callable[[int], None],
    ) -> None:
        self._store = store
        self._catalogues = catalogues
        self._finding = finding
        self._directory = directory
        self._subjects = subjects
        self._clock = clock
        self._told = told
        self._seen: set[str] = set()
        self._after_ms = 0
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def forward(self) -> int:
        """Write what outputs are to be told of erasures that are open. Returns how many requests were new.

        Raises:
            StoreError: the store does not do it; it is tried again.
        """
        catalogue = await self._catalogues.refresh()
        telling = [one for one in catalogue.outputs.values() if _tells(one)]
        if not telling:
            return 0
        new = 0
        after_ms, after_id = self._after_ms, ""
        while page := await self._store.privacy.requests_after(after_ms, after_id, ERASURES_A_PAGE):
            for row in page:
                if row.request_id not in self._seen and row.ended_ms is None and not is_deletion(row):
                    await self._forward_one(row, [one for one in telling if one.workspace == row.workspace])
                    self._seen.add(row.request_id)
                    new += 1
            after_ms, after_id = page[-1].received_ms, page[-1].request_id
        # Requests of other processes may appear a little behind.
        self._after_ms = max(self._after_ms, after_ms - ERASURES_SEEN_AGAIN_MS)
        return new

    async def forward_at_once(self, row: StoredRequest) -> None:
        """Write what outputs are to be told of one erasure, before it is carried out.

        Raises:
            StoreError: the store does not do it.
        """
        catalogue = await self._catalogues.refresh()
        telling = [one for one in catalogue.outputs.values() if _tells(one) and one.workspace == row.workspace]
        if telling and row.request_id not in self._seen and not is_deletion(row):
            await self._forward_one(row, telling)
            self._seen.add(row.request_id)

    async def _forward_one(self, row: StoredRequest, outputs: Sequence[KnownOutput]) -> None:
        request = kept_request(row).request
        place = place_of(self._directory, row.workspace)
        if request.type is not RequestType.ERASURE or place is None or not outputs:
            return
        found = await self._finding.find(place, request.subject)
        deliveries: list[NewDelivery] = []
        for one in found:
            view = await self._view(row.workspace, one)
            for output in outputs:
                message = _message(
                    request, row.workspace, one, view, output, self._catalogues.destinations, self._clock()
                )
                if message is not None:
                    environment, mpid = message.origin.environment, message.mpid or 0
                    told = (message.id, output.id, 0, row.workspace, environment, mpid, message.at_ms)
                    deliveries.append(NewDelivery(*told, message_document(message)))
        if deliveries:
            await self._store.audiences.commit(AudienceCommit(deliveries=deliveries))
            for output_id in {one.output for one in deliveries}:
                self._told(output_id)

    async def _view(self, workspace: int, found: Found) -> ProfileView:
        """Return what there is of a person: the profile's identities, and those that the request names."""
        if found.mpid is None or found.environment is None:
            return ProfileView(0, known=False, identities=values_of(found.named))
        key = SectionKey(workspace, found.environment.value, found.mpid)
        stored = (await self._store.audiences.subjects([key]))[key]
        view = self._subjects.view(key, stored) or ProfileView(found.mpid, known=False)
        held = [Identity(kind, value) for kind, values in view.identities.items() for value in values]
        return replace(view, identities=values_of([*(one for one in held if one not in found.named), *found.named]))

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self.forward()
            except StoreError as error:
                log.warning("erasures are told to outputs later: %s", error)
            except Exception:
                log.exception("erasures are told to outputs later")
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(ERASURES_LOOK_SECONDS)


def _tells(output: KnownOutput) -> bool:
    return output.document.erasures_written is not None and not output.document.is_deleted


def _message(
    request: SubjectRequest,
    workspace: int,
    found: Found,
    view: ProfileView,
    output: KnownOutput,
    destinations: Destinations,
    now_ms: int,
) -> ErasureMessage | None:
    """Return what an output is told; None if it gets none of the person's identities."""
    kind, written = destinations.get(output.document.destination), output.document.erasures_written
    if kind is None or written is None:
        return None
    asked = read_connection({"output": str(output.id), **msgspec.json.decode(written)})
    if isinstance(asked, tuple):
        return None
    # Whoever asks to be erased has not asked to be spared that.
    wish = replace(
        asked.wish,
        users=Users.ALL,
        consents=frozenset(),
        send_limited_ad_tracking=True,
        send_opted_out_users=True,
    )
    rule = rule_or_faults(wish, kind)
    translated = None if isinstance(rule, tuple) else translate(view, rule)
    if not isinstance(translated, Translated):
        return None
    environment = found.environment or Environment.PRODUCTION
    named = f"{request.request_id} {output.id} {found.mpid}"
    return ErasureMessage(
        str(uuid5(_NAMESPACE, named)),
        Origin(workspace, environment.value),
        found.mpid,
        now_ms,
        request.request_id,
        request.regulation,
        request.submitted_ms,
        translated.identities,
    )
