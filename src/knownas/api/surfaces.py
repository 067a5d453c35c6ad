"""Knows which surface serves a path, for all that keep the vendor's paths but IDSync (design §6)."""

from collections.abc import Callable, Sequence
from functools import partial

from knownas.api.alias import ROUTES as ALIAS
from knownas.api.alias import AliasSurface
from knownas.api.answering import HttpSurface
from knownas.api.bulk_deletion import ROUTES as BULK_DELETION
from knownas.api.bulk_deletion import BulkDeletionSurface
from knownas.api.deadline import Deadline
from knownas.api.events import ROUTES as EVENTS
from knownas.api.events import Events
from knownas.api.exchange import App
from knownas.api.opendsr import ROUTES as OPENDSR
from knownas.api.opendsr import OpenDsr
from knownas.api.opendsr_results import ROUTES as RESULTS
from knownas.api.opendsr_results import Results
from knownas.api.platform import is_platform_path, platform_api
from knownas.api.platform_groups import ROUTES as GROUPS
from knownas.api.platform_groups import PlatformGroups
from knownas.api.profile import ROUTES as PROFILE
from knownas.api.profile import ProfileApi
from knownas.api.routes import Routes, Target
from knownas.api.seeding import ROUTES as SEEDING
from knownas.api.seeding import SeedingSurface
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.api.token import ROUTES as TOKEN
from knownas.api.token import TokenEndpoint
from knownas.api.websdk import ROUTES as WEB
from knownas.api.websdk import WebSdk
from knownas.service.limits import LONG_REQUEST_SECONDS, REQUEST_SECONDS
from knownas.service.server import Service

Finder = Callable[[str], App | None]
"""Returns what serves a path, None if the path is not this surface's."""


def vendor_surfaces(service: Service, throttle: Throttle, telemetry: Telemetry) -> Sequence[Finder]:
    """Build the surfaces of a service, in the order in which they are asked: the hottest first."""
    platform = platform_api(service, service.tokens, telemetry)
    privacy, directory, clock = service.privacy, service.directory, service.clock
    deletion = BulkDeletionSurface(privacy.deletion, directory, throttle, telemetry, service.live)
    alias = AliasSurface(service.aliasing, directory, throttle, telemetry, service.live)
    seeding = SeedingSurface(service.seeding, directory, telemetry, service.live)
    return (
        _finder(EVENTS, Events(service, throttle, telemetry)),
        _punctual(PROFILE, ProfileApi(service, service.tokens, telemetry)),
        _finder(WEB, WebSdk(service, throttle, telemetry)),
        _punctual(ALIAS, alias),
        _punctual(SEEDING, seeding),
        _punctual(OPENDSR, OpenDsr(privacy, directory, clock, telemetry), LONG_REQUEST_SECONDS),
        _finder(RESULTS, Results(privacy, directory, clock, telemetry)),
        _punctual(BULK_DELETION, deletion, LONG_REQUEST_SECONDS),
        _finder(TOKEN, TokenEndpoint(service.tokens, telemetry)),
        _punctual(GROUPS, PlatformGroups(service, service.tokens, telemetry)),
        lambda path: platform if is_platform_path(path) else None,
    )


def _finder(routes: Routes[Target], surface: HttpSurface[Target]) -> Finder:
    def find(path: str) -> App | None:
        asked = routes.find(path)
        return None if asked is None else partial(surface.serve, asked)

    return find


def _punctual(routes: Routes[Target], surface: HttpSurface[Target], seconds: float = REQUEST_SECONDS) -> Finder:
    """Find a surface whose requests ask the store themselves, and not in a line that tells them when their time is up."""
    find, deadline = _finder(routes, surface), Deadline(surface.refuse_late, seconds)

    def find_punctual(path: str) -> App | None:
        app = find(path)
        return None if app is None else partial(deadline.serve, app)

    return find_punctual
