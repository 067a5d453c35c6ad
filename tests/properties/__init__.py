"""What holds for all histories, not only for examples."""
