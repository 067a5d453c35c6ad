"""Tests of groups of users: definitions, places, what members share, and what follows from it."""
