"""Tests of what goes out to destinations."""
