"""What holds of backfills: they come to what one observation after the other would have."""
