"""Promises of `service.delivery`."""
