"""Where records and the log are kept: the port, its errors, its conformance suite, and a folder an adapter."""
