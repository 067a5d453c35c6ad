"""Promises of `service.audience`."""
