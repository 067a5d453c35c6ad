"""What the tree looks like."""
