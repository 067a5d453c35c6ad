"""Defines audiences, judges profiles in them, and says what outputs are to be told."""
