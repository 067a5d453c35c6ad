"""Sends what is to be told to each kind of destination, one kind a file."""
