"""knownas: an open, self-hosted identity resolution server.

It answers one question, in real time and in bulk: *which person is this?*
"""

__version__ = "0.1.0"
