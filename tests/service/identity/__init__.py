"""Promises of `service.identity`."""
