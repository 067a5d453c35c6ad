"""Folds years of history into a new pool: linked by shared identities, folded in parallel, loaded in bulk."""
