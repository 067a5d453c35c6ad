"""Writes the chain of evidence and the ledger of erasures, and checks them."""
