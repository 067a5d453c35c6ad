"""Folds whole files into profiles, on one machine."""
