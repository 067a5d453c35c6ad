"""Writes messages to files, in a folder or a store that is compatible with S3, and audiences to be downloaded."""
