"""The log and its fold."""
