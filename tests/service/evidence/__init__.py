"""Promises of `service.evidence`."""
