"""Identities, policies, records and decisions."""
