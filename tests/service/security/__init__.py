"""Promises of `service.security`."""
