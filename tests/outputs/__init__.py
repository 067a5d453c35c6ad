"""Promises about destinations, each held against a server on loopback that looks at what it gets."""
