"""Tests of the states of privacy requests and of the chain of evidence."""
