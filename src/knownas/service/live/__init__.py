"""What comes through the inputs, as it comes."""
