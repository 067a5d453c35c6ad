"""Tests that a started server answers everything it is sent, and answers it the way its own description says."""
