"""Counts what came of requests, by interval."""
