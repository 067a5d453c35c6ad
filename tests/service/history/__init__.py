"""Promises of `service.history`."""
