"""Promises about files that messages are written to, and audiences that are downloaded."""
