"""Reads the configuration of a server: one YAML file in, a valid `Configuration` or every fault of the file out."""
