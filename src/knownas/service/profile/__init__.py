"""Keeps and shows what workspaces know of users: batches of events, sections, consent, calculated attributes."""
