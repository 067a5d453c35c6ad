"""The rules. Pure: no I/O, no clock, no randomness, no logging; nothing but the standard library."""
