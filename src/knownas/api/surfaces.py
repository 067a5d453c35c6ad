"""Knows which surface serves a path, for all that keep the vendor's paths but IDSync (design §6)."""

from collections.abc import Callable, Sequence
from functools import partial

from knownas.api.alias import AliasSurface, is_alias
from knownas.api.events import EVENT_PATHS, Events
from knownas.api.exchange import App
from knownas.api.platform import PREFIX as PLATFORM_PREFIX
from knownas.api.platform import platform_api
from knownas.api.profile import ProfileApi, profile_target
from knownas.api.seeding import SeedingSurface, takes_many
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.api.token import PATHS as TOKEN_PATHS
from knownas.api.token import TokenEndpoint
from knownas.api.websdk import WebSdk, target_of
from knownas.service.server import Service

Surface = Callable[[str], App | None]
"""Returns what serves a path, None if the path is not this surface's."""


def vendor_surfaces(service: Service, throttle: Throttle, telemetry: Telemetry) -> Sequence[Surface]:
    """Build the surfaces of a service, in the order in which they are asked."""
    events = Events(service, throttle, telemetry)
    profile = ProfileApi(service, service.tokens, service.sections, telemetry)
    web = WebSdk(service, throttle, telemetry)
    alias = AliasSurface(service.aliasing, service.directory, throttle, telemetry)
    seeding = SeedingSurface(service.seeding, service.directory, telemetry)
    token = TokenEndpoint(service.tokens, telemetry)
    platform = platform_api(service, service.tokens, telemetry)

    def of_events(path: str) -> App | None:
        kind = EVENT_PATHS.get(path)
        return None if kind is None else partial(events.serve, kind)

    def of_profile(path: str) -> App | None:
        target = profile_target(path)
        return None if target is None else partial(profile.serve, target)

    def of_web(path: str) -> App | None:
        target = target_of(path)
        return None if target is None else partial(web.serve, target)

    return (
        of_events,
        of_profile,
        of_web,
        lambda path: alias.serve if is_alias(path) else None,
        lambda path: seeding.serve if takes_many(path) is not None else None,
        lambda path: token.serve if path in TOKEN_PATHS else None,
        lambda path: platform if path.startswith(f"{PLATFORM_PREFIX}/") else None,
    )
