"""Says how the results of an access request are fetched; who gathers them is another part's (platform §5.6)."""

from collections.abc import AsyncIterator
from typing import Protocol

from knownas.service.subject_request_form import KeptRequest


class Results(Protocol):
    """Where the results of requests come from."""

    async def open(self, kept: KeptRequest) -> AsyncIterator[bytes] | None:
        """Return the bytes of a zip file, in pieces; None if nobody was found.

        Raises:
            StoreError: the store does not answer.
        """
        ...


class NoResults:
    """Has results of no request."""

    async def open(self, kept: KeptRequest) -> AsyncIterator[bytes] | None:  # noqa: ARG002 - the protocol's
        """Return that there are none."""
        return None
