"""Finds values that meet more than a person would, and keeps them apart."""
