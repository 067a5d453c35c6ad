"""Tells outputs what they are to be told: connections, translation, and delivery at least once."""
