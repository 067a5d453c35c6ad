"""Promises of `service.access`."""
