"""The health of identity, over a store."""
