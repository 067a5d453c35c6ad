"""The configuration: every fault with its line, and nothing but faults."""
