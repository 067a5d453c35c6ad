"""Promises about audiences: definitions that are read, and judged."""
