"""The HTTP surfaces, one a file: they decode requests, ask the service, and encode its answers."""
