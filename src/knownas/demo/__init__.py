"""An hour of generated traffic, for the demo and for load tests."""
