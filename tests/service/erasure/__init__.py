"""Promises of `service.erasure`."""
