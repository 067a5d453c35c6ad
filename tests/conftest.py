"""Sets what holds for every test: how long a drawn example takes says something about the machine, not about us."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anywhere")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests over a Citus cluster to the same process: one of them at a time has the database there."""
    for item in items:
        if "citus" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("citus"))
