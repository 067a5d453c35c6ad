"""Tests of the HTTP surfaces against started servers."""
