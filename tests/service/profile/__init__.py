"""Promises of `service.profile`."""
