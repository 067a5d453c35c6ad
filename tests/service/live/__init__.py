"""Tests of what comes through inputs, for whoever watches it."""
