"""Sets what holds for every test: how long a drawn example takes says something about the machine, not about us."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anywhere")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give some tests to the same process, for what they share.

    All tests over a Citus cluster: one of them at a time has the database there. The browser tests of a file, which have a
    browser and its servers together.
    """
    for item in items:
        if "citus" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("citus"))
        elif item.path.parent.name == "browser":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
