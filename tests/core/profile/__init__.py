"""Promises about attributes, consent, devices and sections, and about aliases."""
