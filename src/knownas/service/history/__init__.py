"""Looks at history again: as of a time, without a decision, under other rules, and against the records."""
