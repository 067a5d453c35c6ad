"""Holds the headers that every answer of the console has: what a browser may do with it, which is next to nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Everything comes from this server, and nothing stands inline: what got into a page as text never runs."""

SECURITY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # No other site is told anything. Of our own pages a browser would hide the origin too with `no-referrer`, and forms need it.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
)
PRIVATE: Final[Mapping[str, str]] = MappingProxyType({**SECURITY, "Cache-Control": "no-store"})
"""For what shows people: no cache keeps it."""
