"""What came of requests, by interval."""
