"""The states of a request of a data subject, and the chain of evidence of what became of it (platform §5)."""
