"""Promises about deliveries: when and in which order messages reach a destination."""
