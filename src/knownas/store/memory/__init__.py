"""The memory adapter: the port without a disk, for tests, rehearsals and embedding. Nothing survives the process."""
