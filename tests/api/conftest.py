"""What several tests of the interfaces over HTTP begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.api.profile_stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A fresh server of profiles without its socket."""
    async with staged() as made:
        yield made
