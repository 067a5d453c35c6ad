"""Knows whether identity resolution is healthy, and since when not."""
