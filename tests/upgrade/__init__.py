"""Tests that servers of an earlier version and of this one work on one database."""
