"""Decides which identities go out to a destination, how they are written, and what it is told when they change."""
