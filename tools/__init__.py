"""What the project's verbs run, and the tests with them."""
