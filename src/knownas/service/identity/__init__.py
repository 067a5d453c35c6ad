"""Answers who somebody is: batches of questions, decisions and their receipts, aliases, policies."""
