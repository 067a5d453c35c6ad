"""Measures knownas against a server that does nothing: `python -m bench NAME`, one benchmark a file."""
