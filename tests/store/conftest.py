"""Collects the tests over a Citus cluster where somebody names one."""

from tests.citus import CITUS_DSN

collect_ignore = [] if CITUS_DSN else ["test_citus.py"]
