"""The conformance suite: what every store adapter must do, as tests that its author runs. Start at `suite`."""
