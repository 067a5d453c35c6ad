"""Promises of `service.toxic`."""
