"""The SQLite adapter: one file, two writing connections that take turns, WAL, full synchronisation."""
