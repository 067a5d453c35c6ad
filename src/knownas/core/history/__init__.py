"""The log is the truth, the identity records are a fold of it."""
