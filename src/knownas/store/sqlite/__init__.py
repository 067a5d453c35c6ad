"""The SQLite adapter: one file, one writing connection, WAL, full synchronisation."""
