"""Tests of the console without a browser: what it serves, to whom, and what it never lets out."""
