"""The use cases from end to end."""
