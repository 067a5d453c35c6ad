"""Serves the seeding of calculated attributes, with a workspace's own key and secret (platform §8).

An accepted request is answered with 202 and no body once it is durable. A refused one has kept nothing, and names
every fault as `<name>: <reason>`.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from knownas.api.answering import HttpSurface
from knownas.api.credentials import NOBODY, Denied, basic_pair, repeats_authorization
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.refusals import vendor_code, vendor_error
from knownas.api.routes import Routes, literal
from knownas.api.seeding_wire import seeding_request
from knownas.api.sources import SentBy
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Allowances
from knownas.api.unavailable import unavailable
from knownas.api.wire import NAME_CHARACTERS_SHOWN, Malformed
from knownas.core.health.tally import Source
from knownas.service.identity.resolver import Overloaded
from knownas.service.live.feed import Feed
from knownas.service.profile.seeding import SeedFault, Seeding
from knownas.service.security.directory import Directory, Place
from knownas.store.errors import StoreError


class Amount(Enum):
    """Whose seeds a path takes: those of one user, or of many."""

    ONE = auto()
    MANY = auto()


ROUTES: Final = Routes(
    *(
        literal(f"{prefix}/v2/{name}{slash}", ("POST",), amount)
        for name, amount in (("calculatedattributes", Amount.ONE), ("bulkcalculatedattributes", Amount.MANY))
        for prefix in ("", "/s2s")
        for slash in ("", "/")
    )
)
"""The vendor's examples end with a slash, its text does not."""


class _Faults(RequestRefused):
    """Refuses seeds for every fault that was found in them."""

    def __init__(self, faults: Sequence[SeedFault]) -> None:
        self.told = [(one.code, f"{one.name[:NAME_CHARACTERS_SHOWN]}: {one.reason}") for one in faults]
        super().__init__(400, *self.told[0])


class SeedingSurface(HttpSurface[Amount]):
    """The seeding API of a service."""

    name = "seeding"

    def __init__(self, seeding: Seeding, directory: Directory, telemetry: Telemetry, live: Feed | None = None) -> None:
        super().__init__(telemetry, live)
        self._seeding = seeding
        self._directory = directory
        self._allowances: Allowances[int] = Allowances("workspace", "The workspace sends too much; wait and try again.")

    def error(self, refusal: RequestRefused) -> bytes:
        """Write the vendor's envelope, with every fault; platform §1.6, §8."""
        if isinstance(refusal, _Faults):
            return vendor_error(vendor_code(refusal.status), refusal.told)
        return super().error(refusal)

    async def answer(self, target: Amount, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Take seeds, all of them or none."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        place = self._place(scope["headers"], given)
        with SentBy(Source(place.rules.scope)):
            return await self._seed(target, place, body, headers)

    async def _seed(self, target: Amount, place: Place, body: bytes, headers: list[Header]) -> tuple[int, bytes]:
        self._allowances.admit(place.workspace.id, place.workspace.limits, headers)
        try:
            faults = await self._seeding.seed(place, seeding_request(body, many=target is Amount.MANY))
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        except (Overloaded, StoreError) as error:
            raise unavailable(error, "The store could not keep the seeds; nothing was kept.") from error
        if faults:
            raise _Faults(faults)
        return 202, b""

    def _place(self, headers: Sequence[Header], given: Mapping[bytes, bytes]) -> Place:
        """Find out whose workspace it is; platform §2.1 for 401 and 403."""
        if repeats_authorization(headers, given):
            raise _denied(401, Denied.MALFORMED)
        if b"authorization" not in given:
            raise _denied(401, Denied.NO_CREDENTIALS)
        pair = basic_pair(given[b"authorization"])
        if pair is None:
            raise _denied(401, Denied.MALFORMED)
        key, secret = pair
        place = self._directory.workspace(key)
        matches = (NOBODY if place is None else place.workspace.secret).matches(secret)
        if place is None:
            raise _denied(403, Denied.UNKNOWN_KEY)
        if not matches:
            raise _denied(403, Denied.WRONG_SECRET)
        return place


def _denied(status: int, denied: Denied) -> RequestRefused:
    sentence = "Send the workspace's own key and secret, not an input's: Authorization: Basic."
    return RequestRefused(status, denied.value, sentence)
