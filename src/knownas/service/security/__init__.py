"""Knows who may ask what: keys, tokens, secrets at rest, and who read what."""
