"""The use cases: each owns its transaction and the order of things."""
