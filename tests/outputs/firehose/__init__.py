"""Promises about partners that speak the open partner protocol."""
