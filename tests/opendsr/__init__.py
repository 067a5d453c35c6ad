"""A controller that was written from the specification of OpenDSR alone, and its conversations with a real server."""
