"""Holds the server to its promises while processes are killed under it."""
