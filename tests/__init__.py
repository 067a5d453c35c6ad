"""The tests: they mirror the source and read as promises."""
