"""Tests of the imports of whole files."""
