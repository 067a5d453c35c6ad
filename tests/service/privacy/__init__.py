"""Promises of `service.privacy`."""
